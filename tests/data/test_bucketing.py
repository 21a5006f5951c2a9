"""Length bucketing: every item once an epoch, little padding, resuming at any batch."""

from __future__ import annotations

from collections import Counter

import numpy
import pytest
from torch import Tensor

from seqloom.data.batching import Batching, Shard
from seqloom.data.bucketing import Buckets, compute_digest, map_by_length
from seqloom.data.padding import pad

Item = tuple[int, numpy.ndarray]


def make_items(count: int = 500, seed: int = 0) -> list[Item]:
    generator = numpy.random.default_rng(seed)
    return [(number, numpy.arange(generator.integers(1, 80))) for number in range(count)]


def collate(items: list[Item]) -> tuple[tuple[int, ...], Tensor]:
    return tuple(number for number, _ in items), pad([array for _, array in items])


def make_buckets(items: list[Item], batching: Batching) -> Buckets[Item]:
    return Buckets(items, [len(array) for _, array in items], collate, batching)


def numbers(source: Buckets[Item], epoch: int = 0, first: int = 0) -> list[tuple[int, ...]]:
    return [batch[0] for batch in source.batches(epoch, first)]


@pytest.mark.parametrize(
    "batching", [Batching(16), Batching(16, batch_units=800), Batching(7, training=False)]
)
def test_an_epoch_has_every_item_once(batching: Batching) -> None:
    source = make_buckets(make_items(), batching)
    for epoch in range(3):
        assert sorted(number for batch in numbers(source, epoch) for number in batch) == list(range(500))
    assert len(source) == len(numbers(source))


@pytest.mark.parametrize("batching", [Batching(16), Batching(16, batch_units=800)])
def test_padding_adds_at_most_15_percent(batching: Batching) -> None:
    """Unsorted, these lengths would need nearly twice as many steps."""
    items = make_items()
    source = make_buckets(items, batching)
    padded = sum(batch[1].numel() for batch in source.batches(0))
    unpadded = sum(len(array) for _, array in items)
    assert padded / unpadded <= 1.15
    assert source.padding_ratio() == pytest.approx(padded / unpadded)


def test_batch_units_limit_the_steps_of_a_batch() -> None:
    source = make_buckets(make_items(), Batching(1, batch_units=800))
    sizes = [batch[1].numel() for batch in source.batches(0)]
    assert max(sizes) <= 800
    assert numpy.median(sizes) > 700  # and is nearly full


def test_an_item_longer_than_batch_units_is_a_batch_of_its_own() -> None:
    source = make_buckets([(0, numpy.arange(50)), (1, numpy.arange(3))], Batching(1, batch_units=10))
    assert sorted(numbers(source)) == [(0,), (1,)]


def test_an_epoch_resumes_at_any_batch() -> None:
    source = make_buckets(make_items(), Batching(16, seed=3))
    for epoch in range(2):
        assert numbers(source, epoch, first=11) == numbers(source, epoch)[11:]


def test_the_order_depends_on_epoch_and_seed_only() -> None:
    items = make_items()
    source = make_buckets(items, Batching(16, seed=3))
    assert numbers(source, 0) == numbers(make_buckets(items, Batching(16, seed=3)), 0)
    assert numbers(source, 0) != numbers(source, 1)
    assert numbers(source, 0) != numbers(make_buckets(items, Batching(16, seed=4)), 0)


def test_batches_are_composed_anew_in_every_epoch() -> None:
    source = make_buckets(make_items(), Batching(16))
    batches = [next(set(batch) for batch in numbers(source, epoch) if 7 in batch) for epoch in range(6)]
    assert len(set.union(*batches)) > 20


def test_evaluation_has_the_same_order_in_every_epoch() -> None:
    source = make_buckets(make_items(), Batching(16, training=False))
    assert numbers(source, 0) == numbers(source, 5)


@pytest.mark.parametrize("count", [500, 5])
def test_processes_divide_every_batch(count: int) -> None:
    items = make_items(count)
    whole = numbers(make_buckets(items, Batching(4)))
    parts = [numbers(make_buckets(items, Batching(4, shard=Shard(rank, 2)))) for rank in range(2)]
    assert len(parts[0]) == len(parts[1])
    together = [Counter(a + b) for a, b in zip(*parts, strict=True)]
    assert sum(together, Counter()) == Counter(number for batch in whole for number in batch)
    assert all(batch for part in parts for batch in part)  # no process is left without a row


def test_the_digest_depends_on_every_value() -> None:
    assert compute_digest([(1, numpy.arange(3), "a")]) == compute_digest([(1, numpy.arange(3), "a")])
    variants = [(2, numpy.arange(3), "a")], [(1, numpy.arange(4), "a")], [(1, numpy.arange(3), "b")], [(1,)]
    assert len({compute_digest(variant) for variant in variants}) == 4


def test_map_by_length_sorts_its_calls_and_keeps_the_order_of_results() -> None:
    texts = ["ccc", "a", "bb", "dddd", ""]
    calls: list[list[str]] = []
    results = map_by_length(
        texts, [len(text) for text in texts], lambda batch: calls.append(batch) or batch, 2
    )
    assert results == texts
    assert calls == [["", "a"], ["bb", "ccc"], ["dddd"]]
