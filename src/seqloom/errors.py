"""Errors that a user can cause: one line that says where, what was expected, what came, and what to do.

Each is a `SeqloomError`, which is a `ValueError`. The command line prints the line and exits with code 2; a
traceback is for bugs only.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

NOTHING = object()
"""The default of `got`: None is a value like any other."""
MAX_CHARACTERS = 2000
"""Of a message; a longer one loses its middle."""
JOINERS = "\u200c\u200d"
"""Invisible characters that Persian, Hindi and emoji are written with"""


def one_line(text: str) -> str:
    r"""A text as it appears on one line: line ends, control characters and lone surrogates are escaped.

    >>> one_line("two\nlines, \x1b[31mno color"), one_line("wölf 狼")
    ('two\\nlines, \\x1b[31mno color', 'wölf 狼')
    """
    if text.isprintable():
        return text
    return "".join(character if _is_visible(character) else _escape(character) for character in text)


def _is_visible(character: str) -> bool:
    return character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class SeqloomError(ValueError):
    """One line: `where: expected. Got got. hint`.

    Args:
        where: what the error is about: a file and a place in it, a class, a configuration key.
        expected: what must be, a sentence without its full stop.
        got: what came instead; a string is shown as it is, anything else with `repr`.
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
        message = one_line(" ".join(parts))
        if len(message) > MAX_CHARACTERS:
            message = f"{message[: MAX_CHARACTERS // 2]} ... {message[-MAX_CHARACTERS // 2 :]}"
        super().__init__(message)


class DataError(SeqloomError):
    """Something is wrong with data: a file, a row, a tensor."""


class ConfigError(SeqloomError):
    """Something is wrong with an argument or a configuration key."""


class RunError(SeqloomError):
    """Something is wrong with a run folder, or a training cannot go on."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint for a name that does not exist: the nearest of `names`, or all of them.

    >>> nearest("learning_rat", ["learning_rate", "batch_size"])
    'Did you mean `learning_rate`?'
    >>> nearest("x", ["b", "a"])
    'It is one of: a, b.'
    """
    import difflib

    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean `{close[0]}`?" if close else f"It is one of: {', '.join(names)}."
