"""Batches of encoded table rows, for tasks that give each row one answer."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, final, overload

import numpy
import torch
from torch import Tensor

from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.ragged import Ragged
from seqloom.data.tables.examples import ExampleBatch, Examples
from seqloom.data.tables.records import EncodedExamples, Example, Records, require_usable
from seqloom.data.tables.skipped import SkippedRows
from seqloom.data.text.split_texts import encode_texts, split_texts
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.data.text.words import splits_into_words
from seqloom.errors import DataError
from seqloom.progress import phase

T = TypeVar("T")


class EncodedRow(NamedTuple):
    """A row of a table, encoded.

    Fields:
        values: (T, …), a row for each step: token numbers or features.
        target: a number, or one for each label.
        text: the input in words, for reports.
    """

    values: numpy.ndarray
    target: numpy.ndarray
    text: str


class RowBatch(NamedTuple):
    """A batch: values (B, T, …) padded with 0, lengths (B,), targets (B, …), and the inputs in words."""

    values: Tensor
    lengths: Tensor
    targets: Tensor
    texts: Sequence[str]


def collate(rows: list[EncodedRow]) -> RowBatch:
    """Stack encoded rows to a batch."""
    values, targets, texts = zip(*rows, strict=True)
    return RowBatch(pad(values), lengths_of(values), torch.from_numpy(numpy.stack(targets)), texts)


def bucketed(examples: EncodedExamples[EncodedRow], batching: Batching) -> Source:
    """Batches of rows of near length."""
    items = examples.items
    if isinstance(items, EncodedTexts):
        rows = range(len(items))
        return Buckets(rows, items.lengths, items.collate, batching, examples.skipped, items.digest())
    return Buckets(items, examples.lengths, collate, batching, examples.skipped, examples.digest)


def targets_of(items: Sequence[EncodedRow]) -> numpy.ndarray:
    """The targets of rows, stacked."""
    if isinstance(items, EncodedTexts):
        return items.targets
    return numpy.stack([row.target for row in items])


def texts_of(items: Sequence[EncodedRow], numbers: numpy.ndarray | None = None) -> Iterable[str]:
    """The inputs of rows in words, one after the other: of all, or of these numbers, which rise."""
    if isinstance(items, EncodedTexts):
        return items.texts(numbers)
    return (row.text for row in (items if numbers is None else map(items.__getitem__, numbers.tolist())))


def accept_columns(data: Any, columns: Sequence[str]) -> str | None:
    """The reason to accept records that have these columns; None where they do not."""
    fits = isinstance(data, Records) and set(columns) <= set(data.columns)
    return f"records with columns {' and '.join(columns)}" if fits else None


class SelectedRows(NamedTuple, Generic[T]):
    """The rows of a split that have a text and a target."""

    examples: Examples
    distinct: list[T]
    """The targets that occur"""
    numbers: numpy.ndarray
    """Of each row's target among `distinct`, (N,)"""
    skipped: SkippedRows

    def targets(self) -> list[T]:
        """The target of each row."""
        return [self.distinct[number] for number in self.numbers.tolist()]

    def target_array(self) -> numpy.ndarray:
        """The target of each row, stacked."""
        return numpy.stack(self.distinct)[self.numbers]  # type: ignore[arg-type]


_MISSING = object()


def select_rows(
    data: Records, split: str, columns: Sequence[str], read_target: Callable[[Example], T]
) -> SelectedRows[T]:
    """Choose the rows that have a text in the column `text`, and a target.

    Args:
        data: the records.
        split: its name, or `all`.
        columns: what targets depend on: rows that are alike in them have the same target.
        read_target: the target of a row; raises DataError where it has none.

    Raises:
        DataError: no row is usable; or, with `data.strict`, the first bad row.
    """
    examples, skipped = data.examples(split), data.skipped_rows(split)
    distinct: list[T] = []
    numbers: dict[Any, int] = {}
    chosen, targets = bytearray(len(examples)), array("i")

    def number_of(batch: ExampleBatch, row: int, key: Any, text: Any) -> int | None:
        example = batch.example(row)
        try:
            if not _is_text(text):
                example.text("text")
            target = read_target(example)
        except DataError as error:
            if data.strict:
                raise
            skipped.append(str(error))
            return None
        numbers[key] = len(distinct)
        distinct.append(target)
        return numbers[key]

    position = 0
    with phase(f"checking {split}", total=len(examples)) as checking:
        for batch in examples.batches():
            texts = batch.values("text")
            keys = zip(*(map(_key, batch.values(column, _MISSING)) for column in columns), strict=True)
            for row, (text, key) in enumerate(zip(texts, keys, strict=True)):
                number = numbers.get(key) if _is_text(text) else None
                if number is None:
                    number = number_of(batch, row, key, text)
                if number is not None:
                    chosen[position + row] = 1
                    targets.append(number)
            position += len(batch)
            checking.advance(len(batch))
    require_usable(data, split, len(targets), skipped)
    if len(targets) < len(examples):
        examples = examples.take(numpy.flatnonzero(numpy.frombuffer(chosen, dtype=numpy.uint8)))
    return SelectedRows(examples, distinct, numpy.frombuffer(targets, dtype=numpy.int32), skipped)


