"""FeatureCache with their transcripts: what a transcriber reads, writes and is fitted to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, final

import numpy
from torch import Tensor

from seqloom.baselines.kneser_ney import NGram
from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import FeatureOptions
from seqloom.data.audio.files import read_audio
from seqloom.data.audio.normalizer import Normalizer
from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import EncodedExamples, Example, Records, encode_examples
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.decoding.ctc.greedy import BLANK
from seqloom.errors import DataError, RunError

TranscriptUnit: TypeAlias = Literal["character", "word"]

TOKENIZER, FEATURES, TRANSCRIPTS = "tokenizer.json", "features.json", "transcripts.json"
NGRAM_ORDERS: Mapping[TranscriptUnit, int] = {"character": 6, "word": 3}


class Recording(NamedTuple):
    """One to transcribe: steps of features (T, F), not normalized."""

    steps: numpy.ndarray
    speaker: str | None
    file: str


class Utterance(NamedTuple):
    """One with its transcript: the text, and the numbers of its symbols."""

    recording: Recording
    symbols: numpy.ndarray
    text: str


class Utterances(NamedTuple):
    """A batch. TextInput and names of files are there for reports."""

    features: Tensor
    """(B, T, F), normalized"""
    lengths: Tensor
    symbols: Tensor
    """(B, U), padded with blanks"""
    symbol_lengths: Tensor
    texts: tuple[str, ...]
    files: tuple[str, ...]


def collate(normalizer: Normalizer, utterances: list[Utterance]) -> Utterances:
    """Utterances side by side."""
    steps = [normalizer.apply(one.recording.steps, one.recording.speaker) for one in utterances]
    symbols = [one.symbols for one in utterances]
    texts = tuple(one.text for one in utterances)
    files = tuple(one.recording.file for one in utterances)
    return Utterances(pad(steps), lengths_of(steps), pad(symbols, BLANK), lengths_of(symbols), texts, files)


def shortest_path(symbols: numpy.ndarray) -> int:
    """The fewest steps in which CTC can say `symbols`: one each, and a blank between two of the same."""
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())


def spaced(pieces: Iterable[str]) -> Iterator[str]:
    """The same text with single spaces between its words, as soon as each piece is there.

    >>> list(spaced([" ", "a", "  ", "b", " "]))
    ['a', ' b']
    """
    begun = gap = False
    for piece in pieces:
        given = ""
        for character in piece:
            if character.isspace():
                gap = begun
            else:
                given += f" {character}" if gap else character
                begun, gap = True, False
        if given:
            yield given


@final
class Preparation:
    """Features and symbols.

    Args:
        unit: what a symbol is.
        vocabulary: the symbols. Its number 0, which no symbol of the training split has, is the blank.
        recordings: how sound becomes features.
        normalizer: what was measured of them in the training split.
        transcripts: those of the training split, and how often each is there.
    """

    column = "file"

    def __init__(
        self,
        unit: TranscriptUnit,
        vocabulary: Vocabulary,
        recordings: FeatureCache,
        normalizer: Normalizer,
        transcripts: Mapping[str, int],
    ) -> None:
        self.unit: TranscriptUnit = unit
        self.vocabulary, self.recordings = vocabulary, recordings
        self.normalizer, self.transcripts = normalizer, transcripts

    @classmethod
    def fit(
        cls, data: Records, unit: TranscriptUnit, recordings: FeatureCache, by_speaker: bool
    ) -> Preparation:
        """Learn the symbols and measure the features of the training split."""
        data.require("file", "transcription", *(["speaker"] if by_speaker else []))

        def hear(example: Example) -> tuple[numpy.ndarray, str, str]:
            steps = recordings.load(file_of(data, example), example.place)
            return steps, text_of(example), example.text("speaker") if by_speaker else ""

        rows, texts, speakers = zip(*encode_examples(data, "train", hear).items, strict=True)
        normalizer = Normalizer.fit(rows, speakers if by_speaker else None)
        counts = dict(sorted(Counter(texts).items()))
        return cls(unit, Vocabulary.fit(unit, texts), recordings, normalizer, counts)

    def files(self) -> dict[str, str]:
        """Vocabulary, features, and the transcripts of the training split."""
        features = {"options": self.recordings.options._asdict(), "normalizer": self.normalizer.to_json()}
        return {
            TOKENIZER: self.vocabulary.to_json(),
            FEATURES: json.dumps(features),
            TRANSCRIPTS: json.dumps(self.transcripts, ensure_ascii=False),
        }

    @classmethod
    def read(cls, folder: Path, unit: TranscriptUnit) -> Preparation:
        """What `files` wrote.

        Raises:
            RunError: a file is missing or damaged.
        """
        try:
            features = json.loads((folder / FEATURES).read_text(encoding="utf-8"))
            recordings = FeatureCache(FeatureOptions(**features["options"]))
            normalizer = Normalizer.from_json(features["normalizer"])
            transcripts = json.loads((folder / TRANSCRIPTS).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            got = f"{type(error).__name__}: {error}"
            raise RunError(folder, f"expected {FEATURES} and {TRANSCRIPTS} of a run", got=got) from None
        return cls(unit, Vocabulary.load(folder / TOKENIZER), recordings, normalizer, transcripts)

    def describe(self) -> str:
        """For example `27 characters, 64 mels at 16000 Hz in steps of 30 ms`."""
        options = self.recordings.options
        step_ms = options.frame_shift_ms * options.stacked_frames
        heard = f"{options.num_mels} mels at {options.sample_rate_hz} Hz in steps of {step_ms:g} ms"
        return f"{len(self.vocabulary) - 1:,} {self.unit}s, {heard}"

    def encode(self, value: Path | str) -> Recording:
        """A file of sound."""
        return Recording(self.recordings.extract(Path(value)), None, Path(value).name)

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Utterances of near length side by side."""
        kept = self.utterances(data, split)
        heard = [one.recording for one in kept.items]
        normalizer = self.normalizer
        if normalizer.is_by_speaker:
            speakers = [recording.speaker or "" for recording in heard]
            normalizer = normalizer.with_speakers([recording.steps for recording in heard], speakers)
        lengths = [len(recording.steps) for recording in heard]
        return Buckets(kept.items, lengths, partial(collate, normalizer), batching, kept.skipped)

    def utterances(self, data: Records, split: str) -> EncodedExamples[Utterance]:
        """The rows of a split that can be used, and what is wrong with the others."""
        foreign: dict[str, set[str]] = {}
        kept = encode_examples(data, split, partial(self._utterance, data, foreign))
        if foreign:
            symbols = ", ".join(map(repr, sorted(set().union(*foreign.values()))))
            self.recordings.warn_once(
                f"foreign {split}",
                f"{len(foreign):,} transcripts of {split} have symbols that those to learn from have not "
                f"({symbols:.60}): they count as errors, and the loss leaves them out",
            )
        return kept

    def normalized(self, recording: Recording) -> numpy.ndarray:
        """What a model reads."""
        return self.normalizer.apply(recording.steps, recording.speaker)

    def symbol(self, number: int) -> str:
        """The text of one symbol; a word has a space before it."""
        return self.vocabulary.decode([number])

    def text(self, numbers: Iterable[int]) -> str:
        """The text of several."""
        return "".join(spaced(map(self.symbol, numbers)))

    @cached_property
    def ngram(self) -> NGram:
        """A language model of the transcripts that were learnt from; number 0 begins and ends each."""
        numbers = [[BLANK, *self.vocabulary.encode(text)] * count for text, count in self.transcripts.items()]
        tokens = numpy.array([*(number for some in numbers for number in some), BLANK])
        return NGram(tokens, len(self.vocabulary), NGRAM_ORDERS[self.unit])

    def _utterance(self, data: Records, foreign: dict[str, set[str]], example: Example) -> Utterance:
        path, text = file_of(data, example), text_of(example)
        steps = self.recordings.load(path, example.place)
        symbols = numpy.array(self.vocabulary.encode(text), dtype=numpy.int64)
        if (symbols == BLANK).any():
            pieces = text.split() if self.unit == "word" else text
            new = {piece for piece in pieces if BLANK in self.vocabulary.encode(piece)}
            symbols = symbols[symbols != BLANK]
            if data.strict or not len(symbols):
                expected = f"`transcription` must be made of the {self.unit}s of the training split"
                raise DataError(example.place, expected, got=", ".join(map(repr, sorted(new))))
            foreign[example.place] = new
        if (least := shortest_path(symbols)) > len(steps):
            raise DataError(
                example.place,
                f"`transcription` has {len(symbols)} {self.unit}s, for which CTC needs {least} steps or more",
                got=f"{len(steps)} steps of sound",
                hint="Is it the transcript of this file? If so, set data.stacked_frames lower",
            )
        speaker = example.text("speaker") if self.normalizer.is_by_speaker else None
        return Utterance(Recording(steps, speaker, path.name), symbols, text)


def file_of(data: Records, example: Example) -> Path:
    """The file of a row; a relative name is looked for beside the data."""
    value = example.fields.get("file")
    if not isinstance(value, Path | str) or not str(value):
        raise DataError(example.place, "`file` must name a file of sound", got="nothing")
    folder = data.path if data.path.is_dir() else data.path.parent
    return folder / value


def first_rate(data: Records) -> int:
    """The sample rate of the first recording to learn from that can be read."""

    def rate(example: Example) -> int:
        return read_audio(file_of(data, example), where=example.place).sample_rate_hz

    for example in data.examples("train"):
        try:
            return rate(example)
        except DataError:
            if data.strict:
                raise
    return encode_examples(data, "train", rate).items[0]  # which says that there is none


def text_of(example: Example) -> str:
    """The transcript of a row, with single spaces between its words."""
    return " ".join(example.text("transcription").split())
