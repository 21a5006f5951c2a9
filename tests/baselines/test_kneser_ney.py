"""The n-gram baseline against its definition, n-gram by n-gram."""

from __future__ import annotations

import math
from collections import Counter

import numpy
import pytest

from seqloom.baselines.kneser_ney import NGram

SIZE, ORDER = 5, 3


def by_definition(text: list[int], context: list[int], word: int) -> float:
    """p(word | context), straight from the docstring, with dictionaries."""
    seen = [Counter(tuple(text[i : i + k]) for i in range(len(text) - k + 1)) for k in range(1, ORDER + 1)]
    counts = [Counter(gram[1:] for gram in longer) for longer in seen[1:]]
    counts.append(seen[-1])
    probability = 1.0 / SIZE
    for k in range(ORDER):
        if len(context) < k:
            break
        history = tuple(context[len(context) - k :])
        values = {gram[-1]: n for gram, n in counts[k].items() if gram[:-1] == history and n}
        once = len([gram for gram in seen[k] if counts[k][gram] == 1])
        twice = len([gram for gram in seen[k] if counts[k][gram] == 2])
        discount = once / (once + 2 * twice) if once and twice else 0.5
        total = sum(values.values())
        if total == 0:
            continue
        probability = (max(values.get(word, 0) - discount, 0) + discount * len(values) * probability) / total
    return probability


def test_probabilities_follow_the_definition() -> None:
    generator = numpy.random.default_rng(1)
    text = generator.choice(SIZE - 1, size=60, p=[0.5, 0.3, 0.15, 0.05]).tolist()
    model = NGram(numpy.array(text), SIZE, ORDER)
    other = generator.integers(SIZE, size=30).tolist()
    expected = [-math.log(by_definition(text, other[:i], other[i])) for i in range(1, len(other))]
    numpy.testing.assert_allclose(model.nats(numpy.array(other)), expected, rtol=1e-12)


@pytest.mark.parametrize("context", [[0], [0, 1], [4, 4], [1, 0, 2]])
def test_probabilities_sum_to_one(context: list[int]) -> None:
    text = numpy.random.default_rng(2).integers(4, size=200)
    model = NGram(text, SIZE, ORDER)
    total = sum(math.exp(-model.nats(numpy.array([*context, word]))[-1]) for word in range(SIZE))
    assert total == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("context", [[], [0], [0, 1], [1, 4], [4, 4], [1, 0, 2], [4, 3, 2, 1, 0, 1, 0]])
def test_following_gives_the_probability_of_every_token(context: list[int]) -> None:
    text = numpy.random.default_rng(2).integers(4, size=200)
    text[-1] = 4  # nothing ever follows it
    model = NGram(text, SIZE, ORDER)
    log_probabilities = model.following(context)
    expected = [math.log(by_definition(text.tolist(), context, word)) for word in range(SIZE)]
    numpy.testing.assert_allclose(log_probabilities, expected, rtol=1e-12)
    assert numpy.exp(log_probabilities).sum() == pytest.approx(1.0, rel=1e-12)


def test_longer_contexts_help_in_a_periodic_text() -> None:
    text = numpy.tile([0, 1, 2, 0, 1, 3], 100)
    losses = [NGram(text, SIZE, order).nats(text).mean() for order in (1, 2, 3, 4)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.1
