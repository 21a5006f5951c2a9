"""Batches of encoded table rows, for tasks that give each row one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import EncodedExamples, Records


class EncodedRow(NamedTuple):
    """A row of a table, encoded.

    Fields:
        values: (T, …), a row for each step: token numbers or features.
        target: a number, or one for each label.
        text: the input in words, for reports.
    """

    values: numpy.ndarray
    target: numpy.ndarray
    text: str


class RowBatch(NamedTuple):
    """A batch: values (B, T, …) padded with 0, lengths (B,), targets (B, …), and the inputs in words."""

    values: Tensor
    lengths: Tensor
    targets: Tensor
    texts: tuple[str, ...]


def collate(rows: list[EncodedRow]) -> RowBatch:
    """Stack encoded rows to a batch."""
    values, targets, texts = zip(*rows, strict=True)
    return RowBatch(pad(values), lengths_of(values), torch.from_numpy(numpy.stack(targets)), texts)


def bucketed(examples: EncodedExamples[EncodedRow], batching: Batching) -> Source:
    """Batches of rows of near length."""
    lengths = [len(row.values) for row in examples.items]
    return Buckets(examples.items, lengths, collate, batching, examples.skipped)


def accept_columns(data: Any, columns: Sequence[str]) -> str | None:
    """The reason to accept records that have these columns; None where they do not."""
    fits = isinstance(data, Records) and set(columns) <= set(data.columns)
    return f"records with columns {' and '.join(columns)}" if fits else None
