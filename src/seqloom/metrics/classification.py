"""F1 of labels from counts that add up, and the confusion of labels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy


def f1_scores(
    actual: numpy.ndarray, predicted: numpy.ndarray, both: numpy.ndarray, multi_label: bool
) -> dict[str, float]:
    """F1 from the counts of each label.

    Args:
        actual: (K,) rows that have the label.
        predicted: (K,) rows for which it was predicted.
        both: (K,) rows that have it and for which it was predicted.
        multi_label: whether a row may have any number of labels.

    Returns:
        `macro_f1`, the mean over labels that are in at least one row or prediction; before it, where rows are
        multi-label, `micro_f1`, of all decisions together.

    >>> f1_scores(numpy.array([2, 1]), numpy.array([1, 1]), numpy.array([1, 0]), multi_label=False)
    {'macro_f1': 0.3333333333333333}
    """
    total = actual + predicted
    present = total > 0
    macro = float((2 * both[present] / total[present]).mean()) if present.any() else 0.0
    micro = {"micro_f1": float(2 * both.sum() / max(total.sum(), 1))} if multi_label else {}
    return {**micro, "macro_f1": macro}


def confusion(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """For each actual label how often each label was predicted, from pairs (actual, predicted).

    >>> confusion([("cat", "cat"), ("cat", "dog"), ("cat", "dog")])
    {'cat': {'cat': 1, 'dog': 2}}
    """
    counts: dict[str, dict[str, int]] = {}
    for actual, predicted in pairs:
        row = counts.setdefault(actual, {})
        row[predicted] = row.get(predicted, 0) + 1
    return counts
