"""Optional dependencies: a missing one is reported in one line, with the command that installs it."""

from __future__ import annotations

import importlib
from typing import Any

from seqloom.errors import ConfigError


def import_optional(name: str, extra: str) -> Any:
    """Import the package `name`, which `pip install 'seqloom[extra]'` installs.

    Args:
        name: the module to import.
        extra: the extra of seqloom that brings it.

    Returns:
        The module.

    Raises:
        ConfigError: it is not installed.

    >>> import_optional("math", "speech").sqrt(4.0)
    2.0
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise  # it is installed, but a dependency of it is not
        raise ConfigError(
            name, "this package is needed and not installed", hint=f"pip install 'seqloom[{extra}]'"
        ) from None
