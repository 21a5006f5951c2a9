"""The labels of a classifier, one a row or any number: read from rows, their loss and their counts."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy
import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom.data.tables.records import Example, Records
from seqloom.errors import DataError
from seqloom.tasks.base import Loss

log = logging.getLogger("seqloom")

LABEL_COLUMNS = ("labels", "label")
LABEL_SEPARATOR = "|"
"""Between the labels of a row in a table that has no lists."""
MAX_LISTED = 8
MAX_COUNTED = 2000
"""Labels that are counted one by one, for F1, in each row of a report"""
MAX_TOGETHER = 5000
"""Labels where a row may have any number of them: it has a number for each"""


@final
@dataclass(frozen=True)
class Labels:
    """The labels of the training split.

    Fields:
        names: the labels, in the order of the model's outputs.
        multi_label: whether a row may have any number of labels.
        counts: training rows that have each label.
        examples: training rows.
    """

    names: tuple[str, ...]
    multi_label: bool
    counts: tuple[int, ...]
    examples: int

    @classmethod
    def fit(cls, rows: Sequence[tuple[str, ...]], multi_label: bool, where: object) -> Labels:
        """From the labels of each training row.

        Raises:
            DataError: there is nothing to distinguish.
        """
        totals: Counter[str] = Counter()
        for row, count in Counter(rows).items():
            totals.update(dict.fromkeys(row, count))
        names = tuple(sorted(totals))
        if len(names) < (1 if multi_label else 2):
            expected = (
                "expected at least one label" if multi_label else "expected at least two labels to tell apart"
            )
            raise DataError(where, expected, got=", ".join(names) or "none")
        if multi_label and len(names) > MAX_TOGETHER:
            expected = f"expected at most {MAX_TOGETHER:,} labels where a row may have any number of them"
            raise DataError(where, expected, got=f"{len(names):,}", hint="Leave out those that are rare")
        if len(names) > MAX_COUNTED:
            log.warning(
                "%s labels are more than %s: their F1 is not measured, and the baseline is %s",
                f"{len(names):,}",
                f"{MAX_COUNTED:,}",
                "no label" if multi_label else "the most frequent label",
            )
        return cls(names, multi_label, tuple(totals[name] for name in names), len(rows))

    def encode(self, names: tuple[str, ...], where: str) -> numpy.ndarray:
        """The number of a single label, () int64; or, multi-label, zeros and ones (K,) float32.

        Raises:
            DataError: a label that the training split does not have.
        """
        unknown = next((name for name in names if name not in self._numbers), None)
        if unknown is not None:
            raise DataError(where, f"expected a label of the training rows: {self.summary()}", got=unknown)
        numbers = [self._numbers[name] for name in names]
        if not self.multi_label:
            return numpy.array(numbers[0])
        target = numpy.zeros(len(self.names), dtype=numpy.float32)
        target[numbers] = 1
        return target

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def chosen(self, mask: Tensor) -> list[str]:
        """The labels of a mask (K,)."""
        return [self.names[number] for number in mask.nonzero().flatten().tolist()]

    def join(self, mask: Tensor) -> str:
        """The labels of a mask (K,) as one line."""
        return LABEL_SEPARATOR.join(self.chosen(mask))

    def summary(self) -> str:
        """The first labels, for a person."""
        listed = ", ".join(self.names[:MAX_LISTED])
        return listed if len(self.names) <= MAX_LISTED else f"{listed}, … ({len(self.names):,} in all)"


def label_column(columns: Sequence[str]) -> str:
    """The column of labels: `labels` if there is one, else `label`."""
    return "labels" if "labels" in columns else "label"


def is_multi_label(data: Records) -> bool:
    """Whether rows have any number of labels: a column `labels`, or a `|` in a training row's `label`."""
    if label_column(data.columns) == "labels":
        return True
    batches = data.examples("train").batches()
    return any(LABEL_SEPARATOR in str(value) for batch in batches for value in batch.values("label"))


