r"""Set gates and states of recurrent layers to values of one's own, for as long as a block runs.

A gate is :math:`s(a)` with :math:`s` a sigmoid or tanh. It is set to v by its weights: those that make its
:math:`a` become 0, and its bias :math:`s^{-1}(v)`. So a clamped layer runs on the kernel that it always runs
on, at the same speed, in any decoder. A state is set by the gates that write it: a cell to v by f = 0, i = 1
and g = v.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

from seqloom.cells.spec import CELLS
from seqloom.errors import ConfigError
from seqloom.layers.recurrent.parameters import suffixes
from seqloom.layers.tracing.names import CELL, HIDDEN, Place, match_names, places

SATURATED = 800.0
"""What a sigmoid of is 1, and of its negative 0, in float32 and in float64; the compiled kernel's is 1e-38"""
SIGMOID_GATES = "iforz"
MAX_HIDDEN = math.tanh(1.0)
"""Of an LSTM: that of a cell of 1, which is the most that one step can write"""


@contextmanager
def clamp(module: nn.Module, values: Mapping[str, Any]) -> Iterator[None]:
    """Set gates or states of a module's recurrent layers to values, and afterwards let them go.

    Args:
        module: in evaluation mode; its weights are others within the block, and the same after it.
        values: by name or pattern, as of `value_names`, or with the number of a unit at its end,
            `layers.0.cell.12`: a number, or one for each unit.

    Raises:
        ConfigError: a name that does not exist; a number that the value cannot have; a layer without biases.

    >>> from seqloom.layers.recurrent import LSTM
    >>> layer, x = LSTM(3, 4), torch.randn(5, 2, 3)
    >>> with clamp(layer, {"layers.0.forget": 0.0}):
    ...     layer.trace(x).gates[0].f.unique()
    tensor([0.], grad_fn=<Unique2Backward0>)
    """
    named = places(module)
    sizes = {f"{name}.{value}": size for name, place in named.items() for value, size in place.sizes.items()}
    changes = _Changes()
    try:
        with torch.no_grad():
            for pattern, value in values.items():
                for name, unit in match_names("clamp", pattern, sizes):
                    prefix, _, kind = name.rpartition(".")
                    units = (
                        torch.arange(sizes[name], device="cpu")
                        if unit is None
                        else torch.tensor([unit], device="cpu")
                    )
                    numbers = _numbers(pattern, value, units)
                    _set(changes, name, named[prefix], kind, units, numbers)
        yield
    finally:
        changes.undo()


@final
class _Changes:
    """Parameters as they were before they were changed."""

    def __init__(self) -> None:
        self._before: dict[nn.Parameter, Tensor] = {}

    def write(self, parameter: nn.Parameter, rows: Tensor, values: Tensor | float) -> None:
        """Replace rows of a parameter."""
        self._before.setdefault(parameter, parameter.detach().clone())
        parameter[rows.to(parameter.device)] = values.to(parameter) if isinstance(values, Tensor) else values

    def undo(self) -> None:
        """Let every parameter be as it was."""
        with torch.no_grad():
            for parameter, before in self._before.items():
                parameter.copy_(before)


def _numbers(pattern: str, value: Any, units: Tensor) -> Tensor:
    """One for each unit, float64."""
    try:
        numbers = torch.as_tensor(value, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError("clamp", f"{pattern} must be a number", got=f"{value!r:.60}") from None
    if numbers.dim() and numbers.shape != units.shape:
        expected = f"{pattern} must be a number, or {len(units)}, one for each unit"
        raise ConfigError("clamp", expected, got=f"{tuple(numbers.shape)}")
    return numbers.expand(units.shape)


def _set(changes: _Changes, name: str, place: Place, kind: str, units: Tensor, v: Tensor) -> None:
    gates, layer = place.gates, place.layer
    if not layer.bias:
        raise ConfigError(
            "clamp", f"{name} needs a layer with biases, which are what it is set by", got="one without"
        )
    if kind in gates and gates[kind] != "c":
        _set_gate(changes, name, place, gates[kind], units, v)
        return
    if kind == HIDDEN and place.layer.proj_size:
        _require(name, v, 0.0, "0, as a projection writes it")
        _zero_projection(changes, place, units)
        return
    if layer.zoneout and any(layer.zoneout if isinstance(layer.zoneout, tuple) else (layer.zoneout,)):
        raise ConfigError(
            "clamp", f"{name} cannot be set in a layer with zoneout, which mixes it with its past"
        )
    if not CELLS[layer.cell].has_cell_state:  # a GRU
        _require(name, v, 1.0, "from -1 to 1")
        _set_gate(changes, name, place, "z", units, torch.zeros_like(v))
        _set_gate(changes, name, place, "n", units, v)
        return
    if kind == HIDDEN and not v.any():
        _set_gate(changes, name, place, "o", units, v)
        return
    limit = 1.0 if kind == CELL else MAX_HIDDEN
    if kind == HIDDEN and layer.layer_norm:
        _require(name, v, 0.0, "0, as its cell is normalized")
    _require(name, v, limit, f"from {-limit:.4g} to {limit:.4g}, which is what one step can write")
    ones, zeros = torch.ones_like(v), torch.zeros_like(v)
    for letter, number in (("f", zeros), ("i", ones), ("g", v if kind == CELL else v.atanh())):
        _set_gate(changes, name, place, letter, units, number)
    if kind == HIDDEN:
        _set_gate(changes, name, place, "o", units, ones)


def _set_gate(changes: _Changes, name: str, place: Place, letter: str, units: Tensor, v: Tensor) -> None:
    layer = place.layer
    rows = units + CELLS[layer.cell].gates._fields.index(letter) * layer.hidden_size
    bias = _inverse(name, layer.cell, letter, v)
    suffix = suffixes(layer)[place.number]
    # Layer normalization takes the products of all gates together: there its gain is 0, and not the weights.
    for kind in ("gain_ih", "gain_hh") if layer.layer_norm else ("weight_ih", "weight_hh"):
        changes.write(getattr(layer, kind + suffix), rows, 0.0)
    changes.write(getattr(layer, "bias_ih" + suffix), rows, bias)
    changes.write(getattr(layer, "bias_hh" + suffix), rows, 0.0)


def _inverse(name: str, cell: str, letter: str, v: Tensor) -> Tensor:
    """What a gate's bias must be for the gate to be v."""
    if cell == "rnn_relu":
        if bool((v < 0).any()) or not bool(v.isfinite().all()):
            raise ConfigError("clamp", f"{name} must be 0 or more", got=f"{v.min().item():g}")
        return v
    if letter in SIGMOID_GATES:
        if not bool(((v >= 0) & (v <= 1)).all()):
            raise ConfigError(
                "clamp", f"{name} must be from 0 to 1", got=_first(v, lambda x: not 0 <= x <= 1)
            )
        return v.logit().clamp(-SATURATED, SATURATED)
    _require(name, v, 1.0, "from -1 to 1")
    return v.atanh().clamp(-SATURATED, SATURATED)


def _require(name: str, v: Tensor, limit: float, bounds: str) -> None:
    if not bool((v.abs() <= limit).all()):
        raise ConfigError("clamp", f"{name} must be {bounds}", got=_first(v, lambda x: not abs(x) <= limit))


def _first(v: Tensor, is_bad: Callable[[float], bool]) -> str:
    numbers: Sequence[float] = v.tolist()
    return f"{next(filter(is_bad, numbers)):g}"


def _zero_projection(changes: _Changes, place: Place, units: Tensor) -> None:
    changes.write(getattr(place.layer, "weight_hr" + suffixes(place.layer)[place.number]), units, 0.0)
