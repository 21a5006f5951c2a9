"""A split as one long array of token numbers: in memory where it is small, mapped from disk where not."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.text import TextPart, pieces
from seqloom.data.vocabulary import Vocabulary
from seqloom.files import cannot_write

MEMORY_BYTES = 256 << 20
"""Text of more bytes than this is kept as a mapped file in the cache folder."""


class Tokens(NamedTuple):
    """Token numbers of a text in reading order, and a digest that changes when they do."""

    numbers: numpy.ndarray
    digest: str


def cache_folder() -> Path:
    """`SEQLOOM_CACHE`, or seqloom's folder in the user's cache; nothing in it is needed after a run."""
    chosen = os.environ.get("SEQLOOM_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen) if chosen else Path(base) / "seqloom"


def tokenize(parts: Sequence[TextPart], vocabulary: Vocabulary) -> Tokens:
    """Encode `parts`.

    Raises:
        DataError: bytes that are not UTF-8.
    """
    if sum(part.stop - part.start for part in parts) > MEMORY_BYTES:
        return _mapped(parts, vocabulary)
    arrays = [numpy.empty(0, vocabulary.dtype), *vocabulary.encode_pieces(pieces(parts))]
    numbers = numpy.concatenate(arrays)
    return Tokens(numbers, hashlib.sha256(numbers.tobytes()).hexdigest())


def _mapped(parts: Sequence[TextPart], vocabulary: Vocabulary) -> Tokens:
    digest = _identity(parts, vocabulary)
    target = cache_folder() / "tokens" / f"{digest}.bin"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            try:
                for numbers in vocabulary.encode_pieces(pieces(parts)):
                    numbers.tofile(file)
            except BaseException as error:
                os.unlink(file.name)
                if isinstance(error, OSError):
                    mend = "Make room, or name another folder by the environment variable SEQLOOM_CACHE"
                    raise cannot_write(target, error, mend) from None
                raise
        os.replace(file.name, target)
    return Tokens(numpy.memmap(target, dtype=vocabulary.dtype, mode="r"), digest)


def _identity(parts: Sequence[TextPart], vocabulary: Vocabulary) -> str:
    """Of files too large to read twice: their names, sizes and times, with the vocabulary."""
    digest = hashlib.sha256(vocabulary.to_json().encode())
    for part in parts:
        status = part.path.stat()
        digest.update(
            repr((str(part.path.resolve()), *part[1:], status.st_size, status.st_mtime_ns)).encode()
        )
    return digest.hexdigest()
