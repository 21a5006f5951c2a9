"""Recordings and transcripts to batches: the features, the normalizer and the symbols of a transcriber."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias, final

import numpy
from pydantic import ConfigDict, Field, RootModel, model_validator

from seqloom.baselines.kneser_ney import NGram
from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.tables.records import EncodedExamples, Example, Records, encode_examples
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.decoding.ctc.greedy import BLANK
from seqloom.errors import ConfigError, DataError
from seqloom.stored import MAX_COUNT, StoredValue, mistake, read_stored
from seqloom.tasks.inputs.audio import AudioInput
from seqloom.tasks.inputs.base import Input, TargetReader
from seqloom.tasks.inputs.config import InputKind
from seqloom.tasks.inputs.kinds import load_input
from seqloom.tasks.transcribe.utterances import Recording, Utterance, collate, min_ctc_steps, single_spaced

log = logging.getLogger("seqloom")

TranscriptUnit: TypeAlias = Literal["character", "word"]

TOKENIZER, INPUT, TRANSCRIPTS = "tokenizer.json", "input.json", "transcripts.json"
TRANSCRIPTION = "transcription"
MAX_SYMBOLS = 1 << 28
"""Of all transcripts, as often as they are there: so many are counted for an n-gram model"""
NGRAM_ORDERS: Mapping[TranscriptUnit, int] = {"character": 6, "word": 3}


class _StoredInput(StoredValue):
    """What is read."""

    input: InputKind


class _StoredTranscripts(RootModel[dict[str, Annotated[int, Field(ge=1, le=MAX_COUNT)]]]):
    """How often each transcript is in the training split."""

    model_config = ConfigDict(strict=True, defer_build=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum((len(text) + 1) * count for text, count in self.root.items()) > MAX_SYMBOLS:
            raise mistake(f"transcripts of more than {MAX_SYMBOLS:,} characters")
        return self


@final
class Preparation:
    """What is read, and symbols.

    Args:
        unit: the unit of a symbol.
        vocabulary: the symbols. Its number 0, which no training transcript has, is the blank.
        input: turns recordings or clips into steps.
        transcripts: the transcripts of the training split, with how often each is there.
    """

    def __init__(
        self, unit: TranscriptUnit, vocabulary: Vocabulary, input: Input, transcripts: Mapping[str, int]
    ) -> None:
        self.unit: TranscriptUnit = unit
        self.vocabulary, self.input, self.transcripts = vocabulary, input, transcripts
        self.column, self.example = input.column, input.example
        self._has_warned: set[str] = set()

    @classmethod
    def fit(cls, data: Records, unit: TranscriptUnit, kind: type[Input], config: Any) -> Preparation:
        """Collect the symbols and measure the steps of the training split.

        Args:
            data: the records.
            unit: the unit of a symbol.
            kind: of what is read.
            config: the task's `data.*` keys.

        Raises:
            ConfigError: speakers are to be normalized apart in what is no sound.
        """
        by_speaker = config.normalization == "speaker"
        data.require(kind.column, TRANSCRIPTION, *(["speaker"] if by_speaker else []))
        targets = TargetReader((TRANSCRIPTION,), read_transcript)
        if by_speaker:
            if kind is not AudioInput:
                expected = "must be global where no sound is read"
                raise ConfigError("data.normalization", expected, got=config.normalization)
            targets = TargetReader((TRANSCRIPTION, "speaker"), _read_spoken)
        fitted, texts = kind.fit(data, config, targets)
        if isinstance(fitted, AudioInput) and by_speaker:
            fitted = fitted.by_speaker(data, targets)
        counts = dict(sorted(Counter(texts).items()))
        return cls(unit, Vocabulary.fit(unit, texts), fitted, counts)

    def files(self) -> dict[str, str]:
        """Vocabulary, input, and the transcripts of the training split."""
        return {
            TOKENIZER: self.vocabulary.to_json(),
            INPUT: json.dumps({"input": self.input.kind}),
            TRANSCRIPTS: json.dumps(self.transcripts, ensure_ascii=False),
            **self.input.files(),
        }

    @classmethod
    def load(cls, folder: Path, unit: TranscriptUnit, config: Any) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        path, kind = folder / INPUT, "audio"
        if path.exists():  # run folders of before there were clips have none
            kind = read_stored(path, _StoredInput, "expected the input of a run").input
        inputs = load_input(kind, folder, config)
        stored = read_stored(folder / TRANSCRIPTS, _StoredTranscripts, "expected the transcripts of a run")
        return cls(unit, Vocabulary.load(folder / TOKENIZER), inputs, stored.root)

    def describe(self) -> str:
        """For example `27 characters, 64 mels at 16000 Hz in steps of 30 ms`."""
        return f"{len(self.vocabulary) - 1:,} {self.unit}s, {self.input.describe()}"

    def encode(self, value: Path | str) -> Recording:
        """The steps of a recording or a clip."""
        steps = self.input.read(value, "transcribe", is_stored=False)
        return Recording(steps, None, self.input.summarize(Path(value), ""))

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Batches of utterances of near length."""
        utterances = self.utterances(data, split)
        recordings = [utterance.recording for utterance in utterances.items]
        inputs = self.input
        if isinstance(inputs, AudioInput) and inputs.normalizer.is_by_speaker:
            speakers = [recording.speaker or "" for recording in recordings]
            inputs = inputs.with_speakers([recording.steps for recording in recordings], speakers)
        items, skipped, lengths, digest = utterances
        return Buckets(items, lengths, partial(collate, inputs.normalize), batching, skipped, digest)

    def utterances(self, data: Records, split: str) -> EncodedExamples[Utterance]:
        """The good rows of a split, with a message for each bad one."""
        unknown: dict[str, set[str]] = {}
        encode = partial(self._encode_row, data.strict, unknown)
        utterances = encode_examples(data, split, encode, lambda row: len(row.recording.steps))
        if unknown and split not in self._has_warned:
            self._has_warned.add(split)
            symbols = ", ".join(map(repr, sorted(set().union(*unknown.values()))))
            log.warning(
                "%s transcripts of %s have symbols that the training split has not (%s): they count as "
                "errors, and the loss leaves them out",
                f"{len(unknown):,}",
                split,
                symbols[:60],
            )
        return utterances

    def normalize(self, recording: Recording) -> numpy.ndarray:
        """The steps (T, F) that a model reads."""
        return self.input.normalize(recording.steps, recording.speaker)

    def symbol(self, number: int) -> str:
        """The text of one symbol; a word has a space before it."""
        return self.vocabulary.decode([number])

    def text(self, numbers: Iterable[int]) -> str:
        """The text of a sequence of symbols."""
        return "".join(single_spaced(map(self.symbol, numbers)))

    @cached_property
    def ngram(self) -> NGram:
        """An n-gram language model of the training transcripts; number 0 begins and ends each."""
        sequences = [
            numpy.tile(numpy.array([BLANK, *self.vocabulary.encode(text)], dtype=numpy.int64), count)
            for text, count in self.transcripts.items()
        ]
        tokens = numpy.concatenate([*sequences, [BLANK]])
        return NGram(tokens, len(self.vocabulary), NGRAM_ORDERS[self.unit])

    def _encode_row(self, strict: bool, unknown: dict[str, set[str]], example: Example) -> Utterance:
        value, text = example.fields.get(self.column), read_transcript(example)
        steps = self.input.read(value, example.place)
        symbols = numpy.array(self.vocabulary.encode(text), dtype=numpy.int64)
        if (symbols == BLANK).any():
            pieces = text.split() if self.unit == "word" else text
            new = {piece for piece in pieces if BLANK in self.vocabulary.encode(piece)}
            symbols = symbols[symbols != BLANK]
            if strict or not len(symbols):
                expected = f"`transcription` must be made of the {self.unit}s of the training split"
                raise DataError(example.place, expected, got=", ".join(map(repr, sorted(new))))
            unknown[example.place] = new
        if (least := min_ctc_steps(symbols)) > len(steps):
            key = (
                "data.stacked_frames lower" if self.input.kind == "audio" else "data.frames_per_second higher"
            )
            raise DataError(
                example.place,
                f"`transcription` has {len(symbols)} {self.unit}s, for which CTC needs {least} steps or more",
                got=f"{len(steps)} steps of the {self.input.nouns.removesuffix('s')}",
                hint=f"Is it the transcript of this file? If so, set {key}",
            )
        is_by_speaker = isinstance(self.input, AudioInput) and self.input.normalizer.is_by_speaker
        speaker = example.text("speaker") if is_by_speaker else None
        return Utterance(Recording(steps, speaker, self.input.summarize(value, example.place)), symbols, text)


def read_transcript(example: Example) -> str:
    """The transcript of a row, with single spaces between its words."""
    return " ".join(example.text("transcription").split())


def _read_spoken(example: Example) -> str:
    """The transcript of a row that says who speaks."""
    example.text("speaker")
    return read_transcript(example)
