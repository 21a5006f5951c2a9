"""The bar for a classifier: logistic regression on features that know no order of steps, by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy

ITERATIONS = 2000
LEAST = 1e-9
"""No probability is taken for less: a mistake costs 21 nats at most."""


class Item(Protocol):
    """What is read of an example."""

    @property
    def values(self) -> numpy.ndarray:
        """Features (T, F)."""
        ...

    @property
    def shown(self) -> str:
        """Its text."""
        ...


def word_features(known: Sequence[Item], asked: Sequence[Item]) -> tuple[Any, Any]:
    """TF-IDF of words and of pairs of words, as the texts of `known` have them."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", sublinear_tf=True)
    return words.fit_transform(item.shown for item in known), words.transform(item.shown for item in asked)


def moments(known: Sequence[Item], asked: Sequence[Item]) -> tuple[Any, Any]:
    """Mean and deviation of every feature over the steps."""
    return _moments(known), _moments(asked)


def _moments(items: Sequence[Item]) -> numpy.ndarray:
    return numpy.stack([numpy.concatenate([item.values.mean(0), item.values.std(0)]) for item in items])


def regress(known: Any, asked: Any, targets: numpy.ndarray, num_classes: int) -> numpy.ndarray:
    """Fit logistic regression to features and targets: (N,) class numbers, or (N, K) zeros and ones.

    Where there is nothing to fit, since all targets are alike, it gives the share of each label, as if every
    one had been there once more.

    Returns:
        Of each row of `asked` the scores (N, K) float64, before softmax, or before sigmoid where labels are
        several.
    """
    if targets.ndim == 2:
        found = [_fit(known, column.astype(int), asked, 2)[:, 1] for column in targets.T]
        share = numpy.clip(numpy.stack(found, axis=1), LEAST, 1 - LEAST)
        return numpy.log(share) - numpy.log1p(-share)
    return numpy.log(numpy.maximum(_fit(known, targets, asked, num_classes), LEAST))


def _fit(known: Any, targets: numpy.ndarray, asked: Any, classes: int) -> numpy.ndarray:
    from sklearn.linear_model import LogisticRegression

    shares = numpy.bincount(targets, minlength=classes) + 1.0
    shares /= shares.sum()
    found = numpy.tile(shares, (asked.shape[0], 1))
    seen = numpy.unique(targets)
    if len(seen) > 1:
        model = LogisticRegression(max_iter=ITERATIONS).fit(known, targets)
        found[:, seen] = model.predict_proba(asked) * shares[seen].sum()
    return found
