"""Tag: a label for every token of a sentence. Many-to-many, aligned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy
import torch
from torch import nn

from seqloom.data.bucketing import map_by_length
from seqloom.data.tables.records import Records, encode_examples
from seqloom.errors import RunError
from seqloom.metrics import entity_f1
from seqloom.models.dropout import Dropouts
from seqloom.models.language_model import CellType
from seqloom.models.sequence_classifier import Recurrence
from seqloom.models.sequence_tagger import SequenceTagger, Spelling
from seqloom.settings import PositiveInt, Probability, StrictConfig
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, loss_score
from seqloom.tasks.tag.preparation import WORDS, DataConfig, Preparation, Sentence, Sentences, collate, tagged
from seqloom.tasks.tag.toy_data import write_toy_data_files

COLUMNS = ("tokens", "tags")


class ModelConfig(StrictConfig):
    """The `model.*` keys."""

    cell_type: CellType = "lstm"
    hidden_size: PositiveInt = 128
    """Of a layer and direction."""
    num_layers: PositiveInt = 1
    bidirectional: bool = True
    """Whether a tag depends on what comes behind its token too."""
    crf: bool = True
    """Whether tags are chosen together, each by its neighbors."""
    embedding_size: PositiveInt = 100
    spelling_size: PositiveInt = 25
    """Units that read a word's spelling, in each direction."""
    dropout: Probability = 0.3
    """At the input, between the layers and at the output; one mask for all tokens of a sentence."""
    rare_word_dropout: Probability = 0.5
    """Chance that a word which training has once is read as an unknown one, which is so learnt."""


class DecodingConfig(StrictConfig):
    """The `decoding.*` keys: none; the best tags are found exactly."""


def count_right(
    expected: Sequence[Sequence[str]], found: Sequence[Sequence[str]], bio: bool
) -> dict[str, Any]:
    """Of each row the right tags and, of BIO tags, its entities: there, found, and both."""
    pairs = list(zip(expected, found, strict=True))
    counted = {"right": [sum(map(str.__eq__, one, other)) for one, other in pairs]}
    if bio:
        columns = zip(*(entity_f1.count(one, other) for one, other in pairs), strict=True)
        counted |= dict(zip(entity_f1.Counts._fields, map(list, columns), strict=True))
    return {name: torch.tensor(values) for name, values in counted.items()}


