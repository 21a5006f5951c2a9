"""Pretrained word vectors in the text format of GloVe, word2vec and fastText: a word a line, its vector."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy

from seqloom.errors import DataError

HINT = "Use the text format: a word and its numbers on each line"


class WordVectors(NamedTuple):
    """The vectors of the requested words that a file has."""

    words: tuple[str, ...]
    matrix: numpy.ndarray
    """(words, E) float32"""
    in_file: int
    """Number of words in the file"""

    @property
    def size(self) -> int:
        """E, the dimension of the vectors."""
        return self.matrix.shape[1]


def read_vectors(path: Path | str, words: Iterable[str]) -> WordVectors:
    """Read the vectors of `words`, line by line: other vectors take no memory.

    A word that is not in the file gets the vector of its lowercase form, if that is there. Of a word that
    occurs twice, the first vector is taken.

    Args:
        path: text format of GloVe (Pennington et al., 2014, aclanthology.org/D14-1162), or of word2vec and
            fastText, whose first line has the number of words and the dimension; may be compressed (`.gz`).
        words: the words of the vocabulary.

    Returns:
        `WordVectors`, in the order of `words`.

    Raises:
        DataError: the file cannot be read, has none of the words, or is truncated; a line is not a word with
            as many numbers as in the first line, or has a number that is not finite.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "vectors.txt"
    ...     _ = file.write_text("the 0.5 -1\\ncat 2 0.25\\n")
    ...     vectors = read_vectors(file, ["Cat", "sat"])
    >>> vectors.words, vectors.matrix.tolist(), vectors.in_file
    (('Cat',), [[2.0, 0.25]], 2)
    """
    path, words = Path(path), list(dict.fromkeys(words))
    spellings = {spelling.encode() for word in words for spelling in (word, word.lower())}
    vectors: dict[bytes, numpy.ndarray] = {}
    in_file = 0
    with _open_lines(path) as lines:
        size, header_count, lines = _read_header(path, lines)
        for number, line in lines:
            in_file += 1
            line = line.rstrip()
            if line.count(b" ") + line.count(b"\t") < size:
                raise _bad_line(path, number, size, f"{max(len(line.split()) - 1, 0)} numbers")
            word = line.split(None, 1)[0]
            if word in spellings and word not in vectors:
                vector = _parse_vector(path, number, line, size)
                if vector is not None:
                    vectors[word] = vector
    if header_count is not None and in_file < header_count:
        expected = f"expected {header_count:,} words, as its first line says"
        raise DataError(path, expected, got=f"{in_file:,}", hint="Is the file complete?")
    return _select(path, words, vectors, in_file)


@contextmanager
def _open_lines(path: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """The lines that are not blank, with their numbers."""
    open_file = gzip.open if path.suffix == ".gz" else open
    try:
        with open_file(path, "rb") as file:
            yield _number_lines(file)  # type: ignore[arg-type]
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(path, "expected word vectors that can be read", got=reason) from None


def _number_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(file, 1) if not line.isspace())


def _read_header(
    path: Path, lines: Iterator[tuple[int, bytes]]
) -> tuple[int, int | None, Iterator[tuple[int, bytes]]]:
    """The dimension, the number of words if the first line has it, and the lines with vectors."""
    number, line = next(lines, (0, b""))
    fields = line.split()
    if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]) > 0:
        return int(fields[1]), int(fields[0]), lines
    if len(fields) < 2 or not all(_is_number(field) for field in fields[1:]):
        expected = "expected a word and its numbers, or the number of words and the dimension"
        got = repr(line.decode(errors="replace").strip()[:60]) if line else "an empty file"
        raise DataError(f"{path}, line {max(number, 1)}", expected, got=got, hint=HINT)
    return len(fields) - 1, None, itertools.chain([(number, line)], lines)


def _parse_vector(path: Path, number: int, line: bytes, size: int) -> numpy.ndarray | None:
    """The vector of a line; None if its word contains a space (GloVe's `. . .`) and so is another word."""
    word, *fields = line.split()
    rest_of_word = fields[: len(fields) - size]
    if rest_of_word and not any(_is_number(field) for field in rest_of_word):
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
    return DataError(f"{path}, line {number}", f"expected a word and {size} numbers", got=got, hint=HINT)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _select(path: Path, words: list[str], vectors: dict[bytes, numpy.ndarray], in_file: int) -> WordVectors:
    """The vector of every word in its own spelling, or else in lowercase."""
    choices = {word: vectors.get(word.encode(), vectors.get(word.lower().encode())) for word in words}
    selected = {word: vector for word, vector in choices.items() if vector is not None}
    if not selected:
        expected = "expected vectors of words of the vocabulary"
        raise DataError(path, expected, got=f"none of its {len(words):,} words")
    return WordVectors(tuple(selected), numpy.stack(list(selected.values())), in_file)
