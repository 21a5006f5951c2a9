"""Caption: see a picture, write a sentence about it. One-to-many: an image encoder and a decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy
import torch
from torch import Tensor

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.data.batching import IGNORE_INDEX
from seqloom.data.bucketing import map_by_length
from seqloom.data.tables.records import Records
from seqloom.models.captioning.captioner import Captioner
from seqloom.models.captioning.memory import END, WORD_RANGE, WORD_RANGE_FROM_SCRATCH, PictureMemory
from seqloom.models.captioning.recurrent_decoder import RecurrentCaptionDecoder
from seqloom.models.captioning.transformer_decoder import TransformerCaptionDecoder
from seqloom.models.dropout import Dropouts
from seqloom.state import State, select_rows
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, Task, loss_score
from seqloom.tasks.caption.baseline import measure_baselines
from seqloom.tasks.caption.batches import CaptionBatch
from seqloom.tasks.caption.config import TRANSFORMER, DataConfig, DecodingConfig, LossConfig, ModelConfig
from seqloom.tasks.caption.pictures import PictureToCaption
from seqloom.tasks.caption.preparation import COLUMNS, Preparation
from seqloom.tasks.caption.scores import caption_details, caption_scores, count_caption_matches
from seqloom.tasks.caption.self_critical import self_critical_loss
from seqloom.tasks.caption.toy_data import write_toy_data_files
from seqloom.tasks.next_token import perplexity, sum_target_nats
from seqloom.tasks.rows import accept_columns
from seqloom.tasks.seq2seq import attention_weights, decode_encoded, read_target
from seqloom.tasks.tracing import ForwardPass


def write_captions(model: Any, encoded: PictureMemory, decoding: DecodingConfig) -> list[list[int]]:
    """The tokens of a caption of each encoded picture."""
    limits = torch.full((encoded.summary.shape[0],), decoding.max_words, device=model.device)
    return decode_encoded(model, encoded, limits, END, decoding.num_beams, decoding.length_penalty)  # type: ignore[arg-type]


@final
class Caption(Task):
    """A picture in, a sentence about it out."""

    name = "caption"
    shape = "one-to-many"
    data_description = "pictures with captions: a table with columns file and caption"
    reads = Records
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    LossConfig = LossConfig
    DecodingConfig = DecodingConfig
    training_defaults = MappingProxyType({"batch_size": 16, "learning_rate": 3e-3})

    def accepts(self, data: Any) -> str | None:
        """Records with a picture and a caption."""
        return accept_columns(data, COLUMNS)

    def pipeline_tag(self, preparation: Preparation) -> str:
        """Image to text."""
        return "image-to-text"

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Choose the image encoder, and collect the words of the training captions."""
        return Preparation.fit(data, config)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read both from a run folder."""
        return Preparation.load(folder, config)

    def build(self, preparation: Preparation, config: ModelConfig) -> Captioner:
        """The encoder with a decoder of recurrent layers, or a Transformer."""
        words, (height, width) = len(preparation.vocabulary), preparation.pictures.map_size
        features = (height * width, preparation.pictures.num_channels)
        if config.cell_type == TRANSFORMER:
            size = (config.hidden_size, config.num_layers)
            decoder = TransformerCaptionDecoder(words, features, *size, config.attention, config.dropout)
            return Captioner(preparation.pictures.new_encoder(), decoder)
        dropouts = Dropouts.of_units(config.dropout, config.embedding_dropout)
        recurrent = config.recurrent_config(dropouts)
        size = config.embedding_size
        word_range = WORD_RANGE_FROM_SCRATCH if preparation.pictures.is_trained else WORD_RANGE
        decoder = RecurrentCaptionDecoder(words, features, size, recurrent, config.attention, word_range)
        return Captioner(preparation.pictures.new_encoder(), decoder)

    def loss(self, model: Any, batch: CaptionBatch, state: State | None, context: Context) -> Loss:
        """Cross-entropy of each word given those before it, summed over the captions of a picture; towards
        the end of the training, where it is asked for, minus the expected CIDEr-D of drawn captions."""
        if model.training and context.progress >= 1 - context.loss.self_critical < 1:
            return self_critical_loss(model, batch, context)
        return self._compute_loss(model, batch, model.encode(batch.pictures), context)

    def _compute_loss(
        self, model: Any, batch: CaptionBatch, encoded: PictureMemory, context: Context
    ) -> Loss:
        smoothing = context.loss.label_smoothing if model.training else 0.0
        lengths = (batch.targets != IGNORE_INDEX).sum(1)
        start = select_rows(encoded.start, batch.owners)
        features = model.decode(batch.inputs, start, encoded, lengths).features
        pictures = len(batch.pictures)
        units = lengths.new_zeros(pictures).index_add(0, batch.owners, lengths)
        nats = sum_target_nats(model, features, batch.targets, smoothing, batch.owners, pictures)
        return Loss(nats, units)

    def evaluate_batch(self, model: Any, batch: CaptionBatch, state: State | None, context: Context) -> Loss:
        """The loss, and what the model's own captions share with the references."""
        encoded = model.encode(batch.pictures)
        loss = self._compute_loss(model, batch, encoded, context)
        rows = write_captions(model, encoded, context.decoding)
        captions = [context.preparation.vocabulary.decode(row) for row in rows]
        matches = count_caption_matches(captions, batch.references, batch.frequencies())
        outputs = [
            {"file": name, "caption": caption, "references": list(references)}
            for name, caption, references in zip(batch.names, captions, batch.references, strict=True)
        ]
        counts = {name: torch.from_numpy(values).to(loss.nats.device) for name, values in matches.items()}
        return loss._replace(counts=counts, outputs=outputs)

    def predict(self, model: Any, items: Sequence[PictureToCaption], context: Context) -> list[Output]:
        """Captions; on request with what each word looked at."""
        preparation: Preparation = context.preparation

        def run(pictures: list[PictureToCaption]) -> list[Output]:
            values = numpy.stack([picture.values for picture in pictures])
            encoded = model.encode(preparation.pictures.to_tensor(values).to(model.device))
            rows = write_captions(model, encoded, context.decoding)
            details = [
                {
                    "file": str(picture.path),
                    "caption": preparation.vocabulary.decode(row),
                    "tokens": preparation.vocabulary.tokens([*row, END]),
                }
                for picture, row in zip(pictures, rows, strict=True)
            ]
            if context.decoding.attention and context.model.attention != "none":
                places = preparation.pictures.map_size
                lengths = [places[0] * places[1]] * len(rows)
                weights = attention_weights(model, encoded, rows, lengths, END)  # type: ignore[arg-type]
                for detail, matrix in zip(details, weights, strict=True):
                    detail |= {"attention": matrix, "places": list(places)}
            return [Output(detail["caption"], detail) for detail in details]

        return map_by_length(items, [1] * len(items), run)

    def forward_pass(
        self, model: Any, value: Any, item: PictureToCaption, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The decoder reads the caption that it writes itself by the most likely words, or a target."""
        del value
        preparation: Preparation = context.preparation
        pictures = preparation.pictures.to_tensor(item.values[None]).to(model.device)
        if target is None:
            greedy = context.decoding.model_copy(update={"num_beams": 1})
            (row,) = write_captions(model, model.encode(pictures), greedy)
        else:
            row = preparation.vocabulary.encode(target)[:-1].tolist()
        height, width = preparation.pictures.map_size

        def run() -> Tensor | None:
            return read_target(model, model.encode(pictures), [END, *row])

        places = [f"row {y + 1}, column {x + 1}" for y in range(height) for x in range(width)]
        return ForwardPass(places, run, preparation.vocabulary.tokens([END, *row]))

    def view(self, preparation: Preparation, path: Path) -> numpy.ndarray:
        """The part of a picture that the model reads, (H, W, 3) uint8."""
        return preparation.pictures.preprocessing.read(path)[0].transpose(1, 2, 0)

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Nats and perplexity of a word, and BLEU, CIDEr and ROUGE-L of decoded captions."""
        scores = loss_score(rows, unit)
        if scores:
            scores["perplexity"] = perplexity(rows.mean())
        return scores | caption_scores(rows)

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """CIDEr."""
        return Metric("cider", higher_is_better=True)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """How much the captions differ, and the worst ones."""
        return caption_details(rows)

    def baseline(
        self, preparation: Preparation, data: Records, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """The caption of the training picture with the nearest features."""
        return None if split == "all" else measure_baselines(preparation, data, split, budget)

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Drawn shapes with captions."""
        return write_toy_data_files(folder, seed)
