"""The labels of a classifier, one for each example or any number of them: what they cost, what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom.data.tables.records import Example, Records
from seqloom.errors import DataError
from seqloom.tasks.base import Loss, Rows

BETWEEN = "|"
"""Stands between the labels of a row that has several, in a table that has no lists."""
MISTAKES = 10
"""As many does a report show."""


class Labels(NamedTuple):
    """The labels of the training split, and how often each was there.

    Fields:
        names: the labels, in the order of a model's outputs.
        several: whether an example may have any number of them.
        counts: training examples that have each.
        examples: training examples.
    """

    names: tuple[str, ...]
    several: bool
    counts: tuple[int, ...]
    examples: int

    @classmethod
    def fit(cls, rows: Sequence[tuple[str, ...]], several: bool, where: object) -> Labels:
        """From the labels of each training example.

        Raises:
            DataError: there is nothing to tell apart.
        """
        names = tuple(sorted({name for row in rows for name in row}))
        if len(names) < (1 if several else 2):
            expected = (
                "expected at least one label" if several else "expected at least two labels to tell apart"
            )
            raise DataError(where, expected, got=", ".join(names) or "none")
        counts = tuple(sum(name in row for row in rows) for name in names)
        return cls(names, several, counts, len(rows))

    def target(self, found: tuple[str, ...], where: str) -> numpy.ndarray:
        """The number of the one label, () int64; or 1 for each of several and 0 for the others, (K,) float32.

        Raises:
            DataError: a label that the training split does not have.
        """
        unknown = next((name for name in found if name not in self.names), None)
        if unknown is not None:
            raise DataError(where, f"expected a label of the training rows: {self.listed()}", got=unknown)
        numbers = [self.names.index(name) for name in found]
        if not self.several:
            return numpy.array(numbers[0])
        target = numpy.zeros(len(self.names), dtype=numpy.float32)
        target[numbers] = 1
        return target

    def said(self, chosen: Sequence[bool]) -> str:
        """The chosen labels as one line."""
        return BETWEEN.join(name for name, yes in zip(self.names, chosen, strict=True) if yes)

    def listed(self) -> str:
        """The first of them, for a person."""
        shown = ", ".join(self.names[:8])
        return shown if len(self.names) <= 8 else f"{shown}, … ({len(self.names):,} in all)"


def column_of(columns: Sequence[str]) -> str:
    """Where labels stand: `labels` if there is such a column."""
    return "labels" if "labels" in columns else "label"


def has_several(data: Records) -> bool:
    """Whether rows have any number of labels: a column `labels`, or a `|` in a training row's `label`."""
    if column_of(data.columns) == "labels":
        return True
    return any(BETWEEN in str(row.fields.get("label")) for row in data.examples("train"))


def labels_in(example: Example, several: bool) -> tuple[str, ...]:
    """The labels of a row: one, or several as a list or with `|` between; an empty list is none of them.

    Raises:
        DataError: there is no label, or something else.
    """
    column = column_of(tuple(example.fields))
    value = example.fields.get(column)
    if several and isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return tuple(dict.fromkeys(str(part).strip() for part in value))
    if value is None or isinstance(value, list | dict | float) or not str(value).strip():
        what = f"labels, a list or a text with {BETWEEN} between" if several else "a label"
        got = "nothing" if value is None or value == "" else f"{value!r:.60}"
        raise DataError(example.place, f"`{column}` must be {what}", got=got)
    parts = str(value).split(BETWEEN) if several else [str(value)]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def actual_of(targets: Tensor, labels: Labels) -> Tensor:
    """Targets as (B, K) booleans."""
    return targets > 0.5 if labels.several else F.one_hot(targets, len(labels.names)).bool()


def chosen_of(scores: Tensor, labels: Labels, threshold: float = 0.5) -> Tensor:
    """What a model says, (B, K) booleans: the likeliest label; of several, those that are likely enough."""
    if labels.several:
        return scores.sigmoid() >= threshold
    return F.one_hot(scores.argmax(-1), len(labels.names)).bool()


