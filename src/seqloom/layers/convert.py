"""Replace the recurrent layers of any PyTorch model by seqloom's, or back, with the same parameters."""

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
"""Options that change the results of a layer, unlike those for initialization or speed."""

MODULE_ATTRIBUTES = (
    "training",
    "_buffers",
    "_modules",
    "_non_persistent_buffers_set",
    "_is_full_backward_hook",
)
"""The attributes of nn.Module, apart from its hooks, that are taken over."""


def convert_recurrent(model: nn.Module, to: Literal["seqloom", "torch"] = "seqloom") -> nn.Module:
    """Replace every RNN, LSTM, GRU and cell in `model`, in place, by seqloom's, or back by torch.nn's.

    The new layers have the same Parameter objects, so an existing optimizer remains valid. Hooks, training
    mode, and further attributes, buffers and child modules of a layer are taken over. Subclasses of
    torch.nn's are not replaced.

    Args:
        model: any module; if it is itself recurrent, it is unchanged and its counterpart is returned.
        to: "seqloom" or "torch".

    Returns:
        `model`, or its counterpart.

    Raises:
        ConfigError: a layer cannot be replaced, as torch.nn has no such cell or option, or as its parameters
            have been replaced (by weight_norm, say). Then the model is unchanged.

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
    counterparts = {}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module) and type(module).__bases__[0] in targets:
            raise _replaced_parameters_error(name, module, list(module.parametrizations))  # type: ignore[arg-type]
        if to == "torch" and isinstance(module, Recurrent):
            raise ConfigError(_where(name, module), f"torch.nn has no layer of the cell {module.cell}")
        if type(module) in targets:
            counterparts[module] = _counterpart(name, module, targets[type(module)])
    replaced = {module: _take_over(module, new) for module, new in counterparts.items()}
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):  # named_children() lists a shared child once
            if child is not None and child in replaced:
                setattr(module, name, replaced[child])
    return replaced.get(model, model)


def _counterpart(name: str, module: nn.Module, target: type[nn.Module]) -> nn.Module:
    options = [option for option in NOT_IN_TORCH if getattr(module, option, False) not in (False, (0.0, 0.0))]
    if options:
        raise ConfigError(_where(name, module), f"torch.nn has no {' and no '.join(options)}")
    new = _build(module, target)
    mismatch = set(module._parameters) ^ set(new._parameters)
    if mismatch:
        raise _replaced_parameters_error(name, module, sorted(mismatch))
    return new


def _take_over(old: nn.Module, new: nn.Module) -> nn.Module:
    """Give `new` the parameters of `old`, and whatever has been set on it."""
    for key, parameter in old._parameters.items():
        setattr(new, key, parameter)
    own = vars(_build(old, type(old)))
    for key, value in vars(old).items():
        if key in MODULE_ATTRIBUTES or "_hooks" in key or key not in own:
            setattr(new, key, value)
    hooks: dict[int, Any] = new._load_state_dict_pre_hooks  # type: ignore[assignment]
    for hook in hooks.values():
        if hook.with_module:  # the only kind of hook that refers to its module
            hook.module = weakref.ref(new)
    return new


def _where(name: str, module: nn.Module) -> str:
    return f"convert_recurrent: {type(module).__name__}" + (f" at {name!r}" if name else "")


def _replaced_parameters_error(name: str, module: nn.Module, parameters: list[str]) -> ConfigError:
    hint = "Remove weight_norm, or whatever replaced them, first"
    expected = "its parameters must be torch.nn's own"
    return ConfigError(_where(name, module), expected, got=", ".join(parameters), hint=hint)


def _build(module: nn.Module, target: type[nn.Module]) -> nn.Module:
    """A `target` with the arguments of `module`, on the meta device."""
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
        warnings.simplefilter("ignore")  # of dropout in one layer: building it has already warned
        return target(
            layer.input_size, layer.hidden_size, device="meta",
            **{name: getattr(shape, name) for name in names}, **keywords,
        )  # fmt: skip
