"""The parameters of a recurrent layer, with torch.nn's names, shapes and initialization."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.cells.lstm import LSTMState
from seqloom.cells.parameters import check_flag, check_nonlinearity, check_size, norm_shapes, reset_parameter
from seqloom.cells.projections import Weights
from seqloom.cells.spec import CELLS, CellSpec
from seqloom.errors import ConfigError
from seqloom.layers.recurrent.options import LSTM_DEFAULTS, check_options, check_probability

Device: TypeAlias = "torch.device | str | None"

Layer: TypeAlias = Any
"""An `RNN`, `LSTM`, `GRU` or `Recurrent`, whose attributes the functions here read."""


class Shape(NamedTuple):
    """The arguments of torch.nn's recurrent layers, stored as attributes of the same names."""

    mode: str
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    proj_size: int = 0

    @property
    def spec(self) -> CellSpec:
        """The cell."""
        return CELLS[self.mode.lower()]


def rnn_mode(nonlinearity: str) -> str:
    """torch.nn's `mode` of an RNN."""
    return f"RNN_{check_nonlinearity('RNN', nonlinearity).upper()}"


def build(
    layer: Layer, shape: Shape, device: Device, dtype: torch.dtype | None, options: Mapping[str, Any]
) -> None:
    """Check the arguments, set them as attributes, and create and initialize the parameters.

    torch.nn's parameters come first and are drawn first, so that the same seed gives the same weights.

    Raises:
        ConfigError: an argument of another type or out of its range.
    """
    where = type(layer).__name__
    _check_shape(where, shape)
    for name, value in {
        **shape._asdict(),
        **check_options(where, options, shape.spec, bias=shape.bias),
    }.items():
        setattr(layer, name, value)
    layer.cell = shape.spec.name
    layer.dropout = float(shape.dropout)
    layer.parameter_names = [[kind + suffix for kind in torch_kinds(shape)] for suffix in suffixes(shape)]
    for name, size in {**torch_shapes(shape), **extra_shapes(layer)}.items():
        layer.register_parameter(name, nn.Parameter(torch.empty(size, device=device, dtype=dtype)))
    reset(layer)
    flatten(layer)


def torch_kinds(shape: Shape) -> list[str]:
    """The names of torch.nn's parameters of one direction of one layer, in its order, without suffix."""
    biases = ["bias_ih", "bias_hh"] if shape.bias else []
    return ["weight_ih", "weight_hh", *biases, *(["weight_hr"] if shape.proj_size else [])]


def suffixes(shape: Shape | Layer) -> list[str]:
    """`_l0`, `_l0_reverse`, `_l1` ...: the suffixes of parameter names, for each direction of each layer."""
    ends = ("", "_reverse") if shape.bidirectional else ("",)
    return [f"_l{index}{end}" for index in range(shape.num_layers) for end in ends]


def torch_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torch.nn's parameters, in its order."""
    H, P = shape.hidden_size, shape.proj_size or shape.hidden_size
    G = shape.spec.num_gates * H
    shapes: dict[str, tuple[int, ...]] = {}
    for k, suffix in enumerate(suffixes(shape)):
        below = shape.input_size if k <= shape.bidirectional else P * (1 + shape.bidirectional)
        sizes = {"weight_ih": (G, below), "weight_hh": (G, P), "weight_hr": (P, H)}
        shapes |= {kind + suffix: sizes.get(kind, (G,)) for kind in torch_kinds(shape)}
    return shapes


