"""Pretrained word vectors in text form: on each line a word and its numbers, as of GloVe and word2vec."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy

from seqloom.errors import DataError

TEXT_FORM = "Give the vectors in text form: a word and its numbers on each line"


class WordVectors(NamedTuple):
    """The vectors of those words that were asked for and that the file has."""

    words: tuple[str, ...]
    matrix: numpy.ndarray
    """(words, E) float32"""
    in_file: int
    """Words that the file has"""

    @property
    def size(self) -> int:
        """E, numbers of a vector."""
        return self.matrix.shape[1]


def read_vectors(path: Path | str, words: Iterable[str]) -> WordVectors:
    """Read the vectors of `words` line by line, so that memory holds no other.

    A word that the file does not have gets the vector of its form in small letters, if that is there. Of a
    word that the file has twice, the first counts.

    Args:
        path: GloVe's text form (Pennington et al., 2014, aclanthology.org/D14-1162), or word2vec's and
            fastText's, whose first line is the count of words and the size; perhaps compressed (`.gz`).
        words: those of the vocabulary.

    Raises:
        DataError: the file cannot be read, has none of the words, or ends too early; a line is no word with
            as many numbers as the first one, or has a number that is not finite.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "vectors.txt"
    ...     _ = file.write_text("the 0.5 -1\\ncat 2 0.25\\n")
    ...     vectors = read_vectors(file, ["Cat", "sat"])
    >>> vectors.words, vectors.matrix.tolist(), vectors.in_file
    (('Cat',), [[2.0, 0.25]], 2)
    """
    path, wanted = Path(path), list(dict.fromkeys(words))
    spellings = {spelling.encode() for word in wanted for spelling in (word, word.lower())}
    found: dict[bytes, numpy.ndarray] = {}
    in_file = 0
    with _lines(path) as lines:
        size, promised, lines = _outline(path, lines)
        for number, line in lines:
            in_file += 1
            line = line.rstrip()
            if line.count(b" ") + line.count(b"\t") < size:
                raise _bad_line(path, number, size, f"{max(len(line.split()) - 1, 0)} numbers")
            first = line.split(None, 1)[0]
            if first in spellings and first not in found:
                vector = _vector(path, number, line, size)
                if vector is not None:
                    found[first] = vector
    if promised is not None and in_file < promised:
        expected = f"expected {promised:,} words, as its first line says"
        raise DataError(path, expected, got=f"{in_file:,}", hint="Is the file whole?")
    return _chosen(path, wanted, found, in_file)


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """The lines that are not blank, with their numbers."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            yield _numbered(file)  # type: ignore[arg-type]
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(path, "expected word vectors that can be read", got=reason) from None


def _numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(file, 1) if not line.isspace())


def _outline(
    path: Path, lines: Iterator[tuple[int, bytes]]
) -> tuple[int, int | None, Iterator[tuple[int, bytes]]]:
    """Numbers of a vector, words as the file promises them, and the lines that hold them."""
    number, line = next(lines, (0, b""))
    fields = line.split()
    if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]) > 0:
        return int(fields[1]), int(fields[0]), lines
    if len(fields) < 2 or not all(_is_number(field) for field in fields[1:]):
        expected = "expected a word and its numbers, or the count of words and the size of a vector"
        got = repr(line.decode(errors="replace").strip()[:60]) if line else "an empty file"
        raise DataError(f"{path}, line {max(number, 1)}", expected, got=got, hint=TEXT_FORM)
    return len(fields) - 1, None, _with_first((number, line), lines)


def _with_first(first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield first
    yield from rest


def _vector(path: Path, number: int, line: bytes, size: int) -> numpy.ndarray | None:
    """The numbers of a line; None where its word goes on after a space (GloVe's `. . .`): it is another."""
    word, *fields = line.split()
    more = fields[: len(fields) - size]
    if more and not any(_is_number(field) for field in more):
        return None
    if len(fields) != size:
        raise _bad_line(path, number, size, f"{len(fields)} numbers")
    try:
        vector = numpy.array([float(field) for field in fields], dtype=numpy.float32)
    except ValueError:
        wrong = next(field for field in fields if not _is_number(field))
        raise _bad_line(path, number, size, repr(wrong.decode(errors="replace"))) from None
    if not numpy.isfinite(vector).all():
        word = word.decode(errors="replace")
        raise DataError(f"{path}, line {number}", f"the numbers of {word!r} must be finite", got=f"{vector}")
    return vector


def _bad_line(path: Path, number: int, size: int, got: str) -> DataError:
    return DataError(f"{path}, line {number}", f"expected a word and {size} numbers", got=got, hint=TEXT_FORM)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _chosen(path: Path, wanted: list[str], found: dict[bytes, numpy.ndarray], in_file: int) -> WordVectors:
    """Each word's vector: of its own spelling, else of that in small letters."""
    vectors = {word: found.get(word.encode(), found.get(word.lower().encode())) for word in wanted}
    kept = {word: vector for word, vector in vectors.items() if vector is not None}
    if not kept:
        expected = "expected vectors of words that the vocabulary has"
        raise DataError(path, expected, got=f"none of its {len(wanted):,} words")
    return WordVectors(tuple(kept), numpy.stack(list(kept.values())), in_file)
