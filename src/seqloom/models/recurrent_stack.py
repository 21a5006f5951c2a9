r"""The stack of recurrent layers of every model: one configuration, one forward pass with dropout.

.. math:: x^{(0)} = x, \quad x^{(l)}, s^{(l)} = \mathrm{layer}_l(\mathrm{drop}(x^{(l-1)}), s^{(l)}_0)
"""

from __future__ import annotations

from typing import NamedTuple, final

from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.layers.masking import Lengths
from seqloom.layers.recurrent import make_layer
from seqloom.models.dropout import Dropouts, drop
from seqloom.state import State


class RecurrentConfig(NamedTuple):
    """The recurrent layers of a model.

    Fields:
        cell_type: a name in `seqloom.layers.recurrent.CELL_TYPES`, such as `lstm`.
        hidden_size: H, hidden units of a layer and direction.
        num_layers: layers on top of one another.
        bidirectional: whether each layer also reads from the end to the start.
        dropouts: what is dropped in training, and with which probability.
        layer_norm: normalize the products at every step (Ba et al., 2016, arXiv:1607.06450).
        zoneout: probability that a unit keeps its value (Krueger et al., 2016, arXiv:1606.01305).
        kernel: `auto`, `reference`, `torch` or `native`.
        chrono_init: the longest dependency, in steps, that units of an LSTM or GRU are to keep when training
            begins (Tallec and Ollivier, 2018, arXiv:1804.11188); None: as torch.nn draws the biases.
    """

    cell_type: str = "lstm"
    hidden_size: int = 128
    num_layers: int = 1
    bidirectional: bool = False
    dropouts: Dropouts = Dropouts()
    layer_norm: bool = False
    zoneout: float = 0.0
    kernel: str = "auto"
    chrono_init: int | None = None

    @property
    def output_size(self) -> int:
        """Features of a step of the output: H times directions."""
        return self.hidden_size * (1 + self.bidirectional)

    def layer(self, input_size: int, hidden_size: int | None = None) -> nn.Module:
        """A single layer of this kind, of `hidden_size` units where they are not the configuration's."""
        return make_layer(
            self.cell_type,
            input_size,
            self.hidden_size if hidden_size is None else hidden_size,
            bidirectional=self.bidirectional,
            weight_dropout=self.dropouts.weight,
            recurrent_dropout=self.dropouts.recurrent,
            layer_norm=self.layer_norm,
            zoneout=self.zoneout,
            kernel=self.kernel,
            chrono_init=self.chrono_init,
        )

    def without_output_dropout(self) -> RecurrentConfig:
        """These layers without dropout at the output, for a model that has it elsewhere."""
        return self._replace(dropouts=self.dropouts._replace(output=0.0))


@final
class RecurrentStack(nn.ModuleList):
    """Recurrent layers on top of one another; as a module list, it names them `0`, `1`, ….

    Args:
        input_size: I, features of a step of the input.
        config: the layers.
        last_size: hidden units of the last layer, where they differ from those of the others.

    Raises:
        ConfigError: a size that is no int >= 1, or a cell type that does not exist.

    >>> import torch
    >>> stack = RecurrentStack(5, RecurrentConfig("gru", hidden_size=8, num_layers=2))
    >>> output, states = stack(torch.randn(7, 2, 5), lengths=[7, 4])
    >>> output.shape, len(states)
    (torch.Size([7, 2, 8]), 2)
    """

    def __init__(self, input_size: int, config: RecurrentConfig, last_size: int | None = None) -> None:
        sizes = {"input_size": input_size, "hidden_size": config.hidden_size, "num_layers": config.num_layers}
        for name, size in sizes.items():
            check_size("RecurrentStack", name, size)
        hidden_sizes = [*[config.hidden_size] * (config.num_layers - 1), last_size or config.hidden_size]
        input_sizes = [input_size, *[config.output_size] * (config.num_layers - 1)]
        super().__init__(map(config.layer, input_sizes, hidden_sizes))
        self.config = config
        self.output_size = hidden_sizes[-1] * (1 + config.bidirectional)

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step: a tuple with that of every layer."""
        return tuple(layer.initial_state(batch_size) for layer in self)  # type: ignore[operator]

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Lengths = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Run the layers, with dropout at the input, between them and at the output in training.

        Args:
            x: (T, B, I).
            state: a state for each layer, as the last call returned; None: `initial_state`.
            lengths: (B,) integers, the valid steps of each row; None: all of them.

        Returns:
            output (T, B, output_size), and the state of every layer after each row's last valid step.

        Raises:
            DataError: a shape, a type or a length that does not fit.
        """
        dropouts = self.config.dropouts if self.training else Dropouts()
        x = drop(x, dropouts.input, dropouts.locked)
        states: list[State] = []
        for number, layer in enumerate(self):
            if number:
                x = drop(x, dropouts.hidden, dropouts.locked)
            x, state_after = layer(x, None if state is None else state[number], lengths=lengths)
            states.append(state_after)
        return drop(x, dropouts.output, dropouts.locked), tuple(states)