def read_labels(example: Example, multi_label: bool) -> tuple[str, ...]:
    """The labels of a row: one; or, multi-label, a list (empty for none) or a text with `|` between.

    Raises:
        DataError: there is no label, or something else.
    """
    column = label_column(tuple(example.fields))
    value = example.fields.get(column)
    if multi_label and isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return tuple(dict.fromkeys(str(part).strip() for part in value))
    if isinstance(value, float) and math.isfinite(value):
        value = f"{value:g}"  # a table may keep 2 as 2.0
    if value is None or isinstance(value, list | dict | float) or not str(value).strip():
        expected = f"labels, a list or a text with {LABEL_SEPARATOR} between" if multi_label else "a label"
        got = "nothing" if value is None or value == "" else f"{value!r:.60}"
        raise DataError(example.place, f"`{column}` must be {expected}", got=got)
    parts = str(value).split(LABEL_SEPARATOR) if multi_label else [str(value)]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def target_mask(targets: Tensor, labels: Labels) -> Tensor:
    """Targets as a mask (B, K)."""
    return targets > 0.5 if labels.multi_label else F.one_hot(targets, len(labels.names)).bool()


def predict_mask(scores: Tensor, labels: Labels, threshold: float = 0.5) -> Tensor:
    """Predicted labels as a mask (B, K): the most likely one; multi-label, all from `threshold` on."""
    if labels.multi_label:
        return scores.sigmoid() >= threshold
    return F.one_hot(scores.argmax(-1), len(labels.names)).bool()


def is_correct(scores: Tensor, targets: Tensor, labels: Labels) -> Tensor:
    """Whether all labels of a row are predicted right, (B,)."""
    return (predict_mask(scores, labels) == target_mask(targets, labels)).all(1)


def compute_loss(
    scores: Tensor, targets: Tensor, labels: Labels, smoothing: float = 0.0, balanced: bool = False
) -> Tensor:
    """The cross-entropy (B,) of each row in nats; multi-label, summed over labels.

    Args:
        scores: (B, K), before softmax, or, multi-label, before sigmoid.
        targets: (B,) numbers, or (B, K) zeros and ones.
        labels: the labels.
        smoothing: share of a target's probability that goes to all labels alike (Szegedy et al., 2016,
            arXiv:1512.00567).
        balanced: weight each row by n / (K n_k), which is 1 on average, so that rare labels count as much.
    """
    counts = torch.tensor(labels.counts, dtype=scores.dtype, device=scores.device)
    if not labels.multi_label:
        nats = F.cross_entropy(scores, targets, reduction="none", label_smoothing=smoothing)
        return nats * (labels.examples / (len(counts) * counts))[targets] if balanced else nats
    smoothed = targets.to(scores.dtype) * (1 - smoothing) + smoothing / 2
    nats = F.binary_cross_entropy_with_logits(scores, smoothed, reduction="none")
    if balanced:  # two classes for each label: present, and absent
        absent = (labels.examples - counts).clamp(min=1)
        nats = nats * labels.examples / (2 * torch.where(targets > 0.5, counts, absent))
    return nats.sum(1)


def count_predictions(
    scores: Tensor, targets: Tensor, texts: Sequence[str], labels: Labels, threshold: float = 0.5
) -> Loss:
    """The loss of rows, and for each label whether it is actual, predicted, and both."""
    actual, predicted = target_mask(targets, labels), predict_mask(scores, labels, threshold)
    counts = {"correct": (predicted == actual).all(1)}
    if len(labels.names) <= MAX_COUNTED:
        counts |= {"actual": actual, "predicted": predicted, "both": actual & predicted}
    nats = compute_loss(scores, targets, labels)
    outputs = [
        {"input": text, "label": labels.join(actual_row), "predicted": labels.join(predicted_row)}
        for text, actual_row, predicted_row in zip(texts, actual, predicted, strict=True)
    ]
    if labels.multi_label and "both" in counts:
        counts["multi_label"] = torch.ones_like(counts["correct"])
    return Loss(nats, torch.ones_like(nats, dtype=torch.int64), counts=counts, outputs=outputs)
