"""Pictures with their captions to batches: a picture comes with all captions that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, final

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import IGNORE_INDEX, Batching
from seqloom.data.bucketing import Buckets
from seqloom.data.digest import Digest
from seqloom.data.padding import pad
from seqloom.metrics.captions.cider import DocumentFrequencies
from seqloom.models.captioning.memory import END
from seqloom.tasks.caption.pictures import PictureInput

END_WORD = "<end>"
MIRROR_DRAW = 2
"""Beside 0 and 1, by which batches are drawn"""


class CaptionedPicture(NamedTuple):
    """A picture of a split: its number in the cache, its captions, and the tokens of each with the end."""

    number: int
    path: Path
    texts: tuple[str, ...]
    tokens: tuple[numpy.ndarray, ...]


class CaptionBatch(NamedTuple):
    """A batch of B pictures with N captions.

    Fields:
        pictures: maps (B, K, C), or pixels (B, 3, H, W).
        owners: (N,) int64, the picture of each caption.
        inputs: (N, T) int64, which begin with the end token.
        targets: (N, T) int64, which end with it; beyond, `IGNORE_INDEX`.
        references: the captions of each picture.
        names: of the files, for reports.
        frequencies: gives the document frequencies of the split; in training its captions end with
            `END_WORD`, so that a reward counts whether a caption ends where a reference does.
    """

    pictures: Tensor
    owners: Tensor
    inputs: Tensor
    targets: Tensor
    references: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    frequencies: Callable[[], DocumentFrequencies]

    def take(self, rows: numpy.ndarray) -> CaptionBatch:
        """Some pictures (n,), in this order, each with all its captions."""
        captions = [torch.nonzero(self.owners == int(row))[:, 0] for row in rows]
        owners = numpy.repeat(numpy.arange(len(rows)), [len(numbers) for numbers in captions])
        chosen = torch.cat(captions)
        return CaptionBatch(
            self.pictures[torch.from_numpy(rows)],
            torch.from_numpy(owners),
            self.inputs[chosen],
            self.targets[chosen],
            tuple(self.references[row] for row in rows),
            tuple(self.names[row] for row in rows),
            self.frequencies,
        )


@final
class CaptionSource:
    """The batches of a split.

    Args:
        pictures: reads them.
        items: of the split.
        batching: the size of batches, in pictures.
        skipped: one message for every row that was skipped.
        mirror: whether training mirrors half of the pictures, drawn anew for every epoch.
    """

    carries_state = False

    def __init__(
        self,
        pictures: PictureInput,
        items: Sequence[CaptionedPicture],
        batching: Batching,
        skipped: Sequence[str] = (),
        mirror: bool = False,
    ) -> None:
        self.skipped, self._pictures, self._items = skipped, pictures, items
        self._batching, self._mirror = batching, mirror and batching.training
        lengths = [(max(map(len, item.tokens)), sum(map(len, item.tokens))) for item in items]
        self.digest = _compute_digest(items)
        self._buckets = Buckets(range(len(items)), lengths, tuple, batching, skipped, self.digest)

    def __len__(self) -> int:
        return len(self._buckets)

    def batches(self, epoch: int, first: int = 0) -> Iterator[CaptionBatch]:
        """Yield the batches of `epoch` from number `first` on, with the rows of this process."""
        mirrored = numpy.zeros(len(self._items), dtype=bool)
        if self._mirror:
            generator = numpy.random.default_rng([self._batching.seed, epoch, MIRROR_DRAW])
            mirrored = generator.random(len(self._items)) < 0.5
        for rows in self._buckets.batches(epoch, first):
            numbers = list(rows)
            yield self._collate([self._items[row] for row in numbers], mirrored[numbers])

    def spans(self) -> Iterator[numpy.ndarray]:
        """The picture of each row of the batches of epoch 0."""
        return self._buckets.spans()

    def padding_ratio(self, epoch: int = 0) -> float:
        """Steps of an epoch with padding, divided by the steps without."""
        return self._buckets.padding_ratio(epoch)

    def _collate(self, items: list[CaptionedPicture], mirrored: numpy.ndarray) -> CaptionBatch:
        targets = [tokens for item in items for tokens in item.tokens]
        inputs = [numpy.concatenate(([END], tokens[:-1])) for tokens in targets]
        owners = numpy.repeat(numpy.arange(len(items)), [len(item.tokens) for item in items])
        return CaptionBatch(
            self._pictures.to_tensor(self._pictures.rows([item.number for item in items], mirrored)),
            torch.from_numpy(owners),
            pad(inputs, END),
            pad(targets, IGNORE_INDEX),
            tuple(item.texts for item in items),
            tuple(item.path.name for item in items),
            lambda: self._frequencies,
        )

    @cached_property
    def _frequencies(self) -> DocumentFrequencies:
        end = END_WORD if self._batching.training else None
        return DocumentFrequencies((item.texts for item in self._items), end)


def _compute_digest(items: Sequence[CaptionedPicture]) -> str:
    digest = Digest()
    for item in items:
        digest.add((item.path.name, item.texts))
    return digest.hexdigest()
