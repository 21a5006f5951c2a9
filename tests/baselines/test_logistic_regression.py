"""Logistic regression: it separates, it knows absent classes, and it does without anything to fit."""

from __future__ import annotations

import numpy
import pytest

from seqloom.baselines.logistic_regression import moments, predict_scores, tfidf


def test_it_separates_what_its_features_separate() -> None:
    train, test = ["red", "blue", "red red", "blue blue"], ["red", "blue"]
    scores = predict_scores(*tfidf(train, test), numpy.array([0, 1, 0, 1]), num_classes=2)
    assert scores.argmax(1).tolist() == [0, 1]
    assert numpy.exp(scores).sum(1) == pytest.approx([1, 1])


def test_a_class_without_training_rows_has_its_smoothed_share() -> None:
    train = numpy.array([[0.0], [1.0], [0.1], [0.9]])
    scores = predict_scores(train, train, numpy.array([0, 1, 0, 1]), num_classes=3)
    assert numpy.exp(scores[:, 2]) == pytest.approx([1 / 7] * 4)
    assert numpy.exp(scores).sum(1) == pytest.approx([1] * 4)


def test_moments_ignore_the_order_of_steps() -> None:
    row = numpy.array([[1.0, 2.0], [3.0, 6.0]])
    assert moments([row]).tolist() == moments([row[::-1]]).tolist() == [[2.0, 4.0, 1.0, 2.0]]
