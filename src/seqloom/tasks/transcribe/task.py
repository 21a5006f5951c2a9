"""Transcribe speech: hear a recording, write what was said. Many-to-many, unaligned: CTC, or attention."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, final

import numpy
import torch
from pydantic import Field
from torch import nn

from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import FeatureOptions
from seqloom.data.bucketing import map_by_length
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Records
from seqloom.errors import ConfigError
from seqloom.metrics import error_rate
from seqloom.models.attention_transcriber import AttentionTranscriber
from seqloom.models.ctc_transcriber import Transcriber
from seqloom.models.dropout import Dropouts
from seqloom.models.language_model import CellType
from seqloom.models.sequence_classifier import Recurrence
from seqloom.settings import PositiveInt, Probability, StrictConfig
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, loss_score
from seqloom.tasks.transcribe.decoding import hear_stream, loss_of, write_symbols
from seqloom.tasks.transcribe.preparation import (
    Preparation,
    Recording,
    TranscriptUnit,
    Utterances,
    first_rate,
    spaced,
)
from seqloom.tasks.transcribe.toy_data import write_toy_data_files

NotNegative = Annotated[int, Field(ge=0)]


class DataConfig(StrictConfig):
    """The `data.*` keys."""

    unit: TranscriptUnit = "character"
    """What a symbol is: `character` or `word`."""
    sample_rate_hz: Annotated[int, Field(ge=1000)] | None = None
    """FeatureCache of another rate are resampled. None: the rate of the first to learn from."""
    num_mels: PositiveInt = 64
    """Bands of frequency."""
    frame_length_ms: Annotated[float, Field(gt=0)] = 25.0
    frame_shift_ms: Annotated[float, Field(gt=0)] = 10.0
    stacked_frames: PositiveInt = 3
    """Frames that make up one step of the model."""
    lookahead_frames: NotNegative = 0
    """Frames after its own that a step sees too, for a model of one direction. They delay a stream."""
    normalization: Literal["global", "speaker"] = "global"
    """Whose mean and deviation: of everybody, or, by a column `speaker`, of each."""


class ModelConfig(StrictConfig):
    """The `model.*` keys."""

    cell_type: CellType = "lstm"
    hidden_size: PositiveInt = 200
    """Of each direction."""
    num_layers: PositiveInt = 2
    bidirectional: bool = True
    """Needs whole recordings; a model that reads in one direction can hear a stream."""
    dropout: Probability = 0.3
    """Between the layers and before the output."""
    locked_dropout: bool = False
    """One mask for all steps of a recording (variational dropout)."""
    weight_dropout: Probability = 0.0
    """Of recurrent weights."""
    decoder: Literal["ctc", "attention"] = "ctc"
    """`attention` writes symbol by symbol, looking back at the whole recording."""
    ctc_weight: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Of an attention decoder's training: the share of CTC in its loss, which aligns sound and text."""
    time_masks: NotNegative = 2
    """SpecAugment: stretches of time that are blotted out in training."""
    time_mask_frames: NotNegative = 25
    """The most frames of one; and no more than a fifth of the recording."""
    frequency_masks: NotNegative = 2
    frequency_mask_mels: NotNegative = 10
    """The most bands of one."""
    kernel: Literal["auto", "reference", "torch", "native"] = "auto"


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys."""

    num_beams: PositiveInt = 1
    """1 takes the likeliest symbol at every step; more search for the likeliest text."""
    language_model: str | None = None
    """What the search also asks: `ngram`, of the transcripts learnt from; or the folder of a `generate` run,
    trained on lines of the same unit."""
    lm_weight: Annotated[float, Field(ge=0)] = 0.3
    """Of the language model's log-probability, beside 1 of the sound's."""
    length_bonus: float = 0.0
    """Nats for each symbol, against a language model's love of short texts."""
    length_penalty: Annotated[float, Field(ge=-10, le=10)] = 1.0
    """Of an attention decoder's search: above 0 favors long texts."""


