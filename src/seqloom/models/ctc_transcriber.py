r"""Many-to-many, unaligned: steps of sound in, at every step how probable each symbol is, or the blank.

.. math::

    h_1 \dots h_T &= \mathrm{recurrence}(x_1 \dots x_T) \\
    p(\pi_t | x) &= \mathrm{softmax}(W h_t + b)

of which connectionist temporal classification (Graves et al. 2006) makes texts. A stack that reads in one
direction can say so while the sound comes in.
"""

from __future__ import annotations

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError, DataError
from seqloom.layers.masking import Lengths
from seqloom.models.dropout import Dropouts, drop
from seqloom.models.language_model import LAYERS
from seqloom.models.sequence_classifier import Recurrence
from seqloom.shapes import Logits
from seqloom.state import State


@final
class Transcriber(nn.Module):
    """Steps of features to logits of symbols.

    Args:
        input_size: F, features of a step.
        output_size: V, symbols there are, the blank among them at number 0.
        recurrence: the recurrent layers.
        dropouts: where and how much is dropped in training.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = Transcriber(input_size=8, output_size=5, recurrence=Recurrence("gru", 16))
    >>> model(torch.randn(2, 7, 8), lengths=[7, 4]).shape
    torch.Size([2, 7, 5])
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        recurrence: Recurrence,
        dropouts: Dropouts = Dropouts(),
    ) -> None:
        super().__init__()
        cell_type, hidden_size, num_layers, bidirectional, kernel = recurrence
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
        for name, size in sizes.items():
            if size < 1:
                raise ConfigError("Transcriber", f"{name} must be an int >= 1", got=size)
        if output_size < 2:
            expected = "output_size must be an int >= 2, the blank and at least one symbol"
            raise ConfigError("Transcriber", expected, got=output_size)
        if cell_type not in LAYERS:
            raise ConfigError("Transcriber", f"cell_type must be one of {', '.join(LAYERS)}", got=cell_type)
        self.input_size, self.dropouts, self.bidirectional = input_size, dropouts, bidirectional
        self.encoded_size = hidden_size * (1 + bidirectional)
        self.layers = nn.ModuleList(
            LAYERS[cell_type](
                below,
                hidden_size,
                bidirectional=bidirectional,
                weight_dropout=dropouts.weight,
                recurrent_dropout=dropouts.recurrent,
                kernel=kernel,
            )
            for below, _ in pairwise([input_size, *[self.encoded_size] * num_layers])
        )
        self.output = nn.Linear(self.encoded_size, output_size)
        nn.init.zeros_(self.output.bias)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output.weight.device

    def initial_state(self, batch_size: int) -> State:
        """The state before anything was heard: one for each layer."""
        return tuple(layer.initial_state(batch_size) for layer in self.layers)  # type: ignore[operator]

    def forward(self, features: Tensor, lengths: Lengths = None) -> Logits:
        """Hear whole recordings.

        Args:
            features: (B, T, F).
            lengths: (B,) integers, the real steps of each row; None: all. What lies beyond counts nothing.

        Returns:
            logits (B, T, V).

        Raises:
            DataError: a shape or a length that does not fit.
        """
        return self.output(self.encode(features, lengths))

    def encode(self, features: Tensor, lengths: Lengths = None) -> Tensor:
        """What the output layer reads, (B, T, H times directions)."""
        return self._run(features, None, lengths)[0]

    def step(self, features: Tensor, state: State | None = None) -> tuple[Logits, State]:
        """Hear the next steps (B, T, F) on from `state`: any chunks give what the whole gives.

        Raises:
            ConfigError: the stack reads in both directions.
        """
        self.require_one_way()
        values, state = self._run(features, state, None)
        return self.output(values), state

    def require_one_way(self) -> None:
        """See that it can hear a stream.

        Raises:
            ConfigError: it reads in both directions.
        """
        if self.bidirectional:
            raise ConfigError(
                "Transcriber",
                "a bidirectional model cannot hear a stream, as its reverse direction starts at the end",
                hint="Give it whole recordings, or train one with model.bidirectional=false",
            )

    def _run(self, features: Tensor, state: State | None, lengths: Lengths) -> tuple[Tensor, State]:
        if features.dim() != 3 or features.shape[-1] != self.input_size:
            expected = f"features must be (B, T, {self.input_size})"
            raise DataError("Transcriber", expected, got=f"{tuple(features.shape)}")
        drops = self.dropouts if self.training else Dropouts()
        features = features.to(self.output.weight.dtype)  # data is float32, whatever a model is made of
        values = drop(features.transpose(0, 1), drops.input, drops.locked)
        states: list[State] = []
        for number, layer in enumerate(self.layers):
            if number:
                values = drop(values, drops.hidden, drops.locked)
            values, after = layer(values, None if state is None else state[number], lengths=lengths)
            states.append(after)
        return drop(values, drops.output, drops.locked).transpose(0, 1), tuple(states)
