"""Columns of words: which words training has, and how many others there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.ragged import Values
from seqloom.data.series.dataset import Split
from seqloom.data.series.grid import SeriesFacts
from seqloom.data.series.rows.columns import MAX_SPELLINGS
from seqloom.errors import DataError

CHUNK = 1 << 20
SHOWN = 3


class Word(NamedTuple):
    """A column of 0 and 1: where a column of words has this one."""

    column: str
    word: str

    @property
    def name(self) -> str:
        """As `weather=rain`."""
        return f"{self.column}={self.word}"


class Stored(NamedTuple):
    """The stored exogenous columns of series.

    Fields:
        values: C numbers a step; of words their numbers, `NO_WORD` where a cell is empty.
        steps: how many there are.
        names: (C,) of columns.
        spellings: of those that are words, what their numbers stand for.
    """

    values: Values
    steps: int
    names: Sequence[str]
    spellings: dict[str, Sequence[str]]


def find_words(stored: Stored, facts: SeriesFacts, train: Split, path: Path) -> list[Word]:
    """The words that training has, by column, in the order of the alphabet.

    Raises:
        DataError: a column has too many.
    """
    if not stored.spellings:
        return []
    seen: dict[str, set[int]] = {name: set() for name in stored.spellings}
    width, offsets = len(stored.names), numpy.cumsum(facts.rows) - facts.rows
    for start in range(0, stored.steps, CHUNK):
        stop = min(start + CHUNK, stored.steps)
        part = stored.values.read(start * width, stop * width).reshape(-1, width)
        part = part[_is_learnt(offsets, offsets + train.stops, start, stop)]
        for place, name in enumerate(stored.names):
            if name in seen:
                column = part[:, place]
                seen[name].update(numpy.unique(column[column >= 0]).astype(int).tolist())
    for name, codes in seen.items():
        if len(codes) > MAX_SPELLINGS:
            expected = f"`{name}` must have at most {MAX_SPELLINGS} different words to be an input"
            raise DataError(path, expected, got=f"{len(codes):,}")
    return [
        Word(name, word)
        for name, codes in seen.items()
        for word in sorted(stored.spellings[name][code] for code in codes)
    ]


def _is_learnt(begins: numpy.ndarray, ends: numpy.ndarray, start: int, stop: int) -> numpy.ndarray:
    """Which of the steps from `start` to `stop` are of training, of all series one after the other.

    >>> _is_learnt(numpy.array([0, 4]), numpy.array([2, 7]), 1, 6).tolist()
    [True, False, False, True, True]
    """
    changes = numpy.zeros(stop - start + 1, numpy.int64)
    numpy.add.at(changes, begins.clip(start, stop) - start, 1)
    numpy.add.at(changes, ends.clip(start, stop) - start, -1)
    return numpy.cumsum(changes[:-1]) > 0


def number_words(words: Sequence[Word], name: str, spellings: Sequence[str]) -> tuple[int, ...]:
    """The number of each word of a column in a table; -1 for one that it does not have.

    >>> number_words([Word("sky", "blue"), Word("sky", "gray")], "sky", ["gray", "red"])
    (-1, 0)
    """
    numbers = {spelling: number for number, spelling in enumerate(spellings)}
    return tuple(numbers.get(word.word, -1) for word in words if word.column == name)


def describe_unknown(stored: Stored, words: Sequence[Word]) -> Iterator[str]:
    """How many values are words that training does not have, and how many are missing, a line each."""
    width = len(stored.names)
    for place, name in enumerate(stored.names):
        spellings = stored.spellings.get(name)
        if spellings is None:
            continue
        counts, num_missing = numpy.zeros(len(spellings), numpy.int64), 0
        for start in range(0, stored.steps, CHUNK):
            stop = min(start + CHUNK, stored.steps)
            column = stored.values.read(start * width, stop * width)[place::width]
            counts += numpy.bincount(column[column >= 0].astype(numpy.int64), minlength=len(counts))
            num_missing += int((column < 0).sum())
        known = set(number_words(words, name, spellings))
        others = [number for number in numpy.flatnonzero(counts).tolist() if number not in known]
        if others:
            named = ", ".join(spellings[number] for number in others[:SHOWN])
            more = f" and {len(others) - SHOWN:,} more" if len(others) > SHOWN else ""
            total, count = int(counts.sum()), int(counts[others].sum())
            share = f"{count:,} of {total:,} values"
            yield f"{name}: {share} are words that training does not have: {named}{more}"
        if num_missing:
            yield f"{name}: {num_missing:,} of {stored.steps:,} values are missing: read as none of its words"
