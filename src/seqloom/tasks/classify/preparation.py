"""Rows with labels to batches, and a user's input to what a classifier reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, final

import numpy

from seqloom.data.batching import Batching, Source
from seqloom.data.tables.records import EncodedExamples, Example, Records
from seqloom.tasks.classify.labels import LABEL_COLUMNS, Labels, label_column, read_labels
from seqloom.tasks.inputs.base import Input, TargetReader
from seqloom.tasks.inputs.files import read_run_file
from seqloom.tasks.inputs.kinds import load_input
from seqloom.tasks.rows import EncodedRow, bucketed

LABELS = "labels.json"


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
        content = json.loads(read_run_file(folder / LABELS))
        multi_label = content["multi_label"] if "multi_label" in content else content["several"]  # format 1
        labels = Labels(tuple(content["names"]), multi_label, tuple(content["counts"]), content["examples"])
        return cls(load_input(content["input"], folder, config), labels)

    def files(self) -> dict[str, str]:
        """The labels, and the files of the input."""
        labels = json.dumps({"input": self.input.kind, **self.labels._asdict()})
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
