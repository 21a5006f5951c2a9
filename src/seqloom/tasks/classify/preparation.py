"""Examples with labels to batches, and an input of a person to what a classifier reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import EncodedExamples, Example, Records, encode_examples
from seqloom.tasks.classify.inputs.kinds import COLUMNS, KINDS, Inputs, read_file, show
from seqloom.tasks.classify.labels import Labels, column_of, labels_in

LABELS = "labels.json"


class Item(NamedTuple):
    """An example: its steps, its target (see `Labels.target`), and itself in words for a report."""

    values: numpy.ndarray
    target: numpy.ndarray
    shown: str


class Examples(NamedTuple):
    """A batch: tokens (B, T) or features (B, T, F), and targets (B,) numbers or (B, K) zeros and ones."""

    values: Tensor
    lengths: Tensor
    targets: Tensor
    shown: tuple[str, ...]


def collate(items: list[Item]) -> Examples:
    """Items side by side."""
    values, targets, shown = zip(*items, strict=True)
    return Examples(pad(values), lengths_of(values), torch.from_numpy(numpy.stack(targets)), shown)


@final
class Preparation:
    """What is read, and what it may be.

    Args:
        inputs: texts, recordings or series, fitted to the training split.
        labels: those of the training split.
    """

    unit = "example"

    def __init__(self, inputs: Inputs, labels: Labels) -> None:
        self.inputs, self.labels = inputs, labels
        self.column = COLUMNS[inputs.kind]

    @classmethod
    def load(cls, folder: Path) -> Preparation:
        """Read what `files` gave from a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        found = json.loads(read_file(folder / LABELS))
        kind, names, counts = (found.pop(name) for name in ("input", "names", "counts"))
        return cls(KINDS[kind].load(folder), Labels(tuple(names), counts=tuple(counts), **found))

    def files(self) -> dict[str, str]:
        """The labels, and the files of the inputs."""
        labels = json.dumps({"input": self.inputs.kind, **self.labels._asdict()})
        return {LABELS: labels, **self.inputs.files()}

    def describe(self) -> str:
        """For example `14,830 tokens; labels: negative, positive`."""
        several = ", any number of them" * self.labels.several
        return f"{self.inputs.describe()}; labels: {self.labels.listed()}{several}"

    def encode(self, value: Any) -> numpy.ndarray:
        """A text, the path of a recording, or a list of numbers: its steps."""
        return self.inputs.steps(value, None)

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Examples of near length side by side."""
        kept = self.kept(data, split)
        return Buckets(kept.items, [len(item.values) for item in kept.items], collate, batching, kept.skipped)

    def kept(self, data: Records, split: str) -> EncodedExamples[Item]:
        """The good rows of a split."""
        data.require(self.column, column_of(data.columns))
        return encode_examples(data, split, self._item)

    def _item(self, example: Example) -> Item:
        value, where = example.fields.get(self.column), example.place
        values = self.inputs.steps(value, where)
        target = self.labels.target(labels_in(example, self.labels.several), where)
        return Item(values, target, show(value))
