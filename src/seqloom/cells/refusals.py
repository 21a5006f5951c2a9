"""What torch's tools that know torch.nn's classes by name cannot do with ours: one line, and no silence."""

from __future__ import annotations

import warnings
from typing import Any, NoReturn

from seqloom.errors import ConfigError

HINT = 'Use seqloom.convert_recurrent(model, to="torch") first'


def refuse_script(module: Any) -> NoReturn:
    """What torch.jit.script calls before it compiles a module: the `__prepare_scriptable__` of our classes.

    Raises:
        ConfigError: always.
    """
    expected = "torch.jit.script cannot compile seqloom's layers, which torch.jit.trace can"
    raise ConfigError(type(module).__name__, expected, hint=HINT)


def _get_qconfig(module: Any) -> NoReturn:
    raise AttributeError(f"{type(module).__name__} has no attribute 'qconfig'")


def _set_qconfig(module: Any, value: object) -> None:
    left = "torch.ao.quantization leaves seqloom's layers in float32"
    if value is not None:
        raise ConfigError(type(module).__name__, left, hint=HINT)
    warnings.warn(f"{type(module).__name__}: {left}. {HINT}.", stacklevel=2)


qconfig = property(_get_qconfig, _set_qconfig)
"""What torch.ao.quantization sets on every module of a model, None where its type is not to be quantized"""
