"""End a generated text at the first of some stop texts, while it comes in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from seqloom.errors import ConfigError


def stop_texts(stop: str | Sequence[str]) -> tuple[str, ...]:
    """The argument `stop` of `generate`: a text, or any number.

    Raises:
        ConfigError: one of them is empty.
    """
    texts = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in texts:
        raise ConfigError("generate", "stop must be a text of at least one character", got="''")
    return texts


def until(stops: Sequence[str], pieces: Iterable[str]) -> Iterator[str]:
    """The text of `pieces` up to the first of `stops`, each part as soon as no stop can begin in it.

    Args:
        stops: texts that end it; they are left out.
        pieces: a text in pieces of any lengths.

    >>> list(until(["end"], ["a e", "n", "d b"]))
    ['a ']
    >>> list(until(["end"], ["a e", "n", "t"]))
    ['a ', 'ent']
    """
    pending = ""
    for piece in pieces:
        pending += piece
        starts = [start for stop in stops if (start := pending.find(stop)) >= 0]
        if starts:
            pending = pending[: min(starts)]
            break
        begun = [n for stop in stops for n in range(1, len(stop)) if pending.endswith(stop[:n])]
        ready = len(pending) - max(begun, default=0)
        if ready:
            yield pending[:ready]
            pending = pending[ready:]
    if pending:
        yield pending
