"""Rows with labels to batches, and a user's input to what a classifier reads."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Self, final

import numpy
from pydantic import AliasChoices, Field, model_validator

from seqloom.data.batching import Batching, Source
from seqloom.data.tables.records import EncodedExamples, Example, Records
from seqloom.stored import MAX_COUNT, Count, StoredValue, mistake, read_stored, require_distinct
from seqloom.tasks.classify.labels import LABEL_COLUMNS, Labels, label_column, read_labels
from seqloom.tasks.inputs.base import Input, TargetReader
from seqloom.tasks.inputs.config import InputKind
from seqloom.tasks.inputs.kinds import load_input
from seqloom.tasks.rows import EncodedRow, bucketed

LABELS = "labels.json"


class _StoredLabels(StoredValue):
    """What `files` writes of labels."""

    input: InputKind
    names: list[str] = Field(min_length=1)
    multi_label: Annotated[bool, Field(validation_alias=AliasChoices("multi_label", "several"))]
    """By its other name in format 1"""
    counts: list[Count]
    examples: Annotated[int, Field(ge=1, le=MAX_COUNT)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        require_distinct(self.names)
        if len(self.counts) != len(self.names):
            raise mistake(f"{len(self.counts):,} counts of {len(self.names):,} labels")
        if not self.multi_label and (len(self.names) < 2 or not all(self.counts)):
            raise mistake("labels that no training row has")
        return self


@final
class Preparation:
    """The input and the labels of a classifier.

    Args:
        input: what is read, fitted to the training split.
        labels: those of the training split.
    """

    unit = "example"

    def __init__(self, input: Input, labels: Labels) -> None:
        self.input, self.labels = input, labels
        self.column, self.example = input.column, input.example

    @classmethod
    def load(cls, folder: Path, config: Any) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        stored = read_stored(folder / LABELS, _StoredLabels, "expected a file of the run")
        labels = Labels(tuple(stored.names), stored.multi_label, tuple(stored.counts), stored.examples)
        return cls(load_input(stored.input, folder, config), labels)

    def files(self) -> dict[str, str]:
        """The labels, and the files of the input."""
        labels = json.dumps({"input": self.input.kind, **asdict(self.labels)})
        return {LABELS: labels, **self.input.files()}

    def describe(self) -> str:
        """For example `14,830 tokens; labels: negative, positive`."""
        any_number = ", any number of them" * self.labels.multi_label
        return f"{self.input.describe()}; labels: {self.labels.summary()}{any_number}"

    def encode(self, value: Any) -> numpy.ndarray:
        """The steps of a text, of the path of a recording, a picture or a clip, or of a list of numbers."""
        return self.input.normalize(self.input.read(value, "classify", is_stored=False))

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Batches of rows of near length."""
        return bucketed(self.rows(data, split), batching)

    def rows(self, data: Records, split: str) -> EncodedExamples[EncodedRow]:
        """The good rows of a split."""
        data.require(self.column, label_column(data.columns))
        return self.input.encode_rows(data, split, TargetReader(LABEL_COLUMNS, self._read_target))

    def _read_target(self, example: Example) -> numpy.ndarray:
        return self.labels.encode(read_labels(example, self.labels.multi_label), example.place)
