"""What an attack or a disk does to a run folder, and what must come of it: an answer, or one line."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import seqloom
from seqloom.errors import SeqloomError

from .runs import SmallRun

EXAMPLES = int(os.environ.get("SEQLOOM_FUZZ", "0"))
"""Examples of each kind of damage; 0: the few of the usual suite."""
MAX_SECONDS = 10.0
DEEP = "[" * 100_000 + "]" * 100_000
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        -1,
        0,
        1,
        2,
        1e-9,
        0.5,
        10**9,
        10**18,
        10**30,
        -(10**18),
        1e300,
        float("nan"),
        float("inf"),
    ),
    *("", "x", "\x00", "9" * 5000, [], [[]], {}, {"a": 1}, [0] * 70_000, [-1, 1e30], ["x", "x"]),
)
"""What a value of a file becomes"""


class SlowError(BaseException):
    """Something takes too long. It is no Exception: nobody takes it for a file that cannot be read."""


@contextlib.contextmanager
def time_limit(seconds: float = MAX_SECONDS) -> Iterator[None]:
    """Raise `SlowError` where the context takes longer."""

    def stop(_number: int, _frame: object) -> None:
        raise SlowError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answer(run: SmallRun) -> str:
    """What a run answers to its input, or the line that says why it does not, after `error: `."""
    try:
        with time_limit():
            model = seqloom.load(run.folder)
            if model.config.task.name == "forecast":
                return repr(model.forecast(run.value))
            return repr(model.predict([run.value]))
    except SeqloomError as error:
        line = str(error)
        assert line.isprintable(), line
        assert len(line) < 5000
        return f"error: {line}"


def forget_checksums(folder: Path) -> None:
    """As an attacker does."""
    path = folder / "config.json"
    content = json.loads(path.read_text())
    content.pop("checksums", None)
    path.write_text(json.dumps(content))


def json_files(folder: Path) -> list[Path]:
    """The JSON files of a run, but its records."""
    return sorted(folder.glob("*.json"))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where values are in JSON: of a long list or object the first ones and the last; JSON in a text too."""
    yield path
    inner = _parse(value)
    keys = list(inner) if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
    for key in [*keys[:40], *keys[-1:]] if isinstance(inner, dict) else [*keys[:1], *keys[-1:]]:
        yield from places(inner[key], (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A JSON value with another one at a place; `...`: without the one there."""
    if not path:
        return new
    inner = _parse(value)
    copy = dict(inner) if isinstance(inner, dict) else list(inner)
    if new is ... and len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return json.dumps(copy) if isinstance(value, str) else copy


def _parse(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def attacks(run: SmallRun, count: int, seed: int = 0) -> Iterator[tuple[Path, str, str]]:
    """Files, each with what it becomes, and a name for that; drawn of all values at all places."""
    choice = random.Random(seed)
    every = []
    for file in json_files(run.folder):
        content = json.loads(file.read_text())
        for place in places(content):
            every += [(file, place, value) for value in (*VALUES, *([...] if place else []))]
    for file, place, value in choice.sample(every, min(count, len(every))):
        content = changed(json.loads(file.read_text()), place, value)
        yield file, json.dumps(content), f"{file.name} {place} {value!r:.40}"


def flipped(content: bytes, choice: random.Random) -> tuple[bytes, str]:
    """A file with one bit changed, or cut off, and a name for that."""
    place = choice.randrange(len(content))
    if choice.random() < 0.25:
        return content[:place], f"cut at {place}"
    bit = choice.randrange(8)
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    return bytes(damaged), f"bit {bit} of {place}"
