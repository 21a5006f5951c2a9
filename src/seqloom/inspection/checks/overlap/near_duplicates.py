"""Texts that are nearly equal, by MinHash: seconds for fifty thousand of them, and a few bytes each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy

SHINGLE = 8
"""Bytes"""
HASHES, BANDS = 32, 8
"""Texts of Jaccard similarity s meet in a band of 4 hashes with probability 1 - (1 - s^4)^8: .985 for .8"""
SIMILARITY = 0.8
"""From which on two texts are nearly equal: the share of the shingles of either that both have"""
MAX_BYTES = 2000
"""Of a text that are compared"""
CHUNK = 4096
"""Texts that are hashed at a time"""
NOT_WORDS = re.compile(r"\W+")


class Near(NamedTuple):
    """A text, and the one that is nearest to it."""

    number: int
    other: int
    similarity: float


def find_near(texts: Sequence[str], read_others: Callable[[], Iterable[str]]) -> list[Near]:
    """The texts that nearly equal one of others, by words without case and punctuation.

    Broder (1997), "On the resemblance and containment of documents"; candidates are looked up by bands of
    hashes (Indyk and Motwani, 1998), and the best one's similarity is then counted exactly.

    Args:
        texts: those that are looked for.
        read_others: gives those among which they are looked for, the same ones each time: they are read
            twice, so that 128 bytes are held of each, and whole ones only of a candidate.

    >>> others = ["nothing", "The old dog sees a big boat, today!"]
    >>> find_near(["the old dog sees a big boat today"], lambda: others)
    [Near(number=0, other=1, similarity=1.0)]
    """
    if not texts:
        return []
    wanted, known = sign(texts), sign(read_others())
    if not len(known):
        return []
    best, agreement = numpy.full(len(texts), -1), numpy.zeros(len(texts))
    rows = HASHES // BANDS
    for band in range(BANDS):
        columns = slice(band * rows, (band + 1) * rows)
        keys, places = numpy.unique(_band_keys(known[:, columns]), return_index=True)
        looked_up = _band_keys(wanted[:, columns])
        at = numpy.searchsorted(keys, looked_up).clip(max=len(keys) - 1)
        candidates = places[at]
        shares = numpy.where(keys[at] == looked_up, (known[candidates] == wanted).mean(1), 0.0)
        better = shares > agreement
        best[better], agreement[better] = candidates[better], shares[better]
    candidates_of: dict[int, list[int]] = {}
    for number in numpy.flatnonzero(agreement >= SIMILARITY / 2).tolist():
        candidates_of.setdefault(int(best[number]), []).append(number)
    return sorted(_similar(texts, read_others(), candidates_of))


def _similar(
    texts: Sequence[str], others: Iterable[str], candidates_of: Mapping[int, Sequence[int]]
) -> Iterator[Near]:
    """Those of some pairs that are nearly equal."""
    for place, other in enumerate(others):
        for number in candidates_of.get(place, ()):
            similarity = compare(texts[number], other)
            if similarity >= SIMILARITY:
                yield Near(number, place, similarity)


def sign(texts: Iterable[str]) -> numpy.ndarray:
    """The least hash of the shingles of each text by each of 32 functions, (N, 32) uint32."""
    generator = numpy.random.default_rng(0)
    factors = generator.integers(1 << 62, size=HASHES, dtype=numpy.uint64) * 2 + 1
    signatures, rest = [numpy.empty((0, HASHES), numpy.uint32)], iter(texts)
    while chunk := list(islice(rest, CHUNK)):
        shingles, firsts = _shingles(chunk)
        mixed = shingles ^ (shingles >> numpy.uint64(29))
        least = numpy.empty((len(chunk), HASHES), numpy.uint32)
        for column, factor in enumerate(factors):
            hashes = ((mixed * factor) >> numpy.uint64(32)).astype(numpy.uint32)
            least[:, column] = numpy.minimum.reduceat(hashes, firsts)
        signatures.append(least)
    return numpy.concatenate(signatures)


def compare(text: str, other: str) -> float:
    """The Jaccard similarity of the shingles of two texts.

    >>> compare("The old dog.", "the old dog"), compare("the old dog", "a new cat")
    (1.0, 0.0)
    """
    first, second = (set(_shingles([part])[0].tolist()) for part in (text, other))
    return len(first & second) / len(first | second)


def _shingles(texts: Sequence[str]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The runs of 8 bytes of some texts, one after the other, and where those of each text begin."""
    parts = [part.ljust(SHINGLE, b"\0") for part in map(_normalize, texts)]
    lengths = numpy.array([len(part) for part in parts])
    values = numpy.frombuffer(b"".join(parts) + b"\0" * SHINGLE, numpy.uint8).astype(numpy.uint64)
    words = numpy.zeros(len(values) - SHINGLE, numpy.uint64)
    for shift in range(SHINGLE):
        words |= values[shift : shift + len(words)] << numpy.uint64(8 * shift)
    counts = lengths - SHINGLE + 1
    firsts = numpy.cumsum(counts) - counts
    starts = numpy.cumsum(lengths) - lengths
    return words[numpy.arange(counts.sum()) + numpy.repeat(starts - firsts, counts)], firsts


def _normalize(text: str) -> bytes:
    return NOT_WORDS.sub(" ", text.casefold()).strip().encode(errors="replace")[:MAX_BYTES]


def _band_keys(columns: numpy.ndarray) -> numpy.ndarray:
    """One number for the hashes of a band, (N,)."""
    key = numpy.zeros(len(columns), numpy.uint64)
    for column in columns.T:
        key = (key ^ column.astype(numpy.uint64)) * numpy.uint64(0x9E3779B97F4A7C15)
    return key
