"""The baseline of captions: the training picture whose features are nearest to those of a new one."""

from __future__ import annotations

import numpy

CHUNK = 256


def nearest_vectors(train: numpy.ndarray, test: numpy.ndarray) -> numpy.ndarray:
    """For each vector of `test` (M, D) the number of the one of `train` (N, D) with the greatest cosine.

    The mean of the training vectors is taken off first.

    >>> train = numpy.array([[1.0, 0.0], [0.0, 1.0]])
    >>> nearest_vectors(train, numpy.array([[0.1, 0.9], [2.0, 1.0]]))
    array([1, 0])
    """
    mean = train.mean(0)
    known = _normalize(train - mean)
    chunks = (test[start : start + CHUNK] - mean for start in range(0, len(test), CHUNK))
    return numpy.concatenate([numpy.argmax(_normalize(chunk) @ known.T, axis=1) for chunk in chunks])


def _normalize(vectors: numpy.ndarray) -> numpy.ndarray:
    return vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-12)
