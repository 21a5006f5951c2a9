"""The task `translate`: bad rows, limits, label smoothing, scheduled sampling, attention, baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest
import torch
from torch import Tensor

import seqloom
from seqloom.baselines.nearest_neighbor import nearest_neighbors
from seqloom.data.batching import IGNORE_INDEX, Batching
from seqloom.data.tables.records import Records, read_records
from seqloom.errors import DataError, RunError
from seqloom.models.encoder_decoder import EncoderDecoder
from seqloom.runs.config import resolve
from seqloom.tasks import task_named
from seqloom.tasks.base import Context
from seqloom.tasks.seq2seq import decode_encoded, scheduled_sampling
from seqloom.tasks.translate.preparation import PairBatch, Preparation
from seqloom.tasks.translate.vocabulary import END
from seqloom.training.train import train

TASK = task_named("translate")
PAIRS = [
    ("Zwei Hunde rennen.", "Two dogs run."),
    ("Ein Hund schläft.", "A dog sleeps."),
    ("Ein Mann sieht zwei Hunde.", "A man sees two dogs."),
    ("Der Mann schläft.", "The man sleeps."),
    ("Anna rennt.", "Anna runs."),
]
SMALL = {"hidden_size": 8, "embedding_size": 8, "num_layers": 1}


class Case(NamedTuple):
    data: Records
    context: Context
    model: EncoderDecoder

    @property
    def preparation(self) -> Preparation:
        return self.context.preparation

    def batch(self, size: int = 5) -> PairBatch:
        source = self.preparation.source(self.data, "train", Batching(size, training=False))
        return next(iter(source.batches(0)))  # type: ignore[return-value]


def write_rows(folder: Path, rows: list[tuple[str, str]]) -> Records:
    for split in ("train", "validation"):
        text = "".join(f"{source}\t{target}\n" for source, target in [("source", "target"), *rows])
        (folder / f"{split}.tsv").write_text(text)
    return read_records(folder)


def make(folder: Path, rows: list[tuple[str, str]] = PAIRS, **parts: dict[str, Any]) -> Case:
    data = write_rows(folder, rows)
    config = resolve(TASK, [{"model": SMALL}, {"data": {"unit": "word"}}, parts])
    preparation = TASK.prepare(data, config.data)
    torch.manual_seed(0)
    model = TASK.build(preparation, config.model)
    return Case(data, config.context(preparation), model.eval())  # type: ignore[arg-type]


def test_an_empty_text_is_a_bad_row(tmp_path: Path) -> None:
    rows = [*PAIRS, ("Ein Satz.", ""), ("   ", "A sentence.")]
    case = make(tmp_path, rows)
    source = case.preparation.source(case.data, "train", Batching(2))
    assert sum(len(batch.texts) for batch in source.batches(0)) == len(PAIRS)
    assert [message.partition(": ")[2] for message in source.skipped] == [
        "`target` must be a text. Got nothing.",
        "`source` must be a text. Got nothing.",
    ]
    with pytest.raises(DataError, match=r"train\.tsv, line 7: `target` must be a text"):
        TASK.prepare(case.data._replace(strict=True), resolve(TASK, []).data)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("source\tfirst\tsecond\nHallo.\tHello.\tHi.\nJa.\tYes.\tAye.\n")
    with pytest.raises(DataError, match=r"expected columns source, target\. Got source, first, second\."):
        TASK.prepare(read_records(tmp_path), resolve(TASK, []).data)


def test_an_input_that_is_no_text_is_refused(tmp_path: Path) -> None:
    preparation = make(tmp_path).preparation
    with pytest.raises(DataError, match=r"the input must be a text that is not empty\. Got  \."):
        preparation.encode(" ")
    with pytest.raises(DataError, match=r"must be a text that is not empty\. Got 3\."):
        preparation.encode(3)  # type: ignore[arg-type]


def test_decoder_inputs_are_the_targets_after_the_end_token(tmp_path: Path) -> None:
    batch = make(tmp_path).batch()
    for inputs, targets in zip(batch.inputs, batch.targets, strict=True):
        valid = targets[targets != IGNORE_INDEX]
        assert valid[-1] == END
        assert inputs[: len(valid)].tolist() == [END, *valid[:-1].tolist()]


def test_lowercase_texts_are_read_written_and_scored(tmp_path: Path) -> None:
    case = make(tmp_path, data={"lowercase": True})
    assert (
        case.preparation.encode("ZWEI Hunde").numbers.tolist()
        == case.preparation.encode("zwei hunde").numbers.tolist()
    )
    assert all(
        text == text.lower()
        for text in case.preparation.target_vocabulary.words(range(len(case.preparation.target_vocabulary)))
    )
    loss = TASK.evaluate_batch(case.model, case.batch(), None, case.context)
    rows = seqloom.tasks.base.Rows(
        *(numpy.zeros(5), numpy.ones(5)), {k: v.numpy() for k, v in loss.counts.items()}
    )
    assert "case:lc" in TASK.details(rows)["bleu"]


@pytest.mark.parametrize("unit", ["bpe", "word", "character"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_preparation_is_restored_from_its_files(unit: str, shared: bool, tmp_path: Path) -> None:
    data = write_rows(tmp_path, PAIRS)
    config = resolve(TASK, [{"data": {"unit": unit, "shared_vocabulary": shared}}]).data
    preparation = TASK.prepare(data, config)
    for name, content in preparation.files().items():
        (tmp_path / name).write_text(content)
    restored = TASK.restore(tmp_path, config)
    assert restored.files() == preparation.files()
    assert (
        restored.encode("Anna sieht Anna").numbers.tolist()
        == preparation.encode("Anna sieht Anna").numbers.tolist()
    )
    same = (
        preparation.source_vocabulary.vocabulary.to_json()
        == preparation.target_vocabulary.vocabulary.to_json()
    )  # type: ignore[attr-defined]
    assert same == shared


def test_a_damaged_preparation_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text("{")
    with pytest.raises(RunError, match=r"tokens\.json: expected the tokens of two languages"):
        TASK.restore(tmp_path, resolve(TASK, []).data)


def test_label_smoothing_is_for_training_only(tmp_path: Path) -> None:
    smooth = make(tmp_path, model={"dropout": 0.0}, loss={"label_smoothing": 0.3})
    plain = make(tmp_path, model={"dropout": 0.0}, loss={"label_smoothing": 0.0})

    def nats(case: Case) -> float:
        return TASK.loss(case.model, case.batch(), None, case.context).nats.sum().item()

    assert nats(smooth) == nats(plain)
    smooth.model.train(), plain.model.train()
    assert nats(smooth) != nats(plain)


def test_the_loss_is_the_cross_entropy_of_each_target_token(tmp_path: Path) -> None:
    case = make(tmp_path)
    batch = case.batch()
    loss = TASK.evaluate_batch(case.model, batch, None, case.context)
    logits = case.model(batch.source, batch.source_lengths, batch.inputs)
    for row, targets in enumerate(batch.targets):
        valid = targets != IGNORE_INDEX
        log_probabilities = logits[row, valid].log_softmax(-1)
        expected = -log_probabilities.gather(1, targets[valid, None]).sum()
        torch.testing.assert_close(loss.nats[row], expected)
        assert loss.units[row] == valid.sum()


@torch.no_grad()
def test_scheduled_sampling_replaces_inputs_with_its_probability(tmp_path: Path) -> None:
    case = make(tmp_path)
    batch = case.batch()
    encoded = case.model.encode(batch.source, batch.source_lengths)
    assert torch.equal(scheduled_sampling(case.model, encoded, batch.inputs, 0.0), batch.inputs)
    predicted = scheduled_sampling(case.model, encoded, batch.inputs, 1.0)
    assert torch.equal(predicted[:, 0], batch.inputs[:, 0])
    features = case.model.decode(batch.inputs, encoded.start, encoded).features
    assert torch.equal(predicted[:, 1:], case.model.logits(features).argmax(-1)[:, :-1])
    many = PairBatch(
        *(part.repeat(200, 1) if isinstance(part, Tensor) and part.ndim == 2 else part for part in batch)
    )
    encoded = case.model.encode(many.source, batch.source_lengths.repeat(200))
    mixed = scheduled_sampling(case.model, encoded, many.inputs, 0.3)
    changeable = predicted.repeat(200, 1) != many.inputs
    share = (mixed != many.inputs)[changeable].double().mean()
    assert share == pytest.approx(0.3, abs=0.05)  # some thousand draws: 0.05 is more than 5 deviations


def test_scheduled_sampling_grows_during_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make(tmp_path, loss={"scheduled_sampling": 0.4})
    probabilities: list[float] = []

    def record(model: Any, encoded: Any, inputs: Tensor, probability: float) -> Tensor:
        probabilities.append(probability)
        return inputs

    monkeypatch.setattr("seqloom.tasks.translate.task.scheduled_sampling", record)
    case.model.train()
    for progress in (0.0, 0.5, 1.0):
        TASK.loss(case.model, case.batch(), None, case.context._replace(progress=progress))
    case.model.eval()
    TASK.loss(case.model, case.batch(), None, case.context)
    assert probabilities == pytest.approx([0.0, 0.2, 0.4])


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_row_ends_at_its_own_limit(num_beams: int, tmp_path: Path) -> None:
    case = make(tmp_path)
    with torch.no_grad():
        case.model.output_bias[END] = -50.0  # it would never end by itself
    batch = case.batch()
    encoded = case.model.encode(batch.source, batch.source_lengths)
    limits = torch.tensor([3, 7, 1, 4, 2])
    together = decode_encoded(case.model, encoded, limits, END, num_beams, 1.0)
    assert [len(row) for row in together] == limits.tolist()
    for row, length in enumerate(batch.source_lengths.tolist()):
        alone = case.model.encode(batch.source[row : row + 1, :length], [length])
        assert decode_encoded(case.model, alone, limits[row : row + 1], END, num_beams, 1.0) == [
            together[row]
        ]


@pytest.mark.parametrize("attention", ["dot", "none"])
def test_attention_weights_are_returned_on_request(attention: str, tmp_path: Path) -> None:
    case = make(tmp_path, model={"attention": attention})
    items = [case.preparation.encode(text) for text in ("Anna schläft.", "Ein Mann sieht zwei Hunde.")]
    plain = TASK.predict(case.model, items, case.context)
    assert all("attention" not in details for _, details in plain)
    context = case.context._replace(decoding=TASK.DecodingConfig(attention=True))
    for (text, details), item in zip(TASK.predict(case.model, items, context), items, strict=True):
        assert details["translation"] == text
        assert len(details["source_tokens"]) == len(item.numbers)
        assert ("attention" in details) == (attention == "dot")
        if attention == "dot":
            weights = numpy.array(details["attention"])
            assert weights.shape == (len(details["tokens"]), len(item.numbers))
            numpy.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)  # float32
        json.dumps(dict(details))


def test_the_translation_memory_answers_with_the_nearest_neighbor(tmp_path: Path) -> None:
    case = make(tmp_path)
    baseline = TASK.baseline(case.preparation, case.data, "validation")
    assert baseline is not None
    scores = TASK.score(baseline.rows, "word")
    assert scores == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}  # the same pairs
    assert nearest_neighbors([source for source, _ in PAIRS], ["Der Mann.", "Ein Hund.", "Anna!"]) == [
        3,
        1,
        4,
    ]
    assert TASK.baseline(case.preparation, case.data, "all") is None


def test_it_learns_its_toy_data(tmp_path: Path) -> None:
    """A few seconds are enough to leave the translation memory behind."""
    TASK.write_toy_data(tmp_path, 0)
    settings = [
        "data.unit=word",
        "model.hidden_size=96",
        "model.embedding_size=96",
        "model.num_layers=1",
        "model.dropout=0.1",
        "training.learning_rate=5e-3",
        "training.batch_size=16",
        "training.max_steps=250",
        "training.validate_every=250",
        "training.precision=float32",
    ]
    folder, report = train(tmp_path, task="translate", settings=settings, out=tmp_path / "run")
    assert report.is_better
    assert report.metrics["bleu"] > 95
    loaded = seqloom.load(folder)
    greedy, beams = (loaded.predict(["the old dog sees a boat"], num_beams=n)[0].text for n in (1, 4))
    assert greedy == beams == "ka vako ur o lumo nalat"