def extra_shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters that torch.nn does not have."""
    H, P = layer.hidden_size, layer.proj_size or layer.hidden_size
    spec = CELLS[layer.cell]
    shapes: dict[str, tuple[int, ...]] = {}
    if layer.layer_norm:
        kinds = norm_shapes(spec.num_gates * H, H, has_cell_state=spec.has_cell_state)
        shapes |= {kind + suffix: size for suffix in suffixes(layer) for kind, size in kinds.items()}
    if layer.learn_initial_state:
        L = len(layer.parameter_names)
        shapes |= {"initial_h": (L, P)} | ({"initial_c": (L, H)} if spec.has_cell_state else {})
    return shapes


def reset(layer: Layer) -> None:
    """Initialize all parameters: as torch.nn does, then as the options say."""
    for name, parameter in layer.named_parameters():
        reset_parameter(name, parameter, 1 / math.sqrt(layer.hidden_size))
    if layer.orthogonal_init:
        make_orthogonal(layer)
    if getattr(layer, "forget_gate_bias", None) is not None:
        _set_gate_bias(layer, "f", [layer.forget_gate_bias for _ in suffixes(layer)])
    if getattr(layer, "chrono_init", None) is not None:
        keep_for_steps(layer, layer.chrono_init)


@torch.no_grad()
def make_orthogonal(layer: Layer) -> None:
    """Make each gate's block of weight_hh an orthogonal matrix (Saxe et al., 2014, arXiv:1312.6120)."""
    for suffix in suffixes(layer):
        for block in getattr(layer, "weight_hh" + suffix).split(layer.hidden_size):
            # The QR decomposition of orthogonal_ does not support bfloat16 or float16.
            at_least = torch.promote_types(block.dtype, torch.float32)
            block.copy_(nn.init.orthogonal_(torch.empty_like(block, dtype=at_least)))


def keep_for_steps(layer: Layer, steps: int) -> None:
    r"""Draw the gates' biases so that units keep their state for up to `steps` steps.

    .. math:: b_f = \log u, \quad u \sim U(1, T - 1), \quad b_i = -b_f

    A forget gate with bias b, or a GRU's update gate, keeps :math:`\sigma(b)` of the state at every step, for
    about :math:`1 + e^b` steps (Tallec and Ollivier, 2018, arXiv:1804.11188). torch.nn's biases near 0 keep
    half of it, so that after 100 steps :math:`10^{-30}` is left of a gradient.
    """
    bias = first_parameter(layer)
    at_least = torch.promote_types(bias.dtype, torch.float32)  # float16 ends at 65,504
    draws = [bias.new_empty(layer.hidden_size, dtype=at_least) for _ in suffixes(layer)]
    biases = [draw.uniform_(1, steps - 1).log() for draw in draws]
    for gate, sign in CELLS[layer.cell].keeping_gates:
        _set_gate_bias(layer, gate, [sign * b for b in biases])


@torch.no_grad()
def _set_gate_bias(layer: Layer, gate: str, values: Sequence[float | Tensor]) -> None:
    """Make the sum of a gate's two biases a value, for all units or of each (H,), in every direction."""
    H = layer.hidden_size
    k = CELLS[layer.cell].gates._fields.index(gate)
    for suffix, value in zip(suffixes(layer), values, strict=True):
        getattr(layer, "bias_ih" + suffix)[k * H : (k + 1) * H] = value
        getattr(layer, "bias_hh" + suffix)[k * H : (k + 1) * H] = 0


def flatten(layer: Layer) -> None:
    """On a GPU, move the weights into cuDNN's contiguous buffer; done whenever the layer is moved."""
    weights = [weight for weights in all_weights(layer) for weight in weights]
    if weights[0].is_cuda:
        names = ("bias", "input_size", "mode", "hidden_size", "proj_size", "num_layers", "batch_first")
        stand_in = SimpleNamespace(
            **{name: getattr(layer, name) for name in (*names, "bidirectional")},
            _flat_weights=weights,
            _flat_weights_names=weights,
        )
        nn.RNNBase.flatten_parameters(cast(nn.RNNBase, stand_in))


def all_weights(layer: Layer) -> list[list[nn.Parameter]]:
    """torch.nn's parameters, one list for each direction of each layer."""
    return [[getattr(layer, name) for name in names] for names in layer.parameter_names]


def flat_weights(layer: Layer) -> list[Tensor]:
    """The weights of all layers in one list, for torch's kernels, with weight dropout in training."""
    if layer.weight_dropout and layer.training:
        return [weight for w in run_weights(layer) for weight in w[:5] if weight is not None]
    return flat_parameters(layer)


