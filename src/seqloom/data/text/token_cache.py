"""A split as one long array of token numbers: in memory where it is small, mapped from disk where not."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.text.corpus import FileSpan, pieces
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.files import cannot_write

MEMORY_BYTES = 256 << 20
"""Text of more bytes than this is kept as a mapped file in the cache folder."""


class TokenArray(NamedTuple):
    """Token numbers of a text in reading order, and a digest that changes when they do."""

    numbers: numpy.ndarray
    digest: str


def cache_folder() -> Path:
    """`SEQLOOM_CACHE`, or seqloom's folder in the user's cache; nothing in it is needed after a run."""
    chosen = os.environ.get("SEQLOOM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "seqloom"


def tokenize(parts: Sequence[FileSpan], vocabulary: Vocabulary) -> TokenArray:
    """Encode `parts`.

    Raises:
        DataError: bytes that are not UTF-8.
    """
    if sum(part.stop - part.start for part in parts) > MEMORY_BYTES:
        return _mapped(parts, vocabulary)
    arrays = [numpy.empty(0, vocabulary.dtype), *vocabulary.encode_pieces(pieces(parts))]
    numbers = numpy.concatenate(arrays)
    return TokenArray(numbers, hashlib.sha256(numbers.tobytes()).hexdigest())


def _mapped(parts: Sequence[FileSpan], vocabulary: Vocabulary) -> TokenArray:
    digest = _identity(parts, vocabulary)
    target = cache_folder() / "tokens" / f"{digest}.bin"
    if not target.exists():
        try:
            _write(target, parts, vocabulary)
        except OSError as error:
            hint = "Make room, or name another folder by the environment variable SEQLOOM_CACHE"
            raise cannot_write(target, error, hint) from None
    return TokenArray(numpy.memmap(target, dtype=vocabulary.dtype, mode="r"), digest)


def _write(target: Path, parts: Sequence[FileSpan], vocabulary: Vocabulary) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own: several processes may encode the same text at the same time.
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        try:
            for numbers in vocabulary.encode_pieces(pieces(parts)):
                numbers.tofile(file)
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, target)


def _identity(parts: Sequence[FileSpan], vocabulary: Vocabulary) -> str:
    """Of the text and the vocabulary, wherever the text lies."""
    digest = hashlib.sha256(vocabulary.to_json().encode())
    for text in pieces(parts):
        digest.update(text.encode())
    return digest.hexdigest()
