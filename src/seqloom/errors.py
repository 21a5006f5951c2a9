"""What went wrong, where, what was expected, what came, and what to do: on one line.

Every error that a user can cause is a `SeqloomError`, which is a `ValueError`. The command line
prints the line and leaves with exit code 2; a traceback is for our own mistakes only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

NOTHING = object()


class SeqloomError(ValueError):
    """One line: `where: expected. Got got. hint`.

    Args:
        where: who is speaking: a file with its place, a class, a configuration key.
        expected: what must be, as a sentence without its full stop.
        got: what came instead; shown with `repr` unless it is a string already made for reading.
        hint: what to do about it.

    >>> str(ConfigError("GRU", "hidden_size must be an int >= 1", got=0))
    'GRU: hidden_size must be an int >= 1. Got 0.'
    """

    def __init__(self, where: object, expected: str, *, got: object = NOTHING, hint: str = "") -> None:
        parts = [f"{where}: {expected}."]
        if got is not NOTHING:
            parts.append(f"Got {got if isinstance(got, str) else repr(got)}.")
        if hint:
            parts.append(hint if hint.endswith((".", "?", "`")) else hint + ".")
        super().__init__(" ".join(parts))


class DataError(SeqloomError):
    """The data: a file, a row, a tensor."""


class ConfigError(SeqloomError):
    """An argument or a configuration key."""


class RunError(SeqloomError):
    """A run folder, or a training that cannot go on."""


def nearest(name: str, names: Iterable[str]) -> str:
    """Name the nearest of `names`, or all of them, as the last sentence of an error.

    >>> nearest("learning_rat", ["learning_rate", "batch_size"])
    'Did you mean `learning_rate`?'
    >>> nearest("x", ["b", "a"])
    'It is one of: a, b.'
    """
    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean `{close[0]}`?" if close else f"It is one of: {', '.join(names)}."
