"""The made-up drawings, and where a model begins that learns to describe them."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.models.captioning.memory import WORD_RANGE, WORD_RANGE_FROM_SCRATCH
from seqloom.runs.config import resolve
from seqloom.tasks import task_named
from seqloom.tasks.caption import toy_data

from .test_task import prepare


def test_shapes_are_whole_and_do_not_touch() -> None:
    generator = numpy.random.default_rng(0)
    for _ in range(200):
        (upper, first), (lower, second) = toy_data._place(generator)
        assert first - upper >= 0
        assert second + lower < toy_data.SIZE
        assert second - lower - (first + upper) > 1


def test_pictures_of_the_same_shapes_differ() -> None:
    drawn = [toy_data.draw(numpy.random.default_rng(seed)) for seed in range(60)]
    pictures = [numpy.asarray(image, dtype=float) for image, _ in drawn]
    assert {len(names) for _, names in drawn} == {2}
    assert len({tuple(names) for _, names in drawn}) > 40
    grounds = numpy.array([picture[0, 0] for picture in pictures])
    assert (grounds.std(0) > 15).all()
    assert all(len(numpy.unique(picture.reshape(-1, 3), axis=0)) == 3 for picture in pictures)


def test_vectors_of_words_begin_larger_beside_an_encoder_that_is_trained(shapes: Path) -> None:
    task, (_, preparation) = task_named("caption"), prepare(shapes)
    config = resolve(task, []).model
    trained = task.build(preparation, config).decoder.embedding.weight.abs().max()
    assert 0.9 * WORD_RANGE_FROM_SCRATCH < trained <= WORD_RANGE_FROM_SCRATCH
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(preparation.pictures), "is_trained", False)
        frozen = task.build(preparation, config).decoder.embedding.weight.abs().max()
    assert 0.9 * WORD_RANGE < frozen <= WORD_RANGE
