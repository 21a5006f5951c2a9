"""F1 of labels against scikit-learn's, and the confusion of labels."""

from __future__ import annotations

import numpy
import pytest
from sklearn.metrics import f1_score

from seqloom.metrics.classification import confusion, f1_scores


@pytest.mark.parametrize("multi_label", [False, True])
def test_f1_is_that_of_scikit_learn(multi_label: bool) -> None:
    generator = numpy.random.default_rng(0)
    if multi_label:
        actual, predicted = generator.random((2, 60, 3)) < 0.4
    else:
        actual, predicted = (numpy.eye(3, dtype=bool)[generator.integers(3, size=60)] for _ in range(2))
    scores = f1_scores(actual.sum(0), predicted.sum(0), (actual & predicted).sum(0), multi_label)
    expected = {"macro_f1": f1_score(actual, predicted, average="macro")}
    if multi_label:
        expected = {"micro_f1": f1_score(actual, predicted, average="micro"), **expected}
    assert scores == pytest.approx(expected, abs=1e-12)
    assert list(scores) == list(expected)


def test_an_absent_label_has_no_f1() -> None:
    zeros, present = numpy.zeros(3, dtype=int), numpy.array([4, 0, 0])
    assert f1_scores(present, present, present, multi_label=False) == {"macro_f1": 1.0}
    assert f1_scores(zeros, zeros, zeros, multi_label=True) == {"micro_f1": 0.0, "macro_f1": 0.0}


def test_confusion_counts_pairs() -> None:
    pairs = [("a", "a"), ("a", "b"), ("c", "c"), ("a", "b")]
    assert confusion(pairs) == {"a": {"a": 1, "b": 2}, "c": {"c": 1}}
    assert confusion([]) == {}
