"""The keyword options of a recurrent layer that torch.nn does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from seqloom.cells.parameters import check_flag
from seqloom.cells.spec import CellSpec
from seqloom.errors import ConfigError, nearest
from seqloom.kernels.selection import KERNELS

MAX_STEPS = 1_000_000
"""Of `chrono_init`: a gate that keeps for longer is 1 in float32, and its gradient 0"""


class CommonOptions(TypedDict, total=False):
    """The options of every layer."""

    layer_norm: bool
    """Normalize the products (and the cell of an LSTM) at every step (Ba et al., 2016, arXiv:1607.06450)."""
    recurrent_dropout: float
    """The probability of dropping a unit of h before the next step in training, with one mask for all steps
    of a call (Gal and Ghahramani, 2016, arXiv:1512.05287)."""
    weight_dropout: float
    """The probability of dropping an element of weight_hh in training, with one mask for all steps of a call
    (DropConnect as in Merity et al., 2018, arXiv:1708.02182)."""
    orthogonal_init: bool
    """Initialize each gate's block of weight_hh as orthogonal (Saxe et al., 2014, arXiv:1312.6120)."""
    chrono_init: int | None
    """The longest dependency, in steps: initialize the biases of an LSTM's f and i or a GRU's z so that units
    keep their state for up to that long (Tallec and Ollivier, 2018, arXiv:1804.11188)."""
    learn_initial_state: bool
    """The initial state is a parameter, zero before training."""
    kernel: Literal["auto", "reference", "torch", "native"]
    """Which kernel runs; "auto" takes the fastest that can run the case."""


class RecurrentOptions(CommonOptions, total=False):
    """Keyword options of `RNN` and `GRU`, all off by default."""

    zoneout: float
    """The probability that a unit keeps its old value; the expectation outside training (Krueger et al.,
    2016, arXiv:1606.01305)."""


class LSTMOptions(CommonOptions, total=False):
    """Keyword options of `LSTM`, all off by default."""

    zoneout: float | tuple[float, float]
    """As of `RecurrentOptions`, or a pair of probabilities, (of h, of c)."""
    forget_gate_bias: float | None
    """The initial sum of the forget gate's two biases (1 in Jozefowicz et al., 2015)."""


DEFAULTS: RecurrentOptions = {
    "layer_norm": False,
    "recurrent_dropout": 0.0,
    "weight_dropout": 0.0,
    "zoneout": 0.0,
    "orthogonal_init": False,
    "chrono_init": None,
    "learn_initial_state": False,
    "kernel": "auto",
}

LSTM_DEFAULTS: LSTMOptions = {**DEFAULTS, "forget_gate_bias": None}


def check_options(where: str, options: Mapping[str, Any], spec: CellSpec, *, bias: bool) -> dict[str, Any]:
    """All options of the layer class `where`, checked, with defaults for the missing ones.

    Raises:
        ConfigError: an unknown name, or a value out of its range.
    """
    defaults = LSTM_DEFAULTS if spec.has_cell_state else DEFAULTS
    for name in options:
        if name == "forget_gate_bias" and not spec.has_cell_state:
            raise ConfigError(where, "forget_gate_bias is for an LSTM only", got=options[name])
        if name not in defaults:
            raise ConfigError(where, f"there is no option {name!r}", hint=nearest(name, defaults))
    full: dict[str, Any] = {**defaults, **options}
    for name in ("layer_norm", "orthogonal_init", "learn_initial_state"):
        check_flag(where, name, full[name])
    for name in ("recurrent_dropout", "weight_dropout"):
        full[name] = check_probability(where, name, full[name])
    full["zoneout"] = _check_zoneout(where, full["zoneout"], spec)
    value = full.get("forget_gate_bias")
    if value is not None:
        if not _is_number(value):
            raise ConfigError(where, "forget_gate_bias must be a number or None", got=value)
        if not bias:
            raise ConfigError(where, "forget_gate_bias needs bias=True", got=value)
    _check_chrono_init(where, full, spec, bias=bias)
    if full["kernel"] not in KERNELS:
        hint = nearest(str(full["kernel"]), KERNELS)
        raise ConfigError(where, "kernel must name a kernel", got=full["kernel"], hint=hint)
    return full


def check_probability(where: str, name: str, value: object) -> float:
    """`value`, checked to be a number from 0 to 1."""
    if not _is_number(value) or not 0 <= value <= 1:  # type: ignore[operator]
        raise ConfigError(where, f"{name} must be a probability, 0 to 1", got=value)
    return float(value)  # type: ignore[arg-type]


def _check_chrono_init(where: str, full: Mapping[str, Any], spec: CellSpec, *, bias: bool) -> None:
    steps = full["chrono_init"]
    if steps is None:
        return
    if not isinstance(steps, int) or isinstance(steps, bool) or not 2 <= steps <= MAX_STEPS:
        expected = f"chrono_init must be an int, 2 to {MAX_STEPS:,}, in steps, or None"
        raise ConfigError(where, expected, got=steps)
    if not spec.keeping_gates:
        raise ConfigError(where, "chrono_init needs a cell with gates, such as lstm or gru", got=steps)
    if not bias:
        raise ConfigError(where, "chrono_init needs bias=True", got=steps)
    if full.get("forget_gate_bias") is not None:
        raise ConfigError(where, "chrono_init sets the forget gate's bias; leave forget_gate_bias out")


def _check_zoneout(where: str, value: object, spec: CellSpec) -> float | tuple[float, float]:
    if not isinstance(value, tuple | list):
        return check_probability(where, "zoneout", value)
    if not spec.has_cell_state or len(value) != 2:
        raise ConfigError(
            where, "zoneout must be a probability, or for an LSTM a pair (of h, of c)", got=value
        )
    h, c = (check_probability(where, "zoneout", part) for part in value)
    return h, c


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
