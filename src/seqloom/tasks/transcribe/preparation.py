"""Recordings and transcripts to batches: the features, the normalizer and the symbols of a transcriber."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, TypeAlias, final

import numpy

from seqloom.baselines.kneser_ney import NGram
from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import FeatureOptions
from seqloom.data.audio.normalizer import Normalizer
from seqloom.data.audio.recordings import recording_path
from seqloom.data.audio.spec_augment import SpecAugment
from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.tables.records import EncodedExamples, Example, Records, encode_examples
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.decoding.ctc.greedy import BLANK
from seqloom.errors import DataError, RunError
from seqloom.tasks.transcribe.utterances import Recording, Utterance, collate, min_ctc_steps, single_spaced

TranscriptUnit: TypeAlias = Literal["character", "word"]

TOKENIZER, FEATURES, TRANSCRIPTS = "tokenizer.json", "features.json", "transcripts.json"
COLUMNS = ("file", "transcription")
NGRAM_ORDERS: Mapping[TranscriptUnit, int] = {"character": 6, "word": 3}


@final
class Preparation:
    """Features and symbols.

    Args:
        unit: the unit of a symbol.
        vocabulary: the symbols. Its number 0, which no training transcript has, is the blank.
        cache: turns recordings into features.
        normalizer: mean and deviation of the features in training.
        transcripts: the transcripts of the training split, with how often each is there.
        augmentation: SpecAugment for training; None: none.
    """

    column = "file"

    def __init__(
        self,
        unit: TranscriptUnit,
        vocabulary: Vocabulary,
        cache: FeatureCache,
        normalizer: Normalizer,
        transcripts: Mapping[str, int],
        augmentation: SpecAugment | None = None,
    ) -> None:
        self.unit: TranscriptUnit = unit
        self.vocabulary, self.cache = vocabulary, cache
        self.normalizer, self.transcripts = normalizer, transcripts
        self.augmentation = augmentation

    @classmethod
    def fit(
        cls,
        data: Records,
        unit: TranscriptUnit,
        cache: FeatureCache,
        by_speaker: bool,
        augmentation: SpecAugment | None = None,
    ) -> Preparation:
        """Collect the symbols and measure the features of the training split."""
        data.require(*COLUMNS, *(["speaker"] if by_speaker else []))

        def read_row(example: Example) -> tuple[numpy.ndarray, str, str]:
            steps = cache.load(recording_path(example.fields.get("file"), example.place), example.place)
            return steps, read_transcript(example), example.text("speaker") if by_speaker else ""

        rows, texts, speakers = zip(*encode_examples(data, "train", read_row).items, strict=True)
        normalizer = Normalizer.fit(rows, speakers if by_speaker else None)
        counts = dict(sorted(Counter(texts).items()))
        return cls(unit, Vocabulary.fit(unit, texts), cache, normalizer, counts, augmentation)

    def files(self) -> dict[str, str]:
        """Vocabulary, features, and the transcripts of the training split."""
        features = {"options": self.cache.options._asdict(), "normalizer": self.normalizer.to_json()}
        return {
            TOKENIZER: self.vocabulary.to_json(),
            FEATURES: json.dumps(features),
            TRANSCRIPTS: json.dumps(self.transcripts, ensure_ascii=False),
        }

    @classmethod
    def load(cls, folder: Path, unit: TranscriptUnit, augmentation: SpecAugment | None = None) -> Preparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        try:
            features = json.loads((folder / FEATURES).read_text(encoding="utf-8"))
            cache = FeatureCache(FeatureOptions(**features["options"]))
            key = "normalizer" if "normalizer" in features else "normaliser"  # format 1
            normalizer = Normalizer.from_json(features[key])
            transcripts = json.loads((folder / TRANSCRIPTS).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError) as error:
            got = f"{type(error).__name__}: {error}"
            raise RunError(folder, f"expected {FEATURES} and {TRANSCRIPTS} of a run", got=got) from None
        vocabulary = Vocabulary.load(folder / TOKENIZER)
        return cls(unit, vocabulary, cache, normalizer, transcripts, augmentation)

    def describe(self) -> str:
        """For example `27 characters, 64 mels at 16000 Hz in steps of 30 ms`."""
        options = self.cache.options
        step_ms = options.frame_shift_ms * options.stacked_frames
        features = f"{options.num_mels} mels at {options.sample_rate_hz} Hz in steps of {step_ms:g} ms"
        return f"{len(self.vocabulary) - 1:,} {self.unit}s, {features}"

    def encode(self, value: Path | str) -> Recording:
        """The features of a recording."""
        path = recording_path(value, "transcribe")
        return Recording(self.cache.extract(path), None, path.name)

    def source(self, data: Records, split: str, batching: Batching) -> Source:
        """Batches of utterances of near length."""
        utterances = self.utterances(data, split)
        recordings = [utterance.recording for utterance in utterances.items]
        normalizer = self.normalizer
        if normalizer.is_by_speaker:
            speakers = [recording.speaker or "" for recording in recordings]
            normalizer = normalizer.with_speakers([recording.steps for recording in recordings], speakers)
        items, skipped, lengths, digest = utterances
        return Buckets(items, lengths, partial(collate, normalizer), batching, skipped, digest)

    def utterances(self, data: Records, split: str) -> EncodedExamples[Utterance]:
        """The good rows of a split, with a message for each bad one."""
        unknown: dict[str, set[str]] = {}
        encode = partial(self._encode_row, data.strict, unknown)
        utterances = encode_examples(data, split, encode, lambda row: len(row.recording.steps))
        if unknown:
            symbols = ", ".join(map(repr, sorted(set().union(*unknown.values()))))
            self.cache.warn_once(
                f"unknown symbols of {split}",
                f"{len(unknown):,} transcripts of {split} have symbols that the training split has not "
                f"({symbols:.60}): they count as errors, and the loss leaves them out",
            )
        return utterances

    def normalize(self, recording: Recording) -> numpy.ndarray:
        """The steps (T, F) that a model reads."""
        return self.normalizer.apply(recording.steps, recording.speaker)

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
            [BLANK, *self.vocabulary.encode(text)] * count for text, count in self.transcripts.items()
        ]
        tokens = numpy.array([*(number for sequence in sequences for number in sequence), BLANK])
        return NGram(tokens, len(self.vocabulary), NGRAM_ORDERS[self.unit])

    def _encode_row(self, strict: bool, unknown: dict[str, set[str]], example: Example) -> Utterance:
        path = recording_path(example.fields.get("file"), example.place)
        text = read_transcript(example)
        steps = self.cache.load(path, example.place)
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
            raise DataError(
                example.place,
                f"`transcription` has {len(symbols)} {self.unit}s, for which CTC needs {least} steps or more",
                got=f"{len(steps)} steps of sound",
                hint="Is it the transcript of this file? If so, set data.stacked_frames lower",
            )
        speaker = example.text("speaker") if self.normalizer.is_by_speaker else None
        return Utterance(Recording(steps, speaker, path.name), symbols, text)


def read_transcript(example: Example) -> str:
    """The transcript of a row, with single spaces between its words."""
    return " ".join(example.text("transcription").split())