def _is_text(value: Any) -> bool:
    return type(value) is str and value != "" and not value.isspace()


def _key(value: Any) -> Any:
    """A value that equals others only if they are alike in type too, and that a dictionary takes."""
    if type(value) is str:
        return value
    return (type(value), repr(value))


@final
class EncodedTexts(Sequence[EncodedRow]):
    """Rows with a text and a target, encoded when a batch needs them.

    Args:
        examples: the rows.
        codes: numbers of the tokens of their texts.
        look_up: from such numbers (N,) to what a model reads, (N, …).
        targets: of every row (N, …).
        digest: a hash of the tokens.
    """

    def __init__(
        self,
        examples: Examples,
        codes: Ragged,
        look_up: Callable[[numpy.ndarray], numpy.ndarray],
        targets: numpy.ndarray,
        digest: Callable[[], str],
    ) -> None:
        self.examples, self.targets, self.lengths = examples, targets, codes.lengths
        self._codes, self._look_up, self._digest = codes, look_up, digest

    def __len__(self) -> int:
        return len(self.targets)

    @overload
    def __getitem__(self, index: int) -> EncodedRow: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[EncodedRow]: ...

    def __getitem__(self, index: int | slice) -> EncodedRow | Sequence[EncodedRow]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        values = self._look_up(self._codes.row(number))
        return EncodedRow(values, self.targets[number], self.examples[number].fields["text"])

    def texts(self, numbers: numpy.ndarray | None = None) -> Iterator[str]:
        """The text of each row, or of those with these numbers, which rise; few of them are in memory."""
        for batch in (self.examples if numbers is None else self.examples.take(numbers)).batches():
            yield from batch.values("text")

    def collate(self, numbers: Sequence[int]) -> RowBatch:
        """The rows of these numbers as a batch."""
        codes = [self._codes.row(number) for number in numbers]
        lengths = lengths_of(codes)
        values = self._look_up(numpy.concatenate(codes))
        padded = numpy.zeros((len(codes), int(lengths.max()), *values.shape[1:]), dtype=values.dtype)
        padded[numpy.arange(padded.shape[1]) < lengths.numpy()[:, None]] = values
        targets = torch.from_numpy(self.targets[list(numbers)])
        return RowBatch(torch.from_numpy(padded), lengths, targets, _Texts(self.examples, numbers))

    def digest(self) -> str:
        """A hash of tokens and targets."""
        targets = numpy.ascontiguousarray(self.targets)
        return hashlib.sha256(self._digest().encode() + targets.tobytes()).hexdigest()


def encode_selected(
    rows: SelectedRows[Any], vocabulary: Vocabulary, targets: numpy.ndarray, split: str
) -> EncodedTexts:
    """The texts of rows as token numbers of a vocabulary, with their targets."""
    unknown = len(vocabulary) if vocabulary.unknown is None else vocabulary.unknown
    if not splits_into_words(vocabulary):
        codes = encode_texts(rows.examples, "text", vocabulary, split)
        return EncodedTexts(rows.examples, codes, _as_int64, targets, codes.digest)
    texts = split_texts(rows.examples, "text", vocabulary, split)
    numbers = vocabulary.tokenizer.get_vocab()
    table = numpy.array([numbers.get(word, unknown) for word in texts.words], dtype=numpy.int64)
    return EncodedTexts(rows.examples, texts.codes, table.__getitem__, targets, texts.digest)


def _as_int64(codes: numpy.ndarray) -> numpy.ndarray:
    return codes.astype(numpy.int64)


@final
class _Texts(Sequence[str]):
    """The texts of a batch, read when a report asks for them."""

    def __init__(self, examples: Examples, numbers: Sequence[int]) -> None:
        self._examples, self._numbers = examples, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return _Texts(self._examples, self._numbers[index])
        return self._examples[int(self._numbers[index])].fields["text"]
