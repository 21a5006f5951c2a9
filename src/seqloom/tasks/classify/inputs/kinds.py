"""The kinds of input of a classifier, by the columns of a table: text, audio or series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import Field

from seqloom.data.audio.config import AudioConfig
from seqloom.data.tables.records import Example, Records, encode_examples
from seqloom.data.text.vocabulary import Unit
from seqloom.tasks.classify.inputs.audio import AudioInput, new_feature_cache, read_features
from seqloom.tasks.classify.inputs.series import SeriesInput, read_series
from seqloom.tasks.classify.inputs.text import TextInput, TextOptions
from seqloom.tasks.classify.labels import LABEL_COLUMNS
from seqloom.tasks.rows import select_rows

T = TypeVar("T")

InputKind: TypeAlias = Literal["audio", "series", "text"]
Input: TypeAlias = TextInput | AudioInput | SeriesInput
"""An input fitted to the training split: it has `steps`, `files` and `describe`."""

COLUMNS: Mapping[InputKind, str] = {"audio": "file", "series": "values", "text": "text"}
"""The column of each kind of input; the first that a table has decides."""


class DataConfig(AudioConfig):
    """The `data.*` keys."""

    input: InputKind | None = None
    """`text`, `audio` or `series`. None: by the columns `text`, `file` or `values`."""
    unit: Unit = "word"
    """The unit of a token of a text: `word` (lowercase, punctuation apart), `character`, `byte` or `bpe`."""
    vocabulary_size: Annotated[int, Field(ge=2)] | None = None
    """Most tokens of the vocabulary. None: 50,000 words, 8,000 for bpe, all of them for character."""
    subwords: bool | None = None
    """Whether words have subword vectors too, for words unseen in training. None: if the unit is `word`."""
    vectors: str | None = None
    """Pretrained word vectors to start from, a file in the text format of GloVe or word2vec."""
    num_mels: Annotated[int, Field(ge=1, le=256)] = 40
    """Frequency bands of the log-mel features of recordings."""


def input_kind(columns: Sequence[str], config: DataConfig) -> InputKind | None:
    """The kind of input of data with these columns; None where there is none."""
    return config.input or next((kind for kind, column in COLUMNS.items() if column in columns), None)


def fit_input(
    data: Records, kind: InputKind, config: DataConfig, read_labels: Callable[[Example], T]
) -> tuple[Input, Sequence[T]]:
    """Fit to the training rows that have a usable input and usable labels.

    Returns:
        The fitted input, and the labels of those rows.

    Raises:
        ConfigError: keys that contradict each other.
        DataError: no row is good, or the pretrained vectors cannot be used.
    """
    if kind == "text":
        rows = select_rows(data, "train", LABEL_COLUMNS, read_labels)
        options = TextOptions(*(getattr(config, name) for name in TextOptions._fields))
        return TextInput.fit(rows.examples, options), rows.targets()
    cache = new_feature_cache(data, config) if kind == "audio" else None

    def read_row(row: Example) -> tuple[Any, T]:
        value = row.fields.get(COLUMNS[kind])
        if cache is not None:
            return read_features(cache, value, row.place), read_labels(row)
        return read_series(value, row.place), read_labels(row)

    values, labels = zip(*encode_examples(data, "train", read_row).items, strict=True)
    if cache is not None:
        return AudioInput.fit(values, config, cache), labels
    return SeriesInput.fit(values), labels


def load_input(kind: InputKind, folder: Path, config: DataConfig) -> Input:
    """Read an input from a run folder.

    Raises:
        RunError: a file is missing or damaged.
    """
    if kind == "audio":
        return AudioInput.load(folder, config)
    return SeriesInput.load(folder) if kind == "series" else TextInput.load(folder)


def summarize(kind: InputKind, value: Any, where: str) -> str:
    """An input for a report: a whole text, the name of a recording, the size and range of a series.

    >>> summarize("series", [[0.5, 2], [1, -1]], "data/train.jsonl, line 7")
    'train.jsonl, line 7: 2 x 2 numbers, -1 to 2'
    """
    if kind != "series":
        return value.name if isinstance(value, Path) else str(value)
    series = read_series(value, where)
    size = " x ".join(f"{length:,}" for length in series.shape)
    return f"{Path(where).name}: {size} numbers, {series.min():.4g} to {series.max():.4g}"
