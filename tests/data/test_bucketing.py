"""Batches by length: every item once, little padding, the same again from any place."""

from __future__ import annotations

from collections import Counter

import numpy
import pytest
import torch
from torch import Tensor

from seqloom.data.batching import Batching, Shard
from seqloom.data.bucketing import Buckets, digest_of, lengths_of, map_by_length, pad

Item = tuple[int, numpy.ndarray]


def items(count: int = 500, seed: int = 0) -> list[Item]:
    generator = numpy.random.default_rng(seed)
    return [(number, numpy.arange(generator.integers(1, 80))) for number in range(count)]


def collate(some: list[Item]) -> tuple[tuple[int, ...], Tensor, Tensor]:
    arrays = [array for _, array in some]
    return tuple(number for number, _ in some), pad(arrays), lengths_of(arrays)


def buckets(some: list[Item], batching: Batching) -> Buckets[Item]:
    return Buckets(some, [len(array) for _, array in some], collate, batching)


def numbers(source: Buckets[Item], epoch: int = 0, first: int = 0) -> list[tuple[int, ...]]:
    return [batch[0] for batch in source.batches(epoch, first)]


@pytest.mark.parametrize(
    "batching", [Batching(16), Batching(16, batch_units=800), Batching(7, training=False)]
)
def test_an_epoch_has_every_item_once(batching: Batching) -> None:
    source = buckets(items(), batching)
    for epoch in range(3):
        found = numbers(source, epoch)
        assert sorted(number for batch in found for number in batch) == list(range(500))
    assert len(source) == len(numbers(source))


@pytest.mark.parametrize("batching", [Batching(16), Batching(16, batch_units=800)])
def test_mixed_lengths_cost_little_more_than_their_sum(batching: Batching) -> None:
    """The bar is 1.15 times the sum of the real lengths; in no order they would cost nearly twice as much."""
    some = items()
    source = buckets(some, batching)
    padded = sum(batch[1].numel() for batch in source.batches(0))
    real = sum(len(array) for _, array in some)
    assert padded / real <= 1.15
    assert source.padding() == pytest.approx(padded / real)


def test_a_batch_has_no_more_units_than_asked_for() -> None:
    source = buckets(items(), Batching(1, batch_units=800))
    sizes = [batch[1].numel() for batch in source.batches(0)]
    assert max(sizes) <= 800
    assert numpy.median(sizes) > 700  # and is nearly full


def test_an_item_longer_than_a_batch_is_a_batch() -> None:
    source = buckets([(0, numpy.arange(50)), (1, numpy.arange(3))], Batching(1, batch_units=10))
    assert sorted(numbers(source)) == [(0,), (1,)]


def test_it_goes_on_at_any_batch() -> None:
    source = buckets(items(), Batching(16, seed=3))
    for epoch in range(2):
        assert numbers(source, epoch, first=11) == numbers(source, epoch)[11:]


def test_epochs_and_seeds_differ_and_the_same_seed_does_not() -> None:
    some = items()
    source = buckets(some, Batching(16, seed=3))
    assert numbers(source, 0) == numbers(buckets(some, Batching(16, seed=3)), 0)
    assert numbers(source, 0) != numbers(source, 1)
    assert numbers(source, 0) != numbers(buckets(some, Batching(16, seed=4)), 0)


def test_items_meet_others_in_other_epochs() -> None:
    source = buckets(items(), Batching(16))
    company = [next(set(batch) for batch in numbers(source, epoch) if 7 in batch) for epoch in range(6)]
    assert len(set.union(*company)) > 20


def test_the_order_for_measuring_is_always_the_same() -> None:
    source = buckets(items(), Batching(16, training=False))
    assert numbers(source, 0) == numbers(source, 5)


@pytest.mark.parametrize("count", [500, 5])
def test_processes_share_each_batch(count: int) -> None:
    some = items(count)
    whole = numbers(buckets(some, Batching(4)))
    shares = [numbers(buckets(some, Batching(4, shard=Shard(rank, 2)))) for rank in range(2)]
    assert all(len(shard) == len(shares[0]) for shard in shares)
    together = [Counter(a + b) for a, b in zip(*shares, strict=True)]
    assert sum(together, Counter()) == Counter(number for batch in whole for number in batch)
    assert all(batch for shard in shares for batch in shard)  # nobody is left without a row


def test_the_digest_is_that_of_the_items() -> None:
    assert digest_of([(1, numpy.arange(3), "a")]) == digest_of([(1, numpy.arange(3), "a")])
    others = [(2, numpy.arange(3), "a")], [(1, numpy.arange(4), "a")], [(1, numpy.arange(3), "b")], [(1,)]
    assert len({digest_of(other) for other in others}) == 4


def test_padding_is_exact() -> None:
    features = [numpy.ones((2, 3), dtype=numpy.float32), numpy.ones((4, 3), dtype=numpy.float32)]
    padded = pad(features)
    assert padded.shape == (2, 4, 3)
    assert padded.dtype == torch.float32
    assert padded[0, 2:].abs().sum() == 0
    assert lengths_of(features).tolist() == [2, 4]


def test_results_come_back_in_the_order_given() -> None:
    some = ["ccc", "a", "bb", "dddd", ""]
    seen: list[list[str]] = []
    found = map_by_length(some, [len(text) for text in some], lambda batch: seen.append(batch) or batch, 2)
    assert found == some
    assert seen == [["", "a"], ["bb", "ccc"], ["dddd"]]
