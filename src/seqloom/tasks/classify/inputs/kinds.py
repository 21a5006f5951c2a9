"""What a classifier reads: texts, recordings or series of numbers, as arrays with a row for each step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, final

import numpy
from pydantic import Field
from torch import Tensor

from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import FeatureOptions
from seqloom.data.audio.files import read_audio
from seqloom.data.audio.normalizer import Normalizer, Statistics
from seqloom.data.audio.spec_augment import SpecAugment
from seqloom.data.tables.records import Example, Records, encode_examples
from seqloom.data.text.vocabulary import Unit
from seqloom.errors import DataError, RunError
from seqloom.settings import PositiveInt, StrictConfig
from seqloom.tasks.classify.inputs.text import TextInput, TextOptions, take_text

T = TypeVar("T")

InputKind: TypeAlias = Literal["audio", "series", "text"]

COLUMNS: Mapping[InputKind, str] = {"audio": "file", "series": "values", "text": "text"}
"""Which column holds the input; of several that are there the first counts."""

FEATURES, NORMALIZER = "features.json", "normalizer.json"
SHOWN_STEPS = 4


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    input: InputKind | None = None
    """`text`, `audio` or `series`. None: what the columns say, `file`, `values` or `text`."""
    unit: Unit = "word"
    """What a token of a text is: `word` (in small letters; signs are words), `character`, `byte` or `bpe`."""
    vocabulary_size: Annotated[int, Field(ge=2)] | None = None
    """The most tokens. None: 50,000 words, 8,000 for bpe, all of them for character."""
    subwords: bool | None = None
    """Words are known by their parts as well, so that one that was never seen is something known too. None:
    where the unit is `word`."""
    vectors: str | None = None
    """Pretrained word vectors to begin with, a file in the text form of GloVe or word2vec."""
    sample_rate_hz: Annotated[int, Field(ge=1000)] | None = None
    """FeatureCache of another rate are resampled. None: the rate of the first to learn from."""
    num_mels: Annotated[int, Field(ge=1, le=256)] = 40
    """Bands of frequency."""
    frame_length_ms: Annotated[float, Field(gt=0, le=1000)] = 25.0
    frame_shift_ms: Annotated[float, Field(gt=0, le=1000)] = 10.0
    stacked_frames: PositiveInt = 1
    """Frames of features that make one step."""


Take: TypeAlias = "Callable[[Any, str | None], Any]"
"""Reads and checks a value; with its place in the data, or None for what a person gives. Raises DataError."""


def kind_of(columns: Sequence[str], config: DataConfig) -> InputKind | None:
    """The kind of input that data with these columns has."""
    return config.input or next((kind for kind, column in COLUMNS.items() if column in columns), None)


@final
class AudioInput:
    """FeatureCache in log-mel features.

    Args:
        recordings: reads files.
        normalizer: of features.
    """

    kind: InputKind = "audio"

    def __init__(self, recordings: FeatureCache, normalizer: Normalizer) -> None:
        self.normalizer, self.options = normalizer, recordings.options
        self._take = take_audio(recordings)

    @classmethod
    def load(cls, folder: Path) -> AudioInput:
        """Read what `files` gave from a run folder.

        Raises:
            RunError: a file is missing.
        """
        options = FeatureOptions(**json.loads(read_file(folder / FEATURES)))
        return cls(FeatureCache(options), Normalizer.from_json(read_file(folder / NORMALIZER)))

    @property
    def size(self) -> int:
        """Features of a step."""
        return self.options.size

    def steps(self, value: Any, where: str | None) -> numpy.ndarray:
        """Normalized features (T, F) of a file.

        Raises:
            DataError: no path, or no usable recording there.
        """
        return self.normalizer.apply(self._take(value, where))

    def augmented(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Features (B, T, F) of a batch, partly blotted out for training."""
        return SpecAugment().apply(features, lengths, self.options)

    def files(self) -> dict[str, str]:
        """How features are made, and the mean and deviation of each."""
        return {FEATURES: json.dumps(self.options._asdict()), NORMALIZER: self.normalizer.to_json()}

    def describe(self) -> str:
        """For example `40 features a step, of 8000 Hz`."""
        return f"{self.size} features a step, of {self.options.sample_rate_hz} Hz"


def take_audio(recordings: FeatureCache) -> Take:
    """The features (T, F) of a file; those of a data set are kept, which is read again and again."""

    def take(value: Any, where: str | None) -> numpy.ndarray:
        if not isinstance(value, str | Path):
            got = "nothing" if value is None else f"{value!r:.60}"
            raise DataError(where or "classify", "`file` must be the path of a recording", got=got)
        return recordings.extract(Path(value)) if where is None else recordings.load(Path(value), where)

    return take


def _recordings(data: Records, config: DataConfig) -> FeatureCache:
    rate = config.sample_rate_hz or _first_rate(data)
    steps = (config.frame_length_ms, config.frame_shift_ms, config.stacked_frames)
    return FeatureCache(FeatureOptions(rate, config.num_mels, *steps))


def _first_rate(data: Records) -> int:
    """The sample rate of the first recording to learn from that can be read."""
    for row in data.examples("train"):
        with suppress(DataError, TypeError):
            return read_audio(Path(row.fields["file"])).sample_rate_hz
    return FeatureOptions().sample_rate_hz  # none can be read, which is said when all are


