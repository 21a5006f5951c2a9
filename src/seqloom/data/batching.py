"""Batches, in an order that can be taken up at any place.

A source is asked for the batches of an epoch from a given one on, so that a training that was stopped
in the middle of an epoch goes on with the batch that it would have had next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, final

import numpy
import torch
from torch import Tensor

from seqloom.data.text.token_cache import TokenArray
from seqloom.errors import DataError
from seqloom.shapes import Tokens as TokenTensor

IGNORE_INDEX = -100
"""A target that no loss counts: torch's own default `ignore_index`."""

Batch: TypeAlias = "tuple[Any, ...]"
"""A named tuple of tensors, of which each row is an example, and of what else goes with rows, as texts."""

B = TypeVar("B")


def to_device(batch: B, device: torch.device) -> B:
    """Every tensor of `batch` on `device`; what is no tensor as it is.

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
    """Which of the processes this one is: it takes the rows of a global batch that fall to it."""

    rank: int = 0
    world: int = 1


class Batching(NamedTuple):
    """How a split is cut into batches."""

    batch_size: int
    """Sequences, over all processes"""
    window: int = 64
    """Steps of a window, where one long sequence is cut into such"""
    seed: int = 0
    shard: Shard = Shard()
    training: bool = True
    """False: every unit once, in order"""
    batch_units: int | None = None
    """The most steps of a batch, padding included, instead of `batch_size`"""


class Source(Protocol):
    """Where batches come from."""

    carries_state: bool
    """Whether a batch goes on where the one before it stopped, row by row."""
    digest: str
    """Changes when the data does."""
    skipped: tuple[str, ...]
    """What was wrong with the examples that are left out, a line each."""

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of `epoch`, from number `first` on."""
        ...


class Window(NamedTuple):
    """A stretch of `batch_size` streams: what is read, and what comes next after each token of it."""

    inputs: TokenTensor
    targets: TokenTensor


@final
class TokenStreams:
    """A text as `batch_size` streams side by side, read in windows: truncated backpropagation's batches.

    Window n + 1 goes on where window n stopped, row by row, so that a state can be carried. In each epoch the
    streams begin at another place within the first window, drawn from the seed, so that windows are not
    cut at the same places every time. A remainder shorter than one token a stream is left out of an epoch.

    Args:
        tokens: the text.
        batch_size: streams, over all processes.
        window: tokens of one window.
        seed: draws where an epoch begins.
        shard: which rows are this process's.

    Raises:
        DataError: the text is shorter than one window for every stream.
    """

    carries_state = True
    skipped: tuple[str, ...] = ()

    def __init__(
        self, tokens: TokenArray, batch_size: int, window: int, seed: int, shard: Shard = Shard()
    ) -> None:
        self.digest = tokens.digest
        self._numbers, self._batch_size, self._window = tokens.numbers, batch_size, window
        self._seed, self._shard = seed, shard
        if batch_size % shard.world:
            raise DataError(
                "training.batch_size", f"must be divisible by the {shard.world} processes", got=batch_size
            )
        if self._length(offset=0) < window:
            raise DataError(
                "the training text",
                f"must have at least {batch_size} x {window} + 1 = {batch_size * window + 1:,} tokens "
                "(training.batch_size x training.window)",
                got=f"{len(tokens.numbers):,}",
                hint="Use a longer text, or set training.batch_size or training.window lower",
            )

    def __len__(self) -> int:
        return -(-self._length(offset=0) // self._window)

    def _length(self, offset: int) -> int:
        """Targets in each stream."""
        return (len(self._numbers) - 1 - offset) // self._batch_size

    def _offset(self, epoch: int) -> int:
        slack = max(len(self._numbers) - 1 - self._batch_size * self._window, 0)
        return int(numpy.random.default_rng([self._seed, epoch]).integers(min(self._window, slack + 1)))

    def batches(self, epoch: int, first: int = 0) -> Iterator[Window]:
        """Windows `first`, `first` + 1, … of an epoch: inputs and targets (rows of this process, window)."""
        offset = self._offset(epoch)
        length = self._length(offset)
        rows = self._batch_size // self._shard.world
        streams = offset + numpy.arange(rows)[:, None] * length + self._shard.rank * rows * length
        for start in range(first * self._window, length, self._window):
            steps = numpy.arange(start, min(start + self._window, length))
            inputs, targets = (
                torch.from_numpy(self._numbers[streams + steps + shift].astype(numpy.int64))
                for shift in (0, 1)
            )
            yield Window(inputs, targets)


@final
class EvaluationStreams:
    """A text as streams for evaluation: every token but the first is predicted once.

    Each stream but the first reads `warm_up` tokens before its own, which no loss counts, so that the figure
    hardly depends on into how many streams the text is cut.

    Args:
        tokens: the text.
        batch_size: streams, over all processes; fewer where the text is short.
        window: tokens of one window.
        shard: which rows are this process's.

    Raises:
        DataError: the text has fewer than two tokens.
    """

    carries_state = True
    skipped: tuple[str, ...] = ()

    def __init__(self, tokens: TokenArray, batch_size: int, window: int, shard: Shard = Shard()) -> None:
        self.digest, self._numbers, self._window, self._shard = tokens.digest, tokens.numbers, window, shard
        count = len(tokens.numbers) - 1
        if count < 1:
            raise DataError("the text to evaluate", "must have at least 2 tokens", got=count + 1)
        streams = max(min(batch_size, count // (4 * window)), 1)
        self._length = -(-count // streams)
        starts = numpy.arange(streams) * self._length
        begins = numpy.maximum(starts - window, 0)
        self._starts, self._begins = starts[starts < count], begins[starts < count]
        self._stops = numpy.minimum(self._starts + self._length, count)

    def __len__(self) -> int:
        return -(-int((self._stops - self._begins).max()) // self._window)

    def batches(self, epoch: int = 0, first: int = 0) -> Iterator[Window]:
        """All windows, in order; the targets that are not this stream's own are `IGNORE_INDEX`."""
        del epoch
        rows = slice(self._shard.rank, None, self._shard.world)
        begins, starts, stops = self._begins[rows, None], self._starts[rows, None], self._stops[rows, None]
        for number in range(first, len(self)):
            places = begins + number * self._window + numpy.arange(self._window)
            inside = numpy.minimum(places, stops - 1)
            targets = self._numbers[inside + 1].astype(numpy.int64)
            targets[(places < starts) | (places >= stops)] = IGNORE_INDEX
            inputs = self._numbers[inside].astype(numpy.int64)
            yield Window(torch.from_numpy(inputs), torch.from_numpy(targets))