@final
class Tag:
    """Tokens in, a tag for each out."""

    name = "tag"
    shape = "many-to-many"
    data_description = "columns tokens and tags, as CoNLL files have"
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    DecodingConfig = DecodingConfig
    training_defaults: Mapping[str, Any] = MappingProxyType({"batch_size": 32, "learning_rate": 3e-3})

    def accepts(self, data: Any) -> str | None:
        """Records with tokens and tags."""
        fits = isinstance(data, Records) and set(COLUMNS) <= set(data.columns)
        return "records with columns tokens and tags" if fits else None

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Count the words, characters and tags of the training split."""
        data.require(*COLUMNS)
        return Preparation.fit(encode_examples(data, "train", tagged).items, config)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read `words.json`."""
        try:
            content = json.loads((folder / WORDS).read_text(encoding="utf-8"))
            return Preparation(content["words"], content["characters"], config.lowercase)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(folder / WORDS, "expected the words of a tagger", got=str(error)) from None

    def build(self, preparation: Preparation, config: ModelConfig) -> SequenceTagger:
        """A stack of recurrent layers, and a CRF on top."""
        spelling = Spelling(len(preparation.characters) + 2, config.spelling_size)
        return SequenceTagger(
            len(preparation),
            len(preparation.tags),
            config.embedding_size,
            Recurrence(config.cell_type, config.hidden_size, config.num_layers, config.bidirectional),
            config.crf,
            spelling if preparation.characters else None,
            Dropouts(*[config.dropout] * 3, locked=True),
        )

    def loss(self, model: nn.Module, batch: Sentences, state: State | None, context: Context) -> Loss:
        """How unlikely the tags of each sentence are, all together."""
        words, chance = batch.words, context.model.rare_word_dropout
        if model.training and chance:
            rare = context.preparation.seen_once.to(words.device)[words]
            words = words.masked_fill(rare & (torch.rand(words.shape, device=words.device) < chance), 0)
        found = model(words, batch.lengths, batch.tags, batch.characters)
        return Loss(-found.log_likelihood, batch.lengths)

    def evaluate_batch(self, model: Any, batch: Sentences, state: State | None, context: Context) -> Loss:
        """The same, and what is right of the best tags."""
        emissions, log_likelihood = model(batch.words, batch.lengths, batch.tags, batch.characters)
        names, lengths = context.preparation.tags, batch.lengths.tolist()
        expected, found = (
            [[names[tag] for tag in row[:length]] for row, length in zip(rows.tolist(), lengths, strict=True)]
            for rows in (batch.tags, model.best_tags(emissions, batch.lengths))
        )
        counted = count_right(expected, found, context.preparation.is_bio)
        outputs = [
            {"tokens": list(tokens), "expected": one, "tags": other}
            for tokens, one, other in zip(batch.tokens, expected, found, strict=True)
        ]
        return Loss(-log_likelihood, batch.lengths, None, counted, outputs)

    @torch.inference_mode()
    def predict(self, model: Any, items: Sequence[Sentence], context: Context) -> list[Output]:
        """The best tags of each sentence; of BIO tags the entities too."""
        preparation: Preparation = context.preparation

        def run(some: list[Sentence]) -> list[Output]:
            batch = collate(some)
            words, lengths, characters = (part.to(model.device) for part in batch[:3])
            best = model.best_tags(model(words, lengths, None, characters).emissions, lengths).tolist()
            return [_output(preparation, item.tokens, row) for item, row in zip(some, best, strict=True)]

        return map_by_length(items, [len(item.tokens) for item in items], run)

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Loss, accuracy, and of BIO tags precision, recall and F1 of whole entities."""
        scores = loss_score(rows, unit)
        if "right" in rows.counts:
            scores["accuracy"] = float(rows.total("right") / rows.units.sum())
        if "correct" in rows.counts:
            found = entity_f1.precision_recall_f1(
                *(float(rows.total(name)) for name in entity_f1.Counts._fields)
            )
            scores |= {"f1": found["f1"], **found}  # what is shown where there is room for few comes first
        return scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """F1 of entities, where tags have any; else accuracy."""
        return Metric("f1" if "f1" in scores else "accuracy", higher_is_better=True)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """Precision, recall and F1 of each type of entity, or of each tag."""
        pairs = [(output["expected"], output["tags"]) for output in rows.outputs]
        if "correct" in rows.counts:
            return {"by_type": entity_f1.by_type(pairs)}
        each = ([[f"B-{tag}" for tag in tags] for tags in pair] for pair in pairs)
        return {"by_tag": entity_f1.by_type(each)}  # type: ignore[arg-type]

    def baseline(self, preparation: Preparation, data: Records, split: str) -> Baseline | None:
        """Each word's most frequent tag in training; of words that it has not, the most frequent of all."""
        counts = preparation.counts()
        shares = (counts.sum(0) + 1) / (counts.sum() + counts.shape[1])
        # Beside what was seen of a word it is seen once more, with every tag by its share.
        chances = (counts + shares) / (counts.sum(1, keepdims=True) + 1)
        items = encode_examples(data, split, preparation.example).items
        nats = numpy.array([-numpy.log(chances[item.words, item.tags]).sum() for item in items])
        names = numpy.array(preparation.tags)
        expected = [names[item.tags].tolist() for item in items]
        found = [names[chances[item.words].argmax(1)].tolist() for item in items]
        counted = count_right(expected, found, preparation.is_bio)
        units = numpy.array([len(item.tokens) for item in items])
        rows = Rows(nats, units, {name: values.numpy() for name, values in counted.items()})
        return Baseline("most frequent tag of each word", rows)

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """A harbor's log."""
        return write_toy_data_files(folder, seed)


def _output(preparation: Preparation, tokens: tuple[str, ...], numbers: list[int]) -> Output:
    tags = [preparation.tags[number] for number in numbers[: len(tokens)]]
    details: dict[str, Any] = {"tokens": list(tokens), "tags": tags}
    if preparation.is_bio:
        details["entities"] = [
            {**span._asdict(), "text": " ".join(tokens[span.start : span.stop])}
            for span in entity_f1.spans(tags)
        ]
    return Output(" ".join(tags), details)