@final
class SeriesInput:
    """SeriesInput of numbers, one or several at a step.

    Args:
        normalizer: of each number of a step.
    """

    kind: InputKind = "series"

    def __init__(self, normalizer: Normalizer) -> None:
        self.normalizer = normalizer

    @classmethod
    def fit(cls, taken: Sequence[numpy.ndarray]) -> SeriesInput:
        """Mean and deviation over all steps of the rows that have the usual count of numbers a step."""
        size = Counter(series.shape[1] for series in taken).most_common(1)[0][0]
        steps = numpy.concatenate([series for series in taken if series.shape[1] == size])
        deviation = steps.std(0)
        deviation[deviation == 0] = 1.0  # what never changed in training stays at its distance from that
        return cls(
            Normalizer(Statistics(*(part.astype(numpy.float32) for part in (steps.mean(0), deviation))))
        )

    @property
    def size(self) -> int:
        """Numbers of a step."""
        return len(self.normalizer.overall.mean)

    def steps(self, value: Any, where: str | None) -> numpy.ndarray:
        """Normalized numbers (T, F).

        Raises:
            DataError: no numbers, or not as many at a step as in training.
        """
        series = take_series(value, where)
        if series.shape[1] != self.size:
            expected = f"`values` must have {self.size} at each step, as in training"
            raise DataError(where or "classify", expected, got=series.shape[1])
        return self.normalizer.apply(series)

    @classmethod
    def load(cls, folder: Path) -> SeriesInput:
        """Read what `files` gave from a run folder.

        Raises:
            RunError: the file is missing.
        """
        return cls(Normalizer.from_json(read_file(folder / NORMALIZER)))

    def files(self) -> dict[str, str]:
        """Mean and deviation of every number."""
        return {NORMALIZER: self.normalizer.to_json()}

    def describe(self) -> str:
        """For example `2 numbers a step`."""
        return f"{self.size} numbers a step"


def take_series(value: Any, where: str | None) -> numpy.ndarray:
    """A list of numbers, or of lists of as many numbers each; or a text that holds such: (T, F) float64.

    >>> take_series("1, 2.5 4", None).shape, take_series([[1, 2], [3, 4]], None).shape
    ((3, 1), (2, 2))
    """
    where, found = where or "classify", value
    expected = "`values` must be a list of numbers, or of lists of as many numbers each"
    try:
        if isinstance(value, str):
            found = json.loads(value) if value.lstrip().startswith("[") else value.replace(",", " ").split()
        series = numpy.array(found, dtype=numpy.float64)
    except (ValueError, TypeError):
        raise DataError(where, expected, got=f"{value!r:.60}") from None
    if series.ndim == 1:
        series = series[:, None]
    if series.ndim != 2 or not series.size:
        raise DataError(where, expected, got="nothing" if value is None else f"{value!r:.60}")
    usable = numpy.abs(series) <= numpy.finfo(numpy.float32).max  # False for nan too
    if not usable.all():
        step, feature = numpy.argwhere(~usable)[0]
        got = f"{series[step, feature]} at step {step + 1}"
        raise DataError(where, "`values` must be finite numbers", got=got)
    return series


Inputs: TypeAlias = TextInput | AudioInput | SeriesInput
"""What was fitted to the training split. Each kind has `steps`, `files` and `describe`."""

KINDS: Mapping[InputKind, type[Inputs]] = {"audio": AudioInput, "series": SeriesInput, "text": TextInput}


def fit(
    data: Records, kind: InputKind, config: DataConfig, labels_of: Callable[[Example], T]
) -> tuple[Inputs, Sequence[T]]:
    """Fit to the training rows that have a usable input and usable labels.

    Returns:
        What was fitted, and the labels of those rows.

    Raises:
        ConfigError: keys that do not go together.
        DataError: no row is good, or the pretrained vectors cannot be used.
    """
    column, recordings = COLUMNS[kind], _recordings(data, config) if kind == "audio" else None
    take = take_audio(recordings) if recordings else take_series if kind == "series" else take_text

    def read_row(row: Example) -> tuple[Any, T]:
        return take(row.fields.get(column), row.place), labels_of(row)

    taken, labels = zip(*encode_examples(data, "train", read_row).items, strict=True)
    if recordings is not None:
        return AudioInput(recordings, Normalizer.fit(taken)), labels
    if kind == "series":
        return SeriesInput.fit(taken), labels
    options = TextOptions(*(getattr(config, name) for name in TextOptions._fields))
    return TextInput.fit(taken, options), labels


def show(value: Any) -> str:
    """An input for a report: a text whole, of a recording its name, of a series its beginning."""
    if isinstance(value, Path):
        return value.name
    if isinstance(value, str):
        return value
    more = f", … ({len(value):,} steps)" if len(value) > SHOWN_STEPS else ""
    return ", ".join(str(step) for step in value[:SHOWN_STEPS]) + more


def read_file(path: Path) -> str:
    """The text of a run folder's file.

    Raises:
        RunError: it is not there.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(path, "expected a file of the run", got=error.strerror or str(error)) from None
