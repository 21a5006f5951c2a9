"""Length bucketing: every item once an epoch, little padding, resuming at any batch."""

from __future__ import annotations

from collections import Counter

import numpy
import pytest
from torch import Tensor

from seqloom.data.batching import MAX_UNITS, Batching, Shard
from seqloom.data.bucketing import Buckets, map_by_length
from seqloom.data.digest import compute_digest
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


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("units", [None, 400])
def test_a_batch_is_bounded_by_its_padded_size(training: bool, units: int | None) -> None:
    """One text of 200,000 words among short ones must not be multiplied by the batch size."""
    items = [
        *make_items(),
        (500, numpy.arange(200_000)),
        (501, numpy.arange(40_000)),
        (502, numpy.arange(39_000)),
    ]
    batching = Batching(64, batch_units=units, training=training)
    source = make_buckets(items, batching)
    shapes = [tuple(batch[1].shape) for batch in source.batches(0)]
    assert max(rows * steps for rows, steps in shapes if rows > 1) <= (units or MAX_UNITS)
    assert {(1, 200_000), (1, 40_000), (1, 39_000)} <= set(shapes)
    assert sorted(number for batch in numbers(source) for number in batch) == list(range(503))


def test_a_batch_is_divided_as_a_loop_over_rows_divides_it() -> None:
    def divide(lengths: list[int], size: int, limit: int) -> list[int]:
        counts, longest = [0], 0
        for length in lengths:
            is_full = counts[-1] == size or (counts[-1] + 1) * max(longest, length) > limit
            if is_full and counts[-1]:
                counts.append(0)
                longest = 0
            counts[-1] += 1
            longest = max(longest, length)
        return counts

    generator = numpy.random.default_rng(0)
    for size, limit in ((7, 100), (3, 1000), (64, 300)):
        items = [(number, numpy.arange(generator.integers(1, 90))) for number in range(200)]
        batching = Batching(size, training=False, max_units=limit)
        batches = list(make_buckets(items, batching).batches(0))
        lengths = [len(items[number][1]) for batch in batches for number in batch[0]]
        assert [len(batch[0]) for batch in batches] == divide(lengths, size, limit)


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


def test_map_by_length_bounds_its_calls_by_their_padded_size() -> None:
    calls: list[list[str]] = []
    texts = ["a" * 9, "b", "cc", "dd", "e" * 4]
    map_by_length(
        texts, [len(text) for text in texts], lambda batch: calls.append(batch) or batch, max_units=8
    )
    assert calls == [["b", "cc", "dd"], ["eeee"], ["a" * 9]]
