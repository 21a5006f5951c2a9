"""The protocol of inputs: what classify and transcribe know of what they read, whatever kind it is.

A kind is a class in a file of its own, named in `kinds.py`, with its settings among those of `config.py`. It
turns what a table or a user names into steps, and says how a model reads them; no task knows its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy
from torch import Tensor, nn

from seqloom.data.tables.records import EncodedExamples, Example, Records, encode_examples
from seqloom.models.word_embedding import WordEmbeddingConfig
from seqloom.tasks.rows import EncodedRow

T = TypeVar("T")


class TargetReader(NamedTuple, Generic[T]):
    """What a task wants of a row beside its input.

    Fields:
        columns: what it depends on: rows that are alike in them have the same target.
        read: the target of a row; raises DataError where it has none.
    """

    columns: tuple[str, ...]
    read: Callable[[Example], T]


class Front(NamedTuple):
    """What is between the steps of an input and the recurrent layers.

    Fields:
        size: features of a step that the recurrent layers read.
        words: of a step that is a token; None: a step is made of numbers.
        module: from steps (B, T, …) and lengths (B,) to features (B, T, size); None: steps are (B, T, size).
        pretrained: numbers of words, and their vectors, that an embedding starts from.
        is_sequence: whether steps follow one another, for recurrent layers; else they are pooled as they are.
    """

    size: int
    words: WordEmbeddingConfig | None = None
    module: nn.Module | None = None
    pretrained: tuple[Sequence[int], numpy.ndarray] | None = None
    is_sequence: bool = True


class Input(Protocol):
    """An input, fitted to the training split.

    Its steps are an array (T, …), or what numpy takes for one when a batch is made of it: with a length, a
    `shape`, a `dtype`, and a `repr` that changes with its numbers.
    """

    kind: ClassVar[str]
    """Its name, as in `data.input`"""
    column: ClassVar[str]
    """Where a table has it"""
    nouns: ClassVar[str]
    """What a person calls it, several of them: `recordings`"""
    example: ClassVar[str]
    """What one may be called, or be: `recording.wav`"""
    can_be_transcribed: ClassVar[bool]
    """Whether its steps are moments of time in which something is said"""
    pipeline_tags: ClassVar[Mapping[str, str]]
    """What model hubs call a task on it"""

    @classmethod
    def recognizes(cls, data: Records) -> bool:
        """Whether data is probably meant to be read so."""
        ...

    @classmethod
    def fit(cls, data: Records, config: Any, targets: TargetReader[T]) -> tuple[Input, Sequence[T]]:
        """Fit to the training rows that have a usable input and a usable target.

        Returns:
            The fitted input, and the targets of those rows.

        Raises:
            ConfigError: keys that contradict each other.
            DataError: no row is good.
        """
        ...

    @classmethod
    def load(cls, folder: Path, config: Any) -> Input:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        ...

    def read(self, value: Any, where: str, is_stored: bool = True) -> Any:
        """The steps of an input as a table or a user names it, not normalized.

        Args:
            value: a text, a path, numbers.
            where: the row of a table; or who asks, which a message begins with where it is about no file.
            is_stored: whether it is one of a data set, whose steps may be cached, and not an input of a user.

        Raises:
            DataError: it cannot be used.
        """
        ...

    def normalize(self, steps: Any, speaker: str | None = None) -> Any:
        """The steps that batches are made of."""
        ...

    def encode_rows(
        self, data: Records, split: str, targets: TargetReader[numpy.ndarray]
    ) -> EncodedExamples[EncodedRow]:
        """The good rows of a split, normalized."""
        ...

    def augment(self, values: Tensor, lengths: Tensor, least: Tensor | int = 1) -> tuple[Tensor, Tensor]:
        """A training batch, varied by torch's generator.

        Args:
            values: (B, T, …).
            lengths: (B,).
            least: the fewest steps that a row must keep, (B,) or one for all.

        Returns:
            New values and lengths.
        """
        ...

    def front(self, config: Any) -> Front:
        """How a model reads the steps, by its `model.*` keys."""
        ...

    def vectors_of(self, steps: Any) -> numpy.ndarray:
        """The numbers of each step (T, F), for a baseline."""
        ...

    def vectors_name(self) -> str:
        """What that baseline reads of them, for a report: `mean, deviation`."""
        ...

    def files(self) -> dict[str, str]:
        """Its files in a run folder: name to JSON text."""
        ...

    def describe(self) -> str:
        """A few words for a person: `40 features a step, of 8000 Hz`."""
        ...

    def summarize(self, value: Any, where: str) -> str:
        """An input for a report: a whole text, the name of a file."""
        ...

    def name_steps(self, value: Any, count: int) -> list[str]:
        """What a person calls each of the `count` steps of an input: its word, its time."""
        ...


@runtime_checkable
class PerhapsWhole(Protocol):
    """An input that may be read at once, without steps that follow one another."""

    @property
    def is_sequence(self) -> bool:
        """Whether steps follow one another."""
        ...


def read_rows(
    data: Records, column: str, read: Callable[[Any, str], Any], targets: TargetReader[T]
) -> tuple[Sequence[Any], Sequence[T]]:
    """The steps of the training rows that are good, and their targets."""

    def read_row(row: Example) -> tuple[Any, T]:
        return read(row.fields.get(column), row.place), targets.read(row)

    steps, values = zip(*encode_examples(data, "train", read_row).items, strict=True)
    return steps, values


def encode_rows(
    input: Input, data: Records, split: str, targets: TargetReader[numpy.ndarray]
) -> EncodedExamples[EncodedRow]:
    """The good rows of a split, of an input whose rows are read one by one."""

    def encode(example: Example) -> EncodedRow:
        value, where = example.fields.get(input.column), example.place
        steps = input.normalize(input.read(value, where))
        return EncodedRow(steps, targets.read(example), input.summarize(value, where))

    return encode_examples(data, split, encode, lambda row: len(row.values))