@final
class Transcribe:
    """FeatureCache in, what was said in them out."""

    name = "transcribe"
    shape = "many-to-many"
    data_description = "recordings, and a column transcription"
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    DecodingConfig = DecodingConfig
    training_defaults: Mapping[str, Any] = MappingProxyType(
        {"batch_size": 16, "learning_rate": 2e-3, "warmup_steps": 200, "schedule": "linear"}
    )

    def accepts(self, data: Any) -> str | None:
        """Records with a file and a transcription."""
        fits = isinstance(data, Records) and {"file", "transcription"} <= set(data.columns)
        return "recordings with a transcription" if fits else None

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Learn the symbols of the training split, and measure its features."""
        data.require("file", "transcription")
        rate = config.sample_rate_hz or first_rate(data)
        frames = (config.frame_length_ms, config.frame_shift_ms)
        steps = (config.stacked_frames, config.lookahead_frames)
        recordings = FeatureCache(FeatureOptions(rate, config.num_mels, *frames, *steps))
        return Preparation.fit(data, config.unit, recordings, config.normalization == "speaker")

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read the preparation of a run folder."""
        return Preparation.read(folder, config.unit)

    def build(self, preparation: Preparation, config: ModelConfig) -> Transcriber | AttentionTranscriber:
        """A stack of recurrent layers under CTC, or under attention."""
        return (Transcriber if config.decoder == "ctc" else AttentionTranscriber)(
            preparation.recordings.options.size,
            len(preparation.vocabulary),
            Recurrence(
                config.cell_type, config.hidden_size, config.num_layers, config.bidirectional, config.kernel
            ),
            Dropouts(
                hidden=config.dropout,
                output=config.dropout,
                weight=config.weight_dropout,
                locked=config.locked_dropout,
            ),
        )

    def loss(self, model: nn.Module, batch: Utterances, state: State | None, context: Context) -> Loss:
        """Of CTC, over all ways to say the transcript; of attention, of each symbol and the end."""
        return loss_of(model, batch, context)[0]

    def evaluate_batch(
        self, model: nn.Module, batch: Utterances, state: State | None, context: Context
    ) -> Loss:
        """The same, and by decoding the errors of words and characters."""
        loss, heard = loss_of(model, batch, context)
        rows = write_symbols(model, heard, batch.lengths, context)
        found = [context.preparation.text(row) for row in rows]
        counted = error_rate.count_errors(batch.texts, found)
        outputs = [
            {"file": file, "expected": text, "found": answer}
            for file, text, answer in zip(batch.files, batch.texts, found, strict=True)
        ]
        tensors = {name: torch.from_numpy(values) for name, values in counted.items()}
        return loss._replace(counts=tensors, outputs=outputs)

    def predict(self, model: Any, items: Sequence[Recording], context: Context) -> list[Output]:
        """What was said in each recording."""

        def run(some: list[Recording]) -> list[Output]:
            steps = [context.preparation.normalized(recording) for recording in some]
            lengths = lengths_of(steps).to(model.device)
            hear = model if context.model.decoder == "ctc" else model.encode
            heard = hear(pad(steps).to(model.device), lengths)
            texts = [context.preparation.text(row) for row in write_symbols(model, heard, lengths, context)]
            return [
                Output(text, {"file": recording.file, "transcription": text})
                for recording, text in zip(some, texts, strict=True)
            ]

        return map_by_length(items, [len(recording.steps) for recording in items], run)

    def transcribe_stream(
        self, model: Any, chunks: Iterable[numpy.ndarray], context: Context
    ) -> Iterator[str]:
        """What is said in a stream, as soon as it is: pieces whose sum is the text of the whole.

        Args:
            model: one that reads in one direction, with CTC.
            chunks: samples (n,) float32 from -1 to 1, of any sizes, at the model's sample rate.
            context: its decoding must be greedy.

        Raises:
            ConfigError: the model or the decoding needs the whole recording.
        """
        if context.model.decoder != "ctc":
            expected = "an attention decoder cannot hear a stream, as it looks back at the whole recording"
            raise ConfigError("transcribe", expected, hint="Train one with model.decoder=ctc")
        model.require_one_way()
        if context.preparation.normalizer.is_by_speaker:
            expected = "a stream cannot be normalized by its speaker, who is not known before the end"
            raise ConfigError("transcribe", expected, hint="Train one with data.normalization=global")
        if context.decoding.num_beams > 1 or context.decoding.language_model:
            expected = "a stream is transcribed greedily, with num_beams 1 and no language model"
            raise ConfigError("transcribe", expected, hint="A search changes its mind until the end")
        return spaced(map(context.preparation.symbol, hear_stream(model, chunks, context.preparation)))

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats of a symbol; WER and CER where texts were made."""
        scores = loss_score(rows, unit)
        if "words" in rows.counts:
            scores |= error_rate.scores({name: rows.total(name) for name in ("words", "characters")})
        return scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """The word error rate."""
        return Metric("wer", higher_is_better=False)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """The ten worst rows, aligned."""
        lines = error_rate.worst(rows.outputs)
        return {"worst": lines} if lines else {}

    def baseline(self, preparation: Preparation, data: Records, split: str) -> Baseline | None:
        """The commonest transcript of the training split, whatever is heard."""
        if split == "all":
            return None
        texts = [utterance.text for utterance in preparation.utterances(data, split).items]
        answer = Counter(preparation.transcripts).most_common(1)[0][0]
        counted = error_rate.count_errors(texts, [answer] * len(texts))
        nothing = numpy.full(len(texts), math.nan)
        return Baseline(f"always {answer!r}", Rows(nothing, numpy.ones(len(texts)), counted))

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Made-up speech."""
        return write_toy_data_files(folder, seed)
