"""Transcribe speech: hear a recording or see a clip, write its text. Many-to-many, unaligned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy
import torch
from torch import nn

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.baselines.majority import most_frequent
from seqloom.data.bucketing import map_by_length
from seqloom.data.padding import lengths_of, pad
from seqloom.data.tables.records import Records
from seqloom.errors import ConfigError
from seqloom.metrics import error_rate
from seqloom.models.attention_transcriber import AttentionTranscriber
from seqloom.models.ctc_transcriber import CTCTranscriber
from seqloom.models.dropout import Dropouts
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, Task, loss_score
from seqloom.tasks.inputs.audio import AudioInput
from seqloom.tasks.inputs.kinds import KINDS, input_kind, toy_data_of
from seqloom.tasks.tracing import ForwardPass, StepOutputs
from seqloom.tasks.transcribe.config import DataConfig, DecodingConfig, LossConfig, ModelConfig
from seqloom.tasks.transcribe.decoding import decode_symbols, pass_over, stream_text, symbols_by_step
from seqloom.tasks.transcribe.loss import compute_loss
from seqloom.tasks.transcribe.preparation import TRANSCRIPTION, Preparation
from seqloom.tasks.transcribe.toy_data import write_toy_data_files
from seqloom.tasks.transcribe.utterances import Recording, UtteranceBatch


@final
class Transcribe(Task):
    """A recording or a clip in, its text out."""

    name = "transcribe"
    shape = "many-to-many"
    data_description = "recordings or clips, and a column transcription"
    reads = Records
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    LossConfig = LossConfig
    DecodingConfig = DecodingConfig
    more_toy_data = toy_data_of(name)
    training_defaults = MappingProxyType(
        {"batch_size": 16, "learning_rate": 2e-3, "warmup_steps": 200, "schedule": "linear"}
    )

    def accepts(self, data: Any) -> str | None:
        """Records with a file and a transcription."""
        if not isinstance(data, Records) or TRANSCRIPTION not in data.columns:
            return None
        kind = input_kind(data)
        return f"{kind.nouns} with a transcription" if kind and kind.can_be_transcribed else None

    def pipeline_tag(self, preparation: Preparation) -> str | None:
        """Of sound, automatic speech recognition."""
        return preparation.input.pipeline_tags.get(self.name)

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Collect the symbols of the training split, and measure its features."""
        kind = input_kind(data, config.input) or AudioInput
        if not kind.can_be_transcribed:
            kinds = " or ".join(name for name, other in KINDS.items() if other.can_be_transcribed)
            raise ConfigError("data.input", f"must be {kinds} to be transcribed", got=kind.kind)
        return Preparation.fit(data, config.unit, kind, config)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read the preparation of a run folder."""
        return Preparation.load(folder, config.unit, config)

    def build(self, preparation: Preparation, config: ModelConfig) -> CTCTranscriber | AttentionTranscriber:
        """Recurrent layers with an output layer for CTC, and the attention decoder if there is one."""
        front = preparation.input.front(config)
        return (CTCTranscriber if config.decoder == "ctc" else AttentionTranscriber)(
            front.size,
            len(preparation.vocabulary),
            config.recurrent_config(
                Dropouts(hidden=config.dropout, output=config.dropout), config.bidirectional
            ),
            front=front.module,
        )

    def loss(self, model: nn.Module, batch: UtteranceBatch, state: State | None, context: Context) -> Loss:
        """The negative log-likelihood of the transcript, by CTC or by the attention decoder."""
        return compute_loss(model, batch, context)[0]

    def evaluate_batch(
        self, model: nn.Module, batch: UtteranceBatch, state: State | None, context: Context
    ) -> Loss:
        """The loss, and the errors of words and characters of decoded texts."""
        loss, encoded = compute_loss(model, batch, context)
        rows = decode_symbols(model, encoded, batch.lengths, context)
        texts = [context.preparation.text(row) for row in rows]
        errors = error_rate.count_errors(batch.texts, texts)
        outputs = [
            {"file": file, "expected": expected, "predicted": text}
            for file, expected, text in zip(batch.files, batch.texts, texts, strict=True)
        ]
        counts = {name: torch.from_numpy(values) for name, values in errors.items()}
        return loss._replace(counts=counts, outputs=outputs)

    def predict(self, model: Any, items: Sequence[Recording], context: Context) -> list[Output]:
        """The text of each recording."""
        preparation: Preparation = context.preparation
        encode = model if context.model.decoder == "ctc" else model.encode

        def run(recordings: list[Recording]) -> list[Output]:
            steps = [preparation.normalize(recording) for recording in recordings]
            lengths = lengths_of(steps).to(model.device)
            encoded = encode(pad(steps).to(model.device), lengths)
            texts = [preparation.text(row) for row in decode_symbols(model, encoded, lengths, context)]
            return [
                Output(text, {"file": recording.file, "transcription": text})
                for recording, text in zip(recordings, texts, strict=True)
            ]

        return map_by_length(items, [len(recording.steps) for recording in items], run)

    def forward_pass(
        self, model: Any, value: Any, item: Recording, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The model hears a recording; an attention decoder reads what it writes itself, or a target."""
        return pass_over(model, value, item, context, target)

    def step_outputs(
        self, model: Any, item: Recording, context: Context, target: str | None = None
    ) -> StepOutputs | None:
        """How likely each symbol of CTC is at each step; None of an attention decoder."""
        return None if context.model.decoder != "ctc" else symbols_by_step(model, item, context, target)

    def transcribe_stream(
        self, model: Any, chunks: Iterable[numpy.ndarray], context: Context
    ) -> Iterator[str]:
        """The text of a stream as soon as it is known: pieces whose sum is the text of the whole.

        Args:
            model: of one direction, with CTC.
            chunks: samples (n,) float32 from -1 to 1, of any sizes, at the model's sample rate.
            context: its decoding must be greedy.

        Raises:
            ConfigError: the model or the decoding needs the whole recording.
        """
        return stream_text(model, chunks, context)

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats per symbol, and WER and CER of decoded texts."""
        scores = loss_score(rows, unit)
        if "words" in rows.counts:
            scores |= error_rate.scores({name: rows.total(name) for name in ("words", "characters")})
        return scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """The word error rate."""
        return Metric("wer", higher_is_better=False)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """The ten worst rows, aligned."""
        lines = error_rate.worst_rows(rows.outputs)
        return {"worst": lines} if lines else {}

    def baseline(
        self, preparation: Preparation, data: Records, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """The most frequent transcript of the training split, for every recording."""
        if split == "all":
            return None
        texts = [utterance.text for utterance in preparation.utterances(data, split).items]
        answer = most_frequent(Counter(preparation.transcripts).elements())
        errors = error_rate.count_errors(texts, [answer] * len(texts))
        nats = numpy.full(len(texts), math.nan)
        return Baseline(f"always {answer!r}", Rows(nats, numpy.ones(len(texts)), errors))

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Chords and noise in the place of speech."""
        return write_toy_data_files(folder, seed)
