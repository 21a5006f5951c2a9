"""Batches of piano rolls: excerpts of long ones, moved up or down anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, final

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import Batching
from seqloom.data.bucketing import Buckets
from seqloom.data.digest import compute_digest
from seqloom.data.padding import lengths_of, pad


class RollBatch(NamedTuple):
    """A batch of rolls or of their excerpts.

    Fields:
        inputs: (B, T, K) uint8, the frame before each; silence before the first.
        frames: (B, T, K) uint8, padded with silence.
        lengths: (B,) steps of each row.
        first_steps: (B,) int64, the place of the first frame in its roll, from 0.
    """

    inputs: Tensor
    frames: Tensor
    lengths: Tensor
    first_steps: Tensor


class Augmentation(NamedTuple):
    """What differs from epoch to epoch.

    Fields:
        max_steps: a longer roll is read as an excerpt of so many steps.
        transpose: a roll is moved up or down by at most so many keys, as far as all of it stays in the range.
        first_key: the lowest key of the range.
        stop_key: one above its highest key.
        bar_steps: excerpts begin with a bar of so many steps; 0: anywhere.
    """

    max_steps: int
    transpose: int
    first_key: int
    stop_key: int
    bar_steps: int = 0


@final
class RollBatches:
    """The batches of a split, in the order of `Buckets`.

    Args:
        rolls: arrays (T, K) uint8.
        batching: the size of batches.
        augmentation: of a training; None: whole rolls as they are.
        skipped: one message for each roll that cannot be used.
    """

    carries_state = False

    def __init__(
        self,
        rolls: Sequence[numpy.ndarray],
        batching: Batching,
        augmentation: Augmentation | None,
        skipped: Sequence[str] = (),
    ) -> None:
        self.skipped, self.digest = skipped, compute_digest(rolls)
        self._rolls, self._augmentation, self._seed = rolls, augmentation, batching.seed
        lengths = [len(roll) for roll in rolls]
        if augmentation is not None:
            lengths = [min(length, augmentation.max_steps) for length in lengths]
        self._buckets = Buckets(range(len(rolls)), lengths, tuple, batching, digest=self.digest)
        self.padding_ratio = self._buckets.padding_ratio

    def __len__(self) -> int:
        return len(self._buckets)

    def batches(self, epoch: int, first: int = 0) -> Iterator[RollBatch]:
        """Yield the batches of `epoch` from number `first` on, with the rows of this process."""
        for numbers in self._buckets.batches(epoch, first):
            yield collate([self._excerpt(epoch, number) for number in numbers])

    def spans(self) -> Iterator[numpy.ndarray]:
        """The roll of each row of the batches of epoch 0."""
        return self._buckets.spans()

    def _excerpt(self, epoch: int, number: int) -> tuple[numpy.ndarray, int]:
        """A roll with silence before it, or an excerpt with the frame before it, and where it begins."""
        roll, options = self._rolls[number], self._augmentation
        padded = numpy.concatenate([numpy.zeros_like(roll[:1]), roll])
        if options is None:
            return padded, 0
        random = numpy.random.default_rng([self._seed, epoch, 2, number])
        start = int(random.integers(max(len(roll) - options.max_steps, 0) + 1))
        start -= start % max(options.bar_steps, 1)
        return _transpose(padded[start : start + options.max_steps + 1], random, options), start


def collate(excerpts: Sequence[tuple[numpy.ndarray, int]]) -> RollBatch:
    """Stack arrays (1 + T, K), each with the frame before it, and where each begins."""
    rows = [frames for frames, _ in excerpts]
    lengths = lengths_of([frames[1:] for frames in rows])
    first_steps = torch.tensor([start for _, start in excerpts], device="cpu")
    return RollBatch(pad([frames[:-1] for frames in rows]), pad([f[1:] for f in rows]), lengths, first_steps)


def _transpose(frames: numpy.ndarray, random: numpy.random.Generator, options: Augmentation) -> numpy.ndarray:
    keys = numpy.flatnonzero(frames.any(axis=0))
    lowest, highest = (keys[0], keys[-1]) if len(keys) else (options.first_key, options.stop_key - 1)
    down = min(options.transpose, max(int(lowest) - options.first_key, 0))
    up = min(options.transpose, max(options.stop_key - 1 - int(highest), 0))
    return numpy.roll(frames, int(random.integers(-down, up + 1)), axis=1)
