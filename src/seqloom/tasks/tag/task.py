"""Tag: predict a label for every token of a sentence. Many-to-many, aligned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

import numpy
import torch
from torch import nn

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.baselines.majority import ConditionalShares
from seqloom.data.bucketing import map_by_length
from seqloom.data.tables.records import Records, encode_examples
from seqloom.metrics import entity_f1
from seqloom.models.dropout import Dropouts
from seqloom.models.sequence_tagger import SequenceTagger, SpellingConfig
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Metric, Output, Rows, Task, loss_score
from seqloom.tasks.rows import accept_columns
from seqloom.tasks.tag.config import DataConfig, ModelConfig
from seqloom.tasks.tag.preparation import (
    COLUMNS,
    Preparation,
    SentenceBatch,
    TaggedSentence,
    collate,
    read_tagged,
)
from seqloom.tasks.tag.schemes import Scheme
from seqloom.tasks.tag.toy_data import write_toy_data_files
from seqloom.tasks.tracing import ForwardPass, StepOutputs, refuse_target


def count_correct(
    expected: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], scheme: Scheme | None
) -> dict[str, torch.Tensor]:
    """The correct tags of each row; by a scheme also the expected, predicted and correct entities."""
    pairs = list(zip(expected, predicted, strict=True))
    counts = {"correct_tags": [sum(map(str.__eq__, *pair)) for pair in pairs]}
    if scheme is not None:
        columns = zip(*(entity_f1.count(*map(scheme.convert, pair)) for pair in pairs), strict=True)
        counts |= dict(zip(entity_f1.Counts._fields, map(list, columns), strict=True))
    return {name: torch.tensor(values, device="cpu") for name, values in counts.items()}


@final
class Tag(Task):
    """Tokens in, a tag for each out."""

    name = "tag"
    shape = "many-to-many"
    data_description = "columns tokens and tags, as CoNLL files have"
    reads = Records
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    training_defaults = MappingProxyType({"batch_size": 32, "learning_rate": 3e-3})

    def accepts(self, data: Any) -> str | None:
        """Records with tokens and tags."""
        return accept_columns(data, COLUMNS)

    def pipeline_tag(self, preparation: Preparation) -> str:
        """Token classification."""
        return "token-classification"

    def prepare(self, data: Records, config: DataConfig) -> Preparation:
        """Count the words, characters and tags of the training split."""
        data.require(*COLUMNS)
        return Preparation.fit(encode_examples(data, "train", read_tagged).items, config)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read `words.json`."""
        return Preparation.load(folder, config)

    def build(self, preparation: Preparation, config: ModelConfig) -> SequenceTagger:
        """Recurrent layers over words and spellings, and a CRF on top."""
        spelling = SpellingConfig(len(preparation.characters) + 2, config.spelling_size)
        return SequenceTagger(
            len(preparation),
            len(preparation.tags),
            config.embedding_size,
            config.recurrent_config(Dropouts.of_units(config.dropout), config.bidirectional),
            config.crf,
            spelling if preparation.characters else None,
        )

    def loss(self, model: nn.Module, batch: SentenceBatch, state: State | None, context: Context) -> Loss:
        """The negative log-likelihood of the tags of each sentence."""
        words, probability = batch.words, context.model.rare_word_dropout
        if model.training and probability:
            rare = context.preparation.seen_once.to(words.device)[words]
            dropped = torch.rand(words.shape, device=words.device) < probability
            words = words.masked_fill(rare & dropped, 0)
        output = model(words, batch.lengths, batch.tags, batch.characters)
        return Loss(-output.log_likelihood, batch.lengths)

    def evaluate_batch(self, model: Any, batch: SentenceBatch, state: State | None, context: Context) -> Loss:
        """The negative log-likelihood, and the correct ones of the most likely tags."""
        emissions, log_likelihood = model(batch.words, batch.lengths, batch.tags, batch.characters)
        names, lengths = context.preparation.tags, batch.lengths.tolist()
        scheme: Scheme | None = context.preparation.scheme
        expected, predicted = (
            [[names[tag] for tag in row[:length]] for row, length in zip(rows.tolist(), lengths, strict=True)]
            for rows in (batch.tags, model.best_tags(emissions, batch.lengths))
        )
        counts = count_correct(expected, predicted, scheme)
        outputs = [
            {"tokens": list(tokens), "expected": expected_tags, "tags": tags, "scheme": scheme}
            for tokens, expected_tags, tags in zip(batch.tokens, expected, predicted, strict=True)
        ]
        return Loss(-log_likelihood, batch.lengths, None, counts, outputs)

    @torch.inference_mode()
    def predict(self, model: Any, items: Sequence[TaggedSentence], context: Context) -> list[Output]:
        """The most likely tags of each sentence; by a scheme the entities too."""
        preparation: Preparation = context.preparation

        def run(sentences: list[TaggedSentence]) -> list[Output]:
            batch = collate(sentences)
            words, lengths, characters = (part.to(model.device) for part in batch[:3])
            tags = model.best_tags(model(words, lengths, None, characters).emissions, lengths).tolist()
            return [
                _output(preparation, sentence.tokens, row)
                for sentence, row in zip(sentences, tags, strict=True)
            ]

        return map_by_length(items, [len(item.tokens) for item in items], run)

    def forward_pass(
        self, model: Any, value: Any, item: TaggedSentence, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The model reads a sentence, token by token; the speller, all its tokens at once."""
        del value, context
        refuse_target(self.name, target)
        words, lengths, characters = (part.to(model.device) for part in collate([item])[:3])

        def run() -> None:
            model(words, lengths, None, characters)

        return ForwardPass(item.tokens, run)

    def step_outputs(
        self, model: Any, item: TaggedSentence, context: Context, target: str | None = None
    ) -> StepOutputs:
        """How likely each tag is after each token, by its score alone, without what a CRF adds."""
        refuse_target(self.name, target)
        words, lengths, characters = (part.to(model.device) for part in collate([item])[:3])
        scores = model(words, lengths, None, characters).emissions[0].float().log_softmax(-1).cpu()
        return StepOutputs(item.tokens, context.preparation.tags, scores, [-1] * len(item.tokens))

    def score(self, rows: Rows, unit: str) -> dict[str, float]:
        """Loss, accuracy, and by a scheme precision, recall and F1 of whole entities."""
        scores = loss_score(rows, unit)
        if "correct_tags" in rows.counts:
            scores["accuracy"] = float(rows.total("correct_tags") / rows.units.sum())
        if "correct" in rows.counts:
            entities = entity_f1.precision_recall_f1(
                *(float(rows.total(name)) for name in entity_f1.Counts._fields)
            )
            scores |= {"f1": entities["f1"], **entities}  # f1 first: progress lines show the first few
        return scores

    def primary_metric(self, scores: Mapping[str, float]) -> Metric:
        """F1 of entities if tags have a scheme, else accuracy."""
        return Metric("f1" if "f1" in scores else "accuracy", higher_is_better=True)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """Precision, recall and F1 of each type of entity, or of each tag."""
        pairs = [(output["expected"], output["tags"]) for output in rows.outputs]
        scheme = rows.outputs[0].get("scheme") if rows.outputs else None
        if "correct" in rows.counts:
            converted = (map(scheme.convert, pair) for pair in pairs) if scheme else ()
            return {"by_type": entity_f1.by_type((actual, guessed) for actual, guessed in converted)}
        # A tag outside of a scheme is an entity of one token.
        entities = ([[f"B-{tag}" for tag in tags] for tags in pair] for pair in pairs)
        return {"by_tag": entity_f1.by_type(entities)}  # type: ignore[arg-type]

    def baseline(
        self, preparation: Preparation, data: Records, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """The most frequent tag of each word in training; for unknown words, of all words."""
        shares = ConditionalShares(preparation.counts())
        items = encode_examples(data, split, preparation.encode_example).items
        nats = numpy.array([-numpy.log(shares.of(item.words, item.tags)).sum() for item in items])
        names = numpy.array(preparation.tags)
        expected = [names[item.tags].tolist() for item in items]
        predicted = [names[shares.most_frequent[item.words]].tolist() for item in items]
        counts = count_correct(expected, predicted, preparation.scheme)
        units = numpy.array([len(item.tokens) for item in items])
        rows = Rows(nats, units, {name: values.numpy() for name, values in counts.items()})
        return Baseline("most frequent tag of each word", rows)

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """A harbor's log."""
        return write_toy_data_files(folder, seed)


def _output(preparation: Preparation, tokens: tuple[str, ...], numbers: list[int]) -> Output:
    tags = [preparation.tags[number] for number in numbers[: len(tokens)]]
    details: dict[str, Any] = {"tokens": list(tokens), "tags": tags}
    if preparation.scheme is not None:
        details["entities"] = [
            {**span._asdict(), "text": " ".join(tokens[span.start : span.stop])}
            for span in entity_f1.spans(preparation.scheme.convert(tags))
        ]
    return Output(" ".join(tags), details)
