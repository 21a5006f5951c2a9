"""Streams of tunes: every token is a target once, tunes are moved, and an epoch can be entered anywhere."""

from __future__ import annotations

import numpy
import pytest

from seqloom.data.batching import IGNORE_INDEX, Batching, Shard
from seqloom.data.ragged import MemoryValues, Ragged
from seqloom.errors import DataError
from seqloom.tasks.compose.events.streams import Transposition, TuneStreams

BOS, EOS, FIRST_PITCH = 1, 2, 10
PITCH = numpy.concatenate([numpy.full(FIRST_PITCH, -1), numpy.arange(21, 109)])
LENGTHS = numpy.array([9, 2, 17, 5, 30, 8, 3])


def rows() -> Ragged:
    """Tunes of pitches, each with its own numbers."""
    tunes = [
        numpy.array([BOS, *(FIRST_PITCH + 30 + (row + k) % 20 for k in range(size - 2)), EOS])
        for row, size in enumerate(LENGTHS)
    ]
    return Ragged(MemoryValues(numpy.concatenate(tunes).astype(numpy.uint16)), LENGTHS)


def streams(batching: Batching, semitones: int = 0) -> TuneStreams:
    return TuneStreams(rows(), batching, Transposition(PITCH), semitones)


def test_every_tune_is_read_once_an_epoch_from_its_beginning() -> None:
    source = streams(Batching(batch_size=3, window=4))
    tunes: list[list[int]] = []
    open_tunes: list[list[int]] = [[], [], []]
    for inputs, targets in source.batches(0):
        assert inputs.shape == targets.shape == (3, 4)
        for stream in range(3):
            valid = targets[stream] != IGNORE_INDEX
            if not valid.any():
                continue
            if inputs[stream, 0] == BOS:
                open_tunes[stream] = [BOS]
            assert inputs[stream, 0] == open_tunes[stream][-1]
            open_tunes[stream] += targets[stream][valid].tolist()
            if open_tunes[stream][-1] == EOS:
                tunes.append(open_tunes[stream])
    expected = [rows().row(row).tolist() for row in range(len(LENGTHS))]
    assert sorted(tunes) == sorted(expected)


def test_epochs_differ_and_can_be_entered_anywhere() -> None:
    source = streams(Batching(batch_size=2, window=5), semitones=4)
    first, again, second = (list(source.batches(epoch)) for epoch in (0, 0, 1))
    assert len(source) == len(first)
    assert [batch.targets.tolist() for batch in first] == [batch.targets.tolist() for batch in again]
    assert [batch.targets.tolist() for batch in first] != [batch.targets.tolist() for batch in second]
    late = list(source.batches(1, first=3))
    assert [batch.inputs.tolist() for batch in late] == [batch.inputs.tolist() for batch in second[3:]]


def test_processes_share_the_streams() -> None:
    whole = [batch.inputs.tolist() for batch in streams(Batching(4, 6)).batches(0)]
    shards = [streams(Batching(4, 6, shard=Shard(rank, 2))).batches(0) for rank in (0, 1)]
    for rows_of_all, parts in zip(whole, zip(*shards, strict=True), strict=True):
        assert sorted(rows_of_all) == sorted(row for part in parts for row in part.inputs.tolist())
    with pytest.raises(
        DataError, match=r"^training\.batch_size: must be divisible by the 2 processes\. Got 3"
    ):
        streams(Batching(3, shard=Shard(0, 2)))


def test_a_tune_is_moved_as_a_whole_within_the_piano() -> None:
    transposition, tokens = Transposition(PITCH), numpy.array([BOS, FIRST_PITCH + 3, FIRST_PITCH + 80, EOS])
    assert (transposition.apply(tokens, 5) - tokens).tolist() == [0, 5, 5, 0]
    assert (transposition.apply(tokens, 11) - tokens).tolist() == [0, 7, 7, 0]
    assert (transposition.apply(tokens, -11) - tokens).tolist() == [0, -3, -3, 0]
    assert transposition.apply(tokens, 0) is tokens


def test_transpositions_are_drawn_for_every_tune() -> None:
    source, lowest = streams(Batching(1, 64), semitones=3), set()
    for epoch in range(20):
        for inputs, targets in source.batches(epoch):
            pitches = targets[targets >= FIRST_PITCH]
            lowest.update((pitches.min() - FIRST_PITCH - 30).tolist() for _ in inputs[:1] if len(pitches))
    assert min(lowest) == -3
