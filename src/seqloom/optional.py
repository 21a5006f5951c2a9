"""Packages that not everybody needs: one line says how to get what is missing."""

from __future__ import annotations

import importlib
from typing import Any

from seqloom.errors import ConfigError


def optional_package(name: str, extra: str) -> Any:
    """Import `name`, which `pip install 'seqloom[extra]'` brings.

    Raises:
        ConfigError: it is not installed.

    >>> optional_package("math", "speech").sqrt(4.0)
    2.0
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise  # it is there, and something of its own is not
        raise ConfigError(name, "this needs a package", hint=f"pip install 'seqloom[{extra}]'") from None
