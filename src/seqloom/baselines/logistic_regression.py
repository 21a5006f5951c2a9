"""The baseline of classification: logistic regression on features that ignore the order of steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from seqloom.baselines.majority import class_shares

ITERATIONS = 2000
MIN_PROBABILITY = 1e-9
"""Bounds the loss of a mistake, at 21 nats."""
MAX_WEIGHTS = 2_000_000
"""Features times classes: the optimizer holds some thirty numbers for each."""


def tfidf(train: Iterable[str], test: Iterable[str], num_classes: int = 2) -> tuple[Any, Any]:
    """TF-IDF of words and pairs of words, fitted to the texts of `train`: two sparse matrices (N, F).

    Args:
        train: texts.
        test: texts.
        num_classes: of more, fewer features are kept, the most frequent ones: two million weights at most.
    """
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2),
        token_pattern=r"\w+|[^\w\s]",
        sublinear_tf=True,
        max_features=max(MAX_WEIGHTS // (num_classes if num_classes > 2 else 1), 1000),
    )
    return vectorizer.fit_transform(train), vectorizer.transform(test)


def moments(rows: Sequence[numpy.ndarray]) -> numpy.ndarray:
    """Mean and deviation over the steps of rows (T, F): (N, 2 F)."""
    return numpy.stack([numpy.concatenate([row.mean(0), row.std(0)]) for row in rows])


def predict_scores(train: Any, test: Any, targets: numpy.ndarray, num_classes: int) -> numpy.ndarray:
    """Fit logistic regression and score other rows.

    Where all targets are alike, it predicts the share of each class, with one more row of each.

    Args:
        train: features (N, F).
        test: features (M, F).
        targets: (N,) class numbers of `train`; or, multi-label, (N, K) zeros and ones.
        num_classes: K.

    Returns:
        scores (M, K) float64 of `test`, before softmax, or, multi-label, before sigmoid.
    """
    if targets.ndim == 2:
        columns = [_probabilities(train, column.astype(int), test, 2)[:, 1] for column in targets.T]
        probability = numpy.clip(numpy.stack(columns, axis=1), MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        return numpy.log(probability) - numpy.log1p(-probability)
    return numpy.log(numpy.maximum(_probabilities(train, targets, test, num_classes), MIN_PROBABILITY))


def _probabilities(train: Any, targets: numpy.ndarray, test: Any, num_classes: int) -> numpy.ndarray:
    shares = class_shares(targets, num_classes)
    probabilities = numpy.tile(shares, (test.shape[0], 1))
    present = numpy.unique(targets)
    if len(present) > 1:
        model = LogisticRegression(max_iter=ITERATIONS).fit(train, targets)
        probabilities[:, present] = model.predict_proba(test) * shares[present].sum()
    return probabilities
