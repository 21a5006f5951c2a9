"""Batches in an order that can be resumed anywhere.

A `Source` yields the batches of an epoch from any batch on, so that a training interrupted in the middle of
an epoch resumes with the batch that would have come next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, final, runtime_checkable

import numpy
import torch
from torch import Tensor

from seqloom.data.text.token_cache import TokenArray
from seqloom.errors import DataError
from seqloom.shapes import Tokens as TokenTensor

IGNORE_INDEX = -100
"""Target of positions that no loss counts: the default `ignore_index` of torch's cross-entropy."""

MAX_UNITS = 1 << 16
"""Steps, padding included, above which a batch has fewer rows than it might: one sequence of 200,000 steps
among short ones must not be multiplied by the batch size."""

Batch: TypeAlias = "tuple[Any, ...]"
"""A named tuple of tensors, one row per example, and of other values that belong to rows, such as texts."""

B = TypeVar("B")


def to_device(batch: B, device: torch.device) -> B:
    """Move every tensor of a (nested) tuple to `device`; other values are returned unchanged.

    >>> to_device((torch.zeros(1), ("a text",)), torch.device("cpu"))
    (tensor([0.]), ('a text',))
    """
    if isinstance(batch, Tensor):
        return batch.to(device)  # type: ignore[return-value]
    if isinstance(batch, tuple):
        parts = [to_device(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)  # type: ignore[return-value]
    return batch


class Shard(NamedTuple):
    """Which of the processes this one is; each takes its own rows of every global batch."""

    rank: int = 0
    world_size: int = 1


class Batching(NamedTuple):
    """How a split is divided into batches."""

    batch_size: int
    """Sequences per batch, over all processes"""
    window: int = 64
    """Steps per window, where a long sequence is read in windows (truncated backpropagation)"""
    seed: int = 0
    shard: Shard = Shard()
    training: bool = True
    """True: shuffled; False: every unit once, in a fixed order"""
    batch_units: int | None = None
    """Maximum steps per batch, padding included; takes the place of `batch_size`"""
    max_units: int = MAX_UNITS
    """Maximum steps per batch of more than one sequence, padding included, beside `batch_size`"""


class Source(Protocol):
    """The batches of a split, epoch by epoch: what a task's preparation gives to training and evaluation."""

    carries_state: bool
    """Whether every row of a batch continues the same row of the batch before it."""
    digest: str
    """A hash of the data, which changes when the data does."""
    skipped: Sequence[str]
    """One message for every example that was skipped."""

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        ...

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch`, from batch number `first` on."""
        ...


@runtime_checkable
class Spanned(Protocol):
    """What a source of an evaluation has, so that a baseline can be put beside each row."""

    def spans(self) -> Iterator[numpy.ndarray]:
        """For each batch of epoch 0 (rows, 2): the items of the split, or the tokens of its text after the
        first, that a row is measured on, first and end."""
        ...


@runtime_checkable
class Selectable(Protocol):
    """A batch that gives some of its rows by itself, where its tensors have other rows than its examples."""

    def take(self, rows: numpy.ndarray) -> Any:
        """The rows of these numbers, in this order, repeats allowed, with their padding."""
        ...


class Window(NamedTuple):
    """A window of parallel streams, (B, T): input tokens, and as targets the token after each of them."""

    inputs: TokenTensor
    targets: TokenTensor


@final
class TokenStreams:
    """A text as `batch_size` parallel streams, read in windows for truncated backpropagation through time.

    Every row of window n + 1 continues the same row of window n, so that the state can be carried. Epochs
    begin at different offsets, drawn from the seed and shorter than a window, so that window boundaries
    differ. The last tokens, fewer than there are streams, are left out of an epoch.

    Args:
        tokens: the text.
        batch_size: number of streams, over all processes.
        window: tokens per window.
        seed: seed of the offsets.
        shard: the rows of this process.

    Raises:
        DataError: the text is shorter than one window for every stream.
    """

    carries_state = True
    skipped: Sequence[str] = ()

    def __init__(
        self, tokens: TokenArray, batch_size: int, window: int, seed: int, shard: Shard = Shard()
    ) -> None:
        self.digest = tokens.digest
        self._ids, self._batch_size, self._window = tokens.ids, batch_size, window
        self._seed, self._shard = seed, shard
        if batch_size % shard.world_size:
            raise DataError(
                "training.batch_size",
                f"must be divisible by the {shard.world_size} processes",
                got=batch_size,
                hint=f"Set it to {-(-batch_size // shard.world_size) * shard.world_size}",
            )
        if self._stream_length(offset=0) < window:
            raise DataError(
                "the training text",
                f"must have at least {batch_size} x {window} + 1 = {batch_size * window + 1:,} tokens "
                "(training.batch_size x training.window)",
                got=f"{len(tokens.ids):,}",
                hint="Use a longer text, or set training.batch_size or training.window lower",
            )

    def __len__(self) -> int:
        return -(-self._stream_length(offset=0) // self._window)

    def _stream_length(self, offset: int) -> int:
        """Targets per stream."""
        return (len(self._ids) - 1 - offset) // self._batch_size

    def _draw_offset(self, epoch: int) -> int:
        slack = max(len(self._ids) - 1 - self._batch_size * self._window, 0)
        return int(numpy.random.default_rng([self._seed, epoch]).integers(min(self._window, slack + 1)))

    def batches(self, epoch: int, first: int = 0) -> Iterator[Window]:
        """Yield the windows of an epoch from number `first` on, with the rows of this process."""
        offset = self._draw_offset(epoch)
        length = self._stream_length(offset)
        rows = self._batch_size // self._shard.world_size
        streams = offset + numpy.arange(rows)[:, None] * length + self._shard.rank * rows * length
        for start in range(first * self._window, length, self._window):
            steps = numpy.arange(start, min(start + self._window, length))
            inputs, targets = (
                torch.from_numpy(self._ids[streams + steps + shift].astype(numpy.int64)) for shift in (0, 1)
            )
            yield Window(inputs, targets)


@final
class EvaluationStreams:
    """A text as parallel streams for evaluation: every token but the first is a target exactly once.

    Every stream but the first begins one window before its own part, with targets that no loss counts, so
    that the loss hardly depends on the number of streams.

    Args:
        tokens: the text.
        batch_size: number of streams, over all processes; fewer where the text is short.
        window: tokens per window.
        shard: the rows of this process.

    Raises:
        DataError: the text has fewer than two tokens.
    """

    carries_state = True
    skipped: Sequence[str] = ()

    def __init__(self, tokens: TokenArray, batch_size: int, window: int, shard: Shard = Shard()) -> None:
        self.digest, self._ids, self._window, self._shard = tokens.digest, tokens.ids, window, shard
        count = len(tokens.ids) - 1
        if count < 1:
            raise DataError("the text to evaluate", "must have at least 2 tokens", got=count + 1)
        streams = max(min(batch_size, count // (4 * window)), 1)
        length = -(-count // streams)
        starts = numpy.arange(streams) * length
        starts = starts[starts < count]
        # A stream reads from `warm_up`, its targets count from `start` to `stop`.
        self._warm_ups, self._starts = numpy.maximum(starts - window, 0), starts
        self._stops = numpy.minimum(starts + length, count)

    def __len__(self) -> int:
        return -(-int((self._stops - self._warm_ups).max()) // self._window)

    def batches(self, epoch: int = 0, first: int = 0) -> Iterator[Window]:
        """Yield the windows in order; targets outside a stream's own part are `IGNORE_INDEX`."""
        del epoch
        rows = slice(self._shard.rank, None, self._shard.world_size)
        warm_ups = self._warm_ups[rows, None]
        starts, stops = self._starts[rows, None], self._stops[rows, None]
        for number in range(first, len(self)):
            positions = warm_ups + number * self._window + numpy.arange(self._window)
            clipped = numpy.minimum(positions, stops - 1)
            targets = self._ids[clipped + 1].astype(numpy.int64)
            targets[(positions < starts) | (positions >= stops)] = IGNORE_INDEX
            inputs = self._ids[clipped].astype(numpy.int64)
            yield Window(torch.from_numpy(inputs), torch.from_numpy(targets))

    def spans(self) -> Iterator[numpy.ndarray]:
        """The targets of the windows that count; none in the warm-up of a stream."""
        rows = slice(self._shard.rank, None, self._shard.world_size)
        warm_ups, starts, stops = self._warm_ups[rows], self._starts[rows], self._stops[rows]
        for number in range(len(self)):
            first = warm_ups + number * self._window
            ends = numpy.stack([first, first + self._window], axis=1)
            yield ends.clip(starts[:, None], stops[:, None])