def flat_parameters(layer: Layer) -> list[Tensor]:
    """torch.nn's parameters of all layers in one list."""
    return [_parameter(layer, name) for names in layer.parameter_names for name in names]


def first_parameter(layer: Layer) -> Tensor:
    """A parameter whose type and device are those of all."""
    return _parameter(layer, layer.parameter_names[0][0])


def _parameter(layer: Layer, name: str) -> Tensor:
    # A fifth of the time of getattr, which looks up parameters last. It is for what replaces a parameter, as
    # weight_norm does.
    parameters = layer._parameters
    return parameters[name] if name in parameters else getattr(layer, name)


def plain_weights(layer: Layer) -> list[Weights]:
    """The weights of each direction of each layer, without dropout."""
    return [
        Weights(*(getattr(layer, kind + suffix, None) for kind in Weights._fields))  # type: ignore[arg-type]
        for suffix in suffixes(layer)
    ]


def run_weights(layer: Layer) -> list[Weights]:
    """The weights of each direction of each layer, with weight dropout in training."""
    weights = plain_weights(layer)
    if not (layer.weight_dropout and layer.training):
        return weights
    return [w._replace(weight_hh=F.dropout(w.weight_hh, layer.weight_dropout)) for w in weights]


def initial_state(
    layer: Layer, batch_size: int, device: Device = None, dtype: torch.dtype | None = None
) -> Any:
    """The initial state: zeros, or the learned one.

    Args:
        batch_size: B, rows.
        device, dtype: of the state; None: the weights'.

    Returns:
        h (L, B, P), L layers times directions; of an LSTM, LSTMState(h, c) with c (L, B, H).

    >>> from seqloom.layers.recurrent import GRU
    >>> GRU(3, 4, num_layers=2).initial_state(5).shape
    torch.Size([2, 5, 4])
    """
    L = len(layer.parameter_names)
    if layer.learn_initial_state:
        learned = [layer.initial_h, *([layer.initial_c] if CELLS[layer.cell].has_cell_state else [])]
        parts = [p.to(device, dtype).unsqueeze(1).expand(-1, batch_size, -1).contiguous() for p in learned]
        return LSTMState(*parts) if len(parts) == 2 else parts[0]
    if device is None or dtype is None:
        weight = first_parameter(layer)
        device, dtype = device or weight.device, dtype or weight.dtype
    h = torch.zeros(L, batch_size, layer.proj_size or layer.hidden_size, device=device, dtype=dtype)
    if not CELLS[layer.cell].has_cell_state:
        return h
    return LSTMState(h, torch.zeros(L, batch_size, layer.hidden_size, device=device, dtype=dtype))


def description(layer: Layer) -> str:
    """The arguments that differ from their defaults, as torch.nn shows them."""
    text = f"{layer.input_size}, {layer.hidden_size}"
    defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
    defaults |= {"bidirectional": False, **LSTM_DEFAULTS}
    for name, default in defaults.items():
        if getattr(layer, name, default) != default:
            text += f", {name}={getattr(layer, name)}"
    return text


def _check_shape(where: str, shape: Shape) -> None:
    for name in ("input_size", "hidden_size", "num_layers"):
        check_size(where, name, getattr(shape, name))
    for name in ("bias", "batch_first", "bidirectional"):
        check_flag(where, name, getattr(shape, name))
    check_probability(where, "dropout", shape.dropout)
    if shape.dropout and shape.num_layers == 1:
        message = (
            f"{where}: dropout is between layers, and there is one: dropout={shape.dropout} has no effect."
        )
        warnings.warn(message, stacklevel=4)
    P = shape.proj_size
    if not isinstance(P, int) or isinstance(P, bool) or not 0 <= P < shape.hidden_size:
        raise ConfigError(where, f"proj_size must be an int, 0 to {shape.hidden_size - 1}", got=P)
