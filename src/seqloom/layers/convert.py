"""Swap the recurrent layers of anybody's PyTorch model for seqloom's, or back, around the same parameters."""

from __future__ import annotations

import warnings
import weakref
from typing import Any, Literal

from torch import nn
from torch.nn.utils import parametrize

from seqloom.cells.gru import GRUCell
from seqloom.cells.lstm import LSTMCell
from seqloom.cells.rnn import RNNCell
from seqloom.errors import ConfigError, nearest
from seqloom.layers.recurrent import GRU, LSTM, RNN, Recurrent
from seqloom.layers.recurrent.parameters import Shape

PAIRS: tuple[tuple[type[nn.Module], type[nn.Module]], ...] = (
    (nn.RNN, RNN),
    (nn.LSTM, LSTM),
    (nn.GRU, GRU),
    (nn.RNNCell, RNNCell),
    (nn.LSTMCell, LSTMCell),
    (nn.GRUCell, GRUCell),
)

NOT_IN_TORCH = ("layer_norm", "recurrent_dropout", "weight_dropout", "zoneout", "learn_initial_state")
"""Options that change what a layer computes. The others are over once the weights are drawn, or do not."""

MODULE = ("training", "_buffers", "_modules", "_non_persistent_buffers_set", "_is_full_backward_hook")
"""Of what every module keeps about itself, what is not its class's, beside its hooks."""


def convert_recurrent(model: nn.Module, to: Literal["seqloom", "torch"] = "seqloom") -> nn.Module:
    """Swap every RNN, LSTM, GRU and cell in `model`, in place, for seqloom's, or back for torch.nn's.

    The new layers hold the very same Parameter objects, so an optimizer made before stays valid. Hooks,
    training mode, and what was set on a layer beyond its own (attributes, buffers, child modules) are kept.
    Classes derived from torch.nn's are left as they are.

    Args:
        model: any module; one that is itself recurrent is not changed, its counterpart is returned.
        to: "seqloom" or "torch".

    Returns:
        `model`, or its counterpart.

    Raises:
        ConfigError: a layer cannot be swapped: torch has no such option, or its parameters are not its own
            (weight_norm puts others in their place). Nothing has been swapped then.

    >>> model = nn.Sequential(nn.Embedding(10, 3), nn.LSTM(3, 4))
    >>> convert_recurrent(model)
    Sequential(
      (0): Embedding(10, 3)
      (1): LSTM(3, 4)
    )
    >>> type(model[1]).__module__
    'seqloom.layers.recurrent.layer'
    """
    if to not in ("seqloom", "torch"):
        hint = nearest(str(to), ("seqloom", "torch"))
        raise ConfigError("convert_recurrent", '`to` must be "seqloom" or "torch"', got=to, hint=hint)
    targets = dict(PAIRS) if to == "seqloom" else {o: t for t, o in PAIRS}
    found = {}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module) and type(module).__bases__[0] in targets:
            raise _strange(name, module, list(module.parametrizations))  # type: ignore[arg-type]
        if to == "torch" and isinstance(module, Recurrent):
            raise ConfigError(_where(name, module), f"torch.nn has no layer of the cell {module.cell}")
        if type(module) in targets:
            found[module] = _counterpart(name, module, targets[type(module)])
    swapped = {module: _take_over(module, new) for module, new in found.items()}
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):  # named_children() names a shared one once
            if child is not None and child in swapped:
                setattr(module, name, swapped[child])
    return swapped.get(model, model)


def _counterpart(name: str, module: nn.Module, target: type[nn.Module]) -> nn.Module:
    options = [option for option in NOT_IN_TORCH if getattr(module, option, False) not in (False, (0.0, 0.0))]
    if options:
        raise ConfigError(_where(name, module), f"torch.nn has no {' and no '.join(options)}")
    new = _build(module, target)
    strange = set(module._parameters) ^ set(new._parameters)
    if strange:
        raise _strange(name, module, sorted(strange))
    return new


def _take_over(old: nn.Module, new: nn.Module) -> nn.Module:
    """Give `new` the parameters of `old`, and whatever somebody has set on it."""
    for key, parameter in old._parameters.items():
        setattr(new, key, parameter)
    its_own = vars(_build(old, type(old)))
    for key, value in vars(old).items():
        if key in MODULE or "_hooks" in key or key not in its_own:
            setattr(new, key, value)
    hooks: dict[int, Any] = new._load_state_dict_pre_hooks  # type: ignore[assignment]
    for hook in hooks.values():
        if hook.with_module:  # the one kind of hook that keeps its module
            hook.module = weakref.ref(new)
    return new


def _where(name: str, module: nn.Module) -> str:
    return f"convert_recurrent: {type(module).__name__}" + (f" at {name!r}" if name else "")


def _strange(name: str, module: nn.Module, parameters: list[str]) -> ConfigError:
    hint = "Undo what put others in their place (weight_norm, say) first"
    expected = "its parameters must be torch.nn's own"
    return ConfigError(_where(name, module), expected, got=", ".join(parameters), hint=hint)


def _build(module: nn.Module, target: type[nn.Module]) -> nn.Module:
    """A `target` with the arguments of `module`, its parameters without memory."""
    return (_cell if hasattr(module, "weight_ih") else _layer)(module, target)


def _cell(cell: Any, target: type[nn.Module]) -> nn.Module:
    keywords = {"nonlinearity": cell.nonlinearity} if hasattr(cell, "nonlinearity") else {}
    return target(cell.input_size, cell.hidden_size, cell.bias, device="meta", **keywords)


def _layer(layer: Any, target: type[nn.Module]) -> nn.Module:
    shape = Shape(*(getattr(layer, field) for field in Shape._fields))
    keywords = {"nonlinearity": layer.nonlinearity} if hasattr(layer, "nonlinearity") else {}
    if shape.proj_size:
        keywords["proj_size"] = shape.proj_size
    names = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dropout in one layer: whoever built the layer has been told
        return target(
            layer.input_size, layer.hidden_size, device="meta",
            **{name: getattr(shape, name) for name in names}, **keywords,
        )  # fmt: skip
