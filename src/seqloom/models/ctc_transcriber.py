r"""Many-to-many, unaligned: for every step of sound, the probability of each symbol and of the blank.

.. math::

    h_1 \dots h_T &= \mathrm{recurrence}(x_1 \dots x_T) \\
    p(\pi_t | x) &= \mathrm{softmax}(W h_t + b)

which connectionist temporal classification (Graves et al. 2006) turns into texts. With layers of one
direction it works on a stream too.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.errors import ConfigError, DataError
from seqloom.layers.masking import Lengths
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.shapes import Logits
from seqloom.state import State


@final
class CTCTranscriber(nn.Module):
    """Map features of sound to logits of symbols.

    Args:
        input_size: F, features of a step.
        output_size: V, number of symbols, the blank included, which is number 0.
        recurrent: the recurrent layers.
        front: from steps (B, T, …) and lengths (B,) to features (B, T, F); None: steps are features.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = CTCTranscriber(input_size=8, output_size=5, recurrent=RecurrentConfig("gru", 16))
    >>> model(torch.randn(2, 7, 8), lengths=[7, 4]).shape
    torch.Size([2, 7, 5])
    """

    def __init__(
        self, input_size: int, output_size: int, recurrent: RecurrentConfig, front: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.input_size = check_size("CTCTranscriber", "input_size", input_size)
        if output_size < 2:
            expected = "output_size must be an int >= 2, the blank and at least one symbol"
            raise ConfigError("CTCTranscriber", expected, got=output_size)
        self.front = front
        self.layers = RecurrentStack(input_size, recurrent)
        self.output = nn.Linear(self.layers.output_size, output_size)
        nn.init.zeros_(self.output.bias)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output.weight.device

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: a tuple with that of every layer."""
        return self.layers.initial_state(batch_size)

    def forward(self, features: Tensor, lengths: Lengths = None) -> Logits:
        """Score the symbols of whole recordings.

        Args:
            features: (B, T, F), or what the front reads.
            lengths: (B,) integers, the valid steps of each row; None: all of them. The others are ignored.

        Returns:
            logits (B, T, V).

        Raises:
            DataError: a shape or a length that does not fit.
        """
        return self.output(self.encode(features, lengths))

    def encode(self, features: Tensor, lengths: Lengths = None) -> Tensor:
        """The input of the output layer, (B, T, H times directions)."""
        return self._run(features, None, lengths)[0]

    def step(self, features: Tensor, state: State | None = None) -> tuple[Logits, State]:
        """Read the next steps (B, T, F) on from `state`: a recording in any chunks gives what it gives whole.

        Raises:
            ConfigError: the layers are bidirectional.
        """
        self.require_one_direction()
        h, state = self._run(features, state, None)
        return self.output(h), state

    def require_one_direction(self) -> None:
        """Check that the model can transcribe a stream.

        Raises:
            ConfigError: the layers are bidirectional.
        """
        if self.layers.config.bidirectional:
            raise ConfigError(
                "CTCTranscriber",
                "a bidirectional model cannot transcribe a stream, as it also reads from the end",
                hint="Give it whole recordings, or train one with model.bidirectional=false",
            )

    def _run(self, features: Tensor, state: State | None, lengths: Lengths) -> tuple[Tensor, State]:
        if self.front is not None:
            features = self.front(features, lengths)
        if features.dim() != 3 or features.shape[-1] != self.input_size:
            expected = f"features must be (B, T, {self.input_size})"
            raise DataError("CTCTranscriber", expected, got=f"{tuple(features.shape)}")
        x = features.transpose(0, 1).to(self.output.weight.dtype)  # data is float32, models may be float64
        h, state_after = self.layers(x, state, lengths)
        return h.transpose(0, 1), state_after
