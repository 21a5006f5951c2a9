"""A split as one array of token ids: in memory if it is small, memory-mapped from a cache file if not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.data.cache import cached_folder
from seqloom.data.text.corpus import FileSpan, read_chunks
from seqloom.data.text.vocabulary import Vocabulary

MEMORY_BYTES = 256 << 20
"""The token ids of a longer text are written to a file in the cache folder and memory-mapped."""
IDS = "ids.bin"


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

    def write(folder: Path) -> None:
        with (folder / IDS).open("wb") as file:
            for ids in vocabulary.encode_chunks(read_chunks(spans)):
                ids.tofile(file)

    ids = cached_folder("tokens", digest, write) / IDS
    return TokenArray(numpy.memmap(ids, dtype=vocabulary.dtype, mode="r"), digest)


def _compute_digest(spans: Sequence[FileSpan], vocabulary: Vocabulary) -> str:
    """A hash of the text and the vocabulary, independent of the path."""
    digest = hashlib.sha256(vocabulary.to_json().encode())
    for text in read_chunks(spans):
        digest.update(text.encode())
    return digest.hexdigest()
