"""Streams of a text: which tokens are read, in which order, and resuming in the middle of an epoch."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy
import pytest
import torch

from seqloom.data.batching import IGNORE_INDEX, EvaluationStreams, Shard, TokenStreams
from seqloom.data.text.token_cache import TokenArray
from seqloom.errors import DataError


def tokens(count: int) -> TokenArray:
    return TokenArray(numpy.arange(count, dtype=numpy.uint16), "digest")


def test_targets_are_the_next_tokens() -> None:
    for batch in TokenStreams(tokens(1000), batch_size=4, window=10, seed=0).batches(0):
        assert torch.equal(batch.targets, batch.inputs + 1)


def test_a_window_continues_the_window_before() -> None:
    batches = list(TokenStreams(tokens(1000), batch_size=4, window=10, seed=0).batches(0))
    for before, after in pairwise(batches):
        assert torch.equal(after.inputs[:, 0], before.targets[:, -1])


def test_an_epoch_has_every_token_but_the_remainder_as_target_once() -> None:
    source = TokenStreams(tokens(1003), batch_size=4, window=10, seed=0)
    for epoch in range(5):
        targets = torch.cat([batch.targets.flatten() for batch in source.batches(epoch)]).tolist()
        assert len(targets) == len(set(targets))
        assert len(targets) > 1002 - 10 - 4  # minus the offset, and a remainder of less than a token a stream


def test_epochs_begin_at_different_offsets() -> None:
    source = TokenStreams(tokens(1000), batch_size=2, window=50, seed=0)
    firsts = {int(next(source.batches(epoch)).inputs[0, 0]) for epoch in range(10)}
    assert len(firsts) > 3


def test_an_epoch_resumes_at_any_batch() -> None:
    source = TokenStreams(tokens(500), batch_size=3, window=20, seed=1)
    whole = list(source.batches(2))
    for first in range(len(whole)):
        rest = list(source.batches(2, first))
        assert len(rest) == len(whole) - first
        assert torch.equal(rest[0].inputs, whole[first].inputs)


def test_processes_divide_the_rows_of_a_batch() -> None:
    whole = list(TokenStreams(tokens(500), batch_size=4, window=20, seed=1).batches(0))
    parts = [TokenStreams(tokens(500), 4, 20, seed=1, shard=Shard(rank, 2)).batches(0) for rank in range(2)]
    for all_rows, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(all_rows.inputs, torch.cat([first.inputs, second.inputs]))


def test_a_batch_size_that_processes_do_not_divide_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"training\.batch_size: must be divisible by the 2 processes\. Got 3\. Set it to 4\."
    ):
        TokenStreams(tokens(500), batch_size=3, window=20, seed=0, shard=Shard(0, 2))


def test_a_text_shorter_than_one_window_is_refused() -> None:
    assert len(TokenStreams(tokens(81), batch_size=4, window=20, seed=0)) == 1
    with pytest.raises(DataError, match=r"must have at least 4 x 20 \+ 1 = 81 tokens .* Got 80\. .* lower"):
        TokenStreams(tokens(80), batch_size=4, window=20, seed=0)


@pytest.mark.parametrize("count", [2, 3, 100, 1000, 1001])
@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("world_size", [1, 3])
def test_evaluation_has_every_token_but_the_first_as_target_once(
    count: int, batch_size: int, world_size: int
) -> None:
    counts: Counter[int] = Counter()
    for rank in range(world_size):
        for batch in EvaluationStreams(
            tokens(count), batch_size, window=8, shard=Shard(rank, world_size)
        ).batches():
            mask = batch.targets != IGNORE_INDEX
            assert torch.equal(batch.targets[mask], batch.inputs[mask] + 1)
            counts.update(batch.targets[mask].tolist())
    assert counts == Counter(range(1, count))


def test_evaluation_streams_warm_up_on_the_window_before_their_part() -> None:
    first = next(EvaluationStreams(tokens(1000), batch_size=4, window=50).batches())
    assert (first.targets[0] != IGNORE_INDEX).all()
    assert (first.targets[1:] == IGNORE_INDEX).all()
    assert first.inputs[1, -1] + 1 == 250  # the next window begins with the stream's own first token


def test_evaluation_of_a_single_token_is_refused() -> None:
    with pytest.raises(DataError, match=r"the text to evaluate: must have at least 2 tokens\. Got 1\."):
        EvaluationStreams(tokens(1), batch_size=1, window=8)
