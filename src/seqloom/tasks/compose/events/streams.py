"""Tunes as parallel streams of windows for truncated backpropagation, each tune from its own beginning."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import final

import numpy
import torch

from seqloom.data.batching import IGNORE_INDEX, Batching, Window
from seqloom.data.music.tokens import HIGHEST, LOWEST
from seqloom.data.ragged import Ragged
from seqloom.errors import DataError


@final
class Transposition:
    """Move a tune up or down by semitones: other tokens of pitches, all else the same.

    Args:
        pitch: (V,) the pitch of each token, -1 for tokens that are none.
    """

    def __init__(self, pitch: numpy.ndarray) -> None:
        self._pitch = pitch
        self._token_of = numpy.zeros(HIGHEST + 1, dtype=numpy.int64)
        self._token_of[pitch[pitch >= 0]] = numpy.flatnonzero(pitch >= 0)

    def apply(self, tokens: numpy.ndarray, semitones: int) -> numpy.ndarray:
        """The tokens of the moved tune; by less where a note would leave the keys of a piano."""
        pitches = self._pitch[tokens]
        is_pitch = pitches >= 0
        if not semitones or not is_pitch.any():
            return tokens
        low, high = pitches[is_pitch].min(), pitches[is_pitch].max()
        moved = tokens.astype(numpy.int64)
        semitones = int(numpy.clip(semitones, LOWEST - low, HIGHEST - high))
        moved[is_pitch] = self._token_of[pitches[is_pitch] + semitones]
        return moved


@final
class TuneStreams:
    """Tunes one after the other in `batch_size` parallel streams, read in windows.

    Every tune begins with a window, before which the state is reset: the last window of a tune is padded, and
    its padding is no target. The order of tunes and their transpositions are drawn anew in every epoch.

    Args:
        rows: the tokens of every tune.
        batching: batch size, window, seed and shard.
        transposition: moves a tune.
        semitones: by at most so many.
        skipped: one message for every tune that was skipped.

    Raises:
        DataError: the batch size is no multiple of the number of processes.
    """

    carries_state = True

    def __init__(
        self,
        rows: Ragged,
        batching: Batching,
        transposition: Transposition,
        semitones: int,
        skipped: Sequence[str] = (),
    ) -> None:
        self.digest, self.skipped = rows.digest(), skipped
        self._rows, self._batching = rows, batching
        self._transposition, self._semitones = transposition, semitones
        size, processes = batching.batch_size, batching.shard.world_size
        if size % processes:
            expected = f"must be divisible by the {processes} processes"
            raise DataError("training.batch_size", expected, got=size)
        # The first token is no target, so that a tune of T tokens has T - 1 steps
        self._windows = -(-(numpy.asarray(rows.lengths, dtype=numpy.int64) - 1) // batching.window)
        self._num_batches = max(map(len, self._schedule(0)))

    def __len__(self) -> int:
        return self._num_batches

    def _schedule(self, epoch: int) -> list[numpy.ndarray]:
        """For each stream its windows, (n, 2): the number of the tune, and of the window in it."""
        order = numpy.random.default_rng([self._batching.seed, epoch]).permutation(len(self._rows))
        streams: list[list[int]] = [[] for _ in range(self._batching.batch_size)]
        shortest = [(0, stream) for stream in range(self._batching.batch_size)]
        for row in order.tolist():
            length, stream = heapq.heappop(shortest)
            streams[stream].append(row)
            heapq.heappush(shortest, (length + int(self._windows[row]), stream))
        return [self._windows_of(rows) for rows in streams]

    def _windows_of(self, rows: list[int]) -> numpy.ndarray:
        counts = self._windows[rows] if rows else numpy.zeros(0, dtype=numpy.int64)
        numbers = numpy.arange(counts.sum()) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
        return numpy.stack([numpy.repeat(numpy.array(rows, dtype=numpy.int64), counts), numbers], axis=1)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Window]:
        """Yield the windows of an epoch from number `first` on, with the rows of this process."""
        shard, window = self._batching.shard, self._batching.window
        schedule = self._schedule(epoch)
        own = schedule[shard.rank :: shard.world_size]
        draw = numpy.random.default_rng([self._batching.seed, epoch, 1])
        semitones = draw.integers(-self._semitones, self._semitones + 1, size=len(self._rows))
        tunes: list[tuple[int, numpy.ndarray]] = [(-1, numpy.zeros(0, dtype=numpy.int64))] * len(own)
        for number in range(first, max(map(len, schedule))):
            inputs = numpy.zeros((len(own), window), dtype=numpy.int64)
            targets = numpy.full((len(own), window), IGNORE_INDEX)
            for stream, windows in enumerate(own):
                if number >= len(windows):
                    continue
                row, place = windows[number].tolist()
                if tunes[stream][0] != row:
                    tunes[stream] = row, self._transposition.apply(self._rows.row(row), int(semitones[row]))
                tokens = tunes[stream][1][place * window : (place + 1) * window + 1]
                inputs[stream, : len(tokens) - 1] = tokens[:-1]
                targets[stream, : len(tokens) - 1] = tokens[1:]
            yield Window(torch.from_numpy(inputs), torch.from_numpy(targets))