def right_in(scores: Tensor, targets: Tensor, labels: Labels) -> Tensor:
    """Whether a model says what is so, (B,); of several labels all must be right."""
    return (chosen_of(scores, labels) == actual_of(targets, labels)).all(1)


def nats_of(
    scores: Tensor, targets: Tensor, labels: Labels, smoothing: float = 0.0, balanced: bool = False
) -> Tensor:
    """What each example costs, (B,): cross-entropy; of several labels that of each, summed.

    Args:
        scores: (B, K), before softmax, or before sigmoid where labels are several.
        targets: (B,) numbers, or (B, K) zeros and ones.
        labels: which they are.
        smoothing: share of a target's probability that goes to all labels alike (Szegedy et al., 2016,
            arXiv:1512.00567).
        balanced: an example weighs the more the rarer its label is: n / (K n_k), which is 1 on average.
    """
    counts = torch.tensor(labels.counts, dtype=scores.dtype, device=scores.device)
    if not labels.several:
        nats = F.cross_entropy(scores, targets, reduction="none", label_smoothing=smoothing)
        return nats * (labels.examples / (len(counts) * counts))[targets] if balanced else nats
    aims = targets.to(scores.dtype) * (1 - smoothing) + smoothing / 2
    nats = F.binary_cross_entropy_with_logits(scores, aims, reduction="none")
    if balanced:  # of each label two classes: there, and not there
        here, absent = counts, (labels.examples - counts).clamp(min=1)
        nats = nats * labels.examples / (2 * torch.where(targets > 0.5, here, absent))
    return nats.sum(1)


def measured(
    scores: Tensor, targets: Tensor, shown: Sequence[str], labels: Labels, threshold: float = 0.5
) -> Loss:
    """What examples cost, and of every label where it was right (`actual`), said (`chosen`), and both."""
    actual, chosen = actual_of(targets, labels), chosen_of(scores, labels, threshold)
    counted = {
        "right": (chosen == actual).all(1),
        "actual": actual,
        "chosen": chosen,
        "both": actual & chosen,
    }
    if labels.several:
        counted["several"] = torch.ones_like(counted["right"])
    nats = nats_of(scores, targets, labels)
    outputs = [
        {"input": text, "label": labels.said(right), "predicted": labels.said(said)}
        for text, right, said in zip(shown, actual.tolist(), chosen.tolist(), strict=True)
    ]
    return Loss(nats, torch.ones_like(nats, dtype=torch.int64), counts=counted, outputs=outputs)


def f1_of(rows: Rows) -> dict[str, float]:
    """F1 from what `measured` counted: of all decisions (several labels only), and the labels' mean."""
    both, total = rows.total("both"), rows.total("actual") + rows.total("chosen")
    there = total > 0  # a label that is neither right nor said anywhere has no F1
    macro = {"macro_f1": float((2 * both[there] / total[there]).mean()) if there.any() else 0.0}
    if "several" not in rows.counts:
        return macro
    return {"micro_f1": float(2 * both.sum() / max(total.sum(), 1)), **macro}


def mistakes_in(rows: Rows) -> dict[str, Any]:
    """How often each label was taken for which, and the mistakes that cost most."""
    confusion: dict[str, dict[str, int]] = {}
    for output in rows.outputs:
        taken = confusion.setdefault(output["label"], {})
        taken[output["predicted"]] = taken.get(output["predicted"], 0) + 1
    costs = zip(rows.outputs, rows.nats.tolist(), strict=True) if rows.outputs else ()
    wrong = [{**output, "nats": nats} for output, nats in costs if output["label"] != output["predicted"]]
    worst = sorted(wrong, key=lambda output: -output["nats"])[:MISTAKES]
    return {"confusion": confusion, "worst_mistakes": worst}
