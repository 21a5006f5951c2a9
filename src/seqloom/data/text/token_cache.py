"""A split as one array of token ids: in memory if it is small, memory-mapped from a cache file if not."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.cache import cache_folder, cannot_write_cache
from seqloom.data.text.corpus import FileSpan, read_chunks
from seqloom.data.text.vocabulary import Vocabulary

MEMORY_BYTES = 256 << 20
"""The token ids of a longer text are written to a file in the cache folder and memory-mapped."""


class TokenArray(NamedTuple):
    """The token ids of a text in reading order, (N,) unsigned, and a hash that changes when they do."""

    ids: numpy.ndarray
    digest: str


def tokenize(spans: Sequence[FileSpan], vocabulary: Vocabulary) -> TokenArray:
    """Encode a text as token ids.

    Args:
        spans: the text, for example `corpus.splits["train"]`.
        vocabulary: turns text into token ids.

    Raises:
        DataError: bytes that are not UTF-8.
        RunError: the text is long, and the cache cannot be written.
    """
    if sum(span.stop - span.start for span in spans) > MEMORY_BYTES:
        return _tokenize_to_file(spans, vocabulary)
    arrays = [numpy.empty(0, vocabulary.dtype), *vocabulary.encode_chunks(read_chunks(spans))]
    ids = numpy.concatenate(arrays)
    return TokenArray(ids, hashlib.sha256(ids.tobytes()).hexdigest())


def _tokenize_to_file(spans: Sequence[FileSpan], vocabulary: Vocabulary) -> TokenArray:
    digest = _compute_digest(spans, vocabulary)
    target = cache_folder() / "tokens" / f"{digest}.bin"
    if not target.exists():
        try:
            _write(target, spans, vocabulary)
        except OSError as error:
            raise cannot_write_cache(target, error) from None
    return TokenArray(numpy.memmap(target, dtype=vocabulary.dtype, mode="r"), digest)


def _write(target: Path, spans: Sequence[FileSpan], vocabulary: Vocabulary) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # A temporary name of its own: several processes may encode the same text at the same time.
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        try:
            for ids in vocabulary.encode_chunks(read_chunks(spans)):
                ids.tofile(file)
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, target)


def _compute_digest(spans: Sequence[FileSpan], vocabulary: Vocabulary) -> str:
    """A hash of the text and the vocabulary, independent of the path."""
    digest = hashlib.sha256(vocabulary.to_json().encode())
    for text in read_chunks(spans):
        digest.update(text.encode())
    return digest.hexdigest()
