"""Hashes of nested values, by which a source knows its data again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, final

import numpy


@final
class Digest:
    """A SHA-256 hash of values, added one by one: arrays, texts, numbers, and sequences of them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, value: Any) -> None:
        """Take in a value."""
        if isinstance(value, numpy.ndarray):
            self._hash.update(f"{value.dtype}{value.shape}".encode())
            self._hash.update(numpy.ascontiguousarray(value).data)
        elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
            self._hash.update(f"({len(value)}".encode())
            for part in value:
                self.add(part)
        else:
            self._hash.update(f"{type(value).__name__}:{value!r};".encode())

    def hexdigest(self) -> str:
        """The hash of all that was added."""
        return self._hash.hexdigest()


def compute_digest(items: Any) -> str:
    """Compute the hash of one nested value."""
    digest = Digest()
    digest.add(items)
    return digest.hexdigest()
