"""The task `tag`: its loss, its metrics and its baseline by hand, and its answers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy
import pytest
import torch

from seqloom.data.batching import Batching
from seqloom.data.tables.records import Records
from seqloom.tasks.base import Rows
from seqloom.tasks.tag.config import DataConfig
from seqloom.tasks.tag.preparation import Preparation

from .sentences import OTHERS, TASK, batch_of, build, context, write_rows


def test_it_accepts_records_with_tokens_and_tags_only(data: Records) -> None:
    assert TASK.accepts(data) == "records with columns tokens and tags"
    assert TASK.accepts(data._replace(columns=("tokens", "label"))) is None
    assert TASK.accepts("a text") is None


@pytest.mark.parametrize("crf", [True, False])
def test_the_loss_is_the_negative_log_likelihood_of_a_sentence(
    data: Records, preparation: Preparation, crf: bool
) -> None:
    model, batch = build(preparation, crf=crf), batch_of(preparation, data)
    loss = TASK.loss(model, batch, None, context(preparation))
    for row, length in enumerate(batch.lengths.tolist()):
        emissions = model(batch.words, batch.lengths, None, batch.characters).emissions[row, :length]
        tags = batch.tags[row, :length]
        if model.crf is None:
            expected = -emissions.log_softmax(-1)[torch.arange(length), tags].sum()
        else:
            expected = -model.crf(emissions.unsqueeze(0), tags.unsqueeze(0))[0]
        torch.testing.assert_close(loss.nats[row], expected)
    assert loss.units.tolist() == batch.lengths.tolist()
    assert int(loss.units.sum()) == 15


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_metrics_and_answers_do_not_depend_on_the_batch(
    data: Records, preparation: Preparation, crf: bool, bidirectional: bool
) -> None:
    model = build(preparation, crf=crf, bidirectional=bidirectional, num_layers=2)
    settings = context(preparation)
    found = []
    for size in (1, 3, 64):
        source = preparation.source(data, "all", Batching(size, training=False))
        parts = [TASK.evaluate_batch(model, batch, None, settings) for batch in source.batches(0)]
        order = {
            tuple(output["tokens"]): number
            for number, output in enumerate(o for p in parts for o in p.outputs)
        }
        rows = [order[tuple(example.fields["tokens"])] for example in data.examples("all")]
        counted = {name: torch.cat([part.counts[name] for part in parts])[rows] for name in parts[0].counts}
        found.append((torch.cat([part.nats for part in parts])[rows], counted))
    for nats, counted in found[1:]:
        # float64, a few additions in another order
        torch.testing.assert_close(nats, found[0][0], rtol=0, atol=1e-10)
        assert {name: values.tolist() for name, values in counted.items()} == {
            name: values.tolist() for name, values in found[0][1].items()
        }
    items = [preparation.encode(example.fields["tokens"]) for example in data.examples("all")]
    alone = [TASK.predict(model, [item], settings)[0] for item in items]
    assert TASK.predict(model, items, settings) == alone


def test_evaluation_counts_the_predicted_tags(data: Records, preparation: Preparation) -> None:
    model, settings = build(preparation), context(preparation)
    batch = batch_of(preparation, data, "validation")
    loss = TASK.evaluate_batch(model, batch, None, settings)
    for row, output in enumerate(loss.outputs):
        (answer,) = TASK.predict(model, [preparation.encode(output["tokens"])], settings)
        assert answer.details["tags"] == output["tags"]
        right = sum(one == other for one, other in zip(output["tags"], output["expected"], strict=True))
        assert int(loss.counts["correct_tags"][row]) == right
        assert int(loss.counts["predicted"][row]) == len(answer.details["entities"])
    assert {tuple(output["tokens"]): output["expected"] for output in loss.outputs} == {
        tuple(tokens.split()): tags.split() for tokens, tags in OTHERS
    }


def test_rare_word_dropout_is_active_in_training_only(data: Records, preparation: Preparation) -> None:
    model, batch, settings = build(preparation), batch_of(preparation, data), context(preparation)
    seen: list[torch.Tensor] = []
    model.register_forward_hook(lambda module, arguments, output: seen.append(arguments[0]))
    TASK.loss(model, batch, None, settings)
    assert torch.equal(seen[-1], batch.words)
    model.train()
    for _ in range(200):
        TASK.loss(model, batch, None, settings)
    rare = preparation.seen_once[batch.words] & (torch.arange(6) < batch.lengths.unsqueeze(1))
    changed = torch.stack([words != batch.words for words in seen[1:]])
    assert not changed[:, ~rare].any()
    # 200 draws each for 7 words, of chance one half: four standard errors
    assert changed[:, rare].float().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / 1400**0.5)
    TASK.loss(model, batch, None, context(preparation, rare_word_dropout=0.0))
    assert torch.equal(seen[-1], batch.words)


def test_an_answer_has_tags_and_entities(preparation: Preparation) -> None:
    model = build(preparation, crf=False)
    torch.nn.init.zeros_(model.output.weight)
    model.output.bias.data = torch.tensor([0.0, 2.0, 0.0, 1.0]).double()  # every tag B-PER
    one, other = TASK.predict(
        model, [preparation.encode("Anna  sang\n"), preparation.encode(["New York"])], context(preparation)
    )
    assert one.text == "B-PER B-PER"
    assert one.details == {
        "tokens": ["Anna", "sang"],
        "tags": ["B-PER", "B-PER"],
        "entities": [
            {"type": "PER", "start": 0, "stop": 1, "text": "Anna"},
            {"type": "PER", "start": 1, "stop": 2, "text": "sang"},
        ],
    }
    assert other.details["tokens"] == ["New York"]
    json.dumps(one.details)


def test_metrics_have_their_usual_names() -> None:
    nats, units = numpy.array([2.0, 4.0]), numpy.array([4, 8])
    assert TASK.score(Rows(nats, units), "token") == {"loss_nats_per_token": 0.5}
    counted = {"correct_tags": numpy.array([4, 5])}
    assert TASK.score(Rows(nats, units, counted), "token") == {"loss_nats_per_token": 0.5, "accuracy": 0.75}
    counted |= {
        "expected": numpy.array([1, 3]),
        "predicted": numpy.array([0, 2]),
        "correct": numpy.array([0, 1]),
    }
    assert TASK.score(Rows(nats, units, counted), "token") == {
        "loss_nats_per_token": 0.5,
        "accuracy": 0.75,
        "precision": 0.5,
        "recall": 0.25,
        "f1": pytest.approx(1 / 3),
    }


def test_the_primary_metric_is_f1_if_there_are_entities() -> None:
    assert TASK.primary_metric({"loss_nats_per_token": 1.0, "accuracy": 0.9, "f1": 0.5}) == ("f1", True)
    assert TASK.primary_metric({"loss_nats_per_token": 1.0, "accuracy": 0.9}) == ("accuracy", True)


def test_tags_that_are_not_bio_have_no_entities(tmp_path: Path) -> None:
    rows = [("the dog barks", "DET NOUN VERB"), ("the bark", "DET NOUN")]
    data = write_rows(tmp_path, train=rows, validation=rows)
    preparation = TASK.prepare(data, DataConfig())
    model, settings = build(preparation), context(preparation)
    loss = TASK.evaluate_batch(model, batch_of(preparation, data), None, settings)
    assert list(loss.counts) == ["correct_tags"]
    assert list(TASK.predict(model, [preparation.encode("the dog")], settings)[0].details) == [
        "tokens",
        "tags",
    ]
    outputs = [{"expected": ["DET", "NOUN"], "tags": ["DET", "VERB"]}]
    found = TASK.details(Rows(numpy.ones(1), numpy.ones(1), {"correct_tags": numpy.ones(1)}, outputs))[
        "by_tag"
    ]
    assert {tag: figures["recall"] for tag, figures in found.items()} == {"DET": 1, "NOUN": 0, "VERB": 0}


def test_details_have_the_metrics_of_each_type(data: Records, preparation: Preparation) -> None:
    loss = TASK.evaluate_batch(build(preparation), batch_of(preparation, data), None, context(preparation))
    counted = {name: values.numpy() for name, values in loss.counts.items()}
    rows = Rows(loss.nats.detach().numpy(), loss.units.numpy(), counted, loss.outputs)
    found = TASK.details(rows)["by_type"]
    assert {kind: figures["expected"] for kind, figures in found.items() if figures["expected"]} == {
        "LOC": 2,
        "PER": 3,
    }
    json.dumps(found)


def test_the_baseline_by_hand(data: Records, preparation: Preparation) -> None:
    baseline = TASK.baseline(preparation, data, "validation")
    assert baseline is not None
    assert baseline.name == "most frequent tag of each word"
    counts = {"B-LOC": 2, "B-PER": 3, "I-PER": 1, "O": 9}
    share = {tag: (count + 1) / (15 + 4) for tag, count in counts.items()}

    def nats(there: int, of: int, tag: str) -> float:
        return -math.log((there + share[tag]) / (of + 1))

    expected = [
        nats(2, 2, "B-LOC") + nats(3, 3, "O"),
        # Bob and rain are unknown; training's Berg is once I-PER, its `in` and `saw` once O.
        nats(0, 0, "B-PER") + nats(1, 1, "O") + nats(3, 3, "B-PER") + nats(1, 1, "I-PER")
        + nats(1, 1, "O") + nats(0, 0, "O"),
        nats(0, 3, "O"),
    ]  # fmt: skip
    numpy.testing.assert_allclose(baseline.rows.nats, expected, rtol=1e-12)
    assert baseline.rows.units.tolist() == [2, 6, 1]
    counted = {name: values.tolist() for name, values in baseline.rows.counts.items()}
    # Bob is taken for O, and Anna, who is not a person in the last row, for one.
    assert counted == {
        "correct_tags": [2, 5, 0],
        "expected": [1, 2, 0],
        "predicted": [1, 1, 1],
        "correct": [1, 1, 0],
    }


def test_the_baseline_works_for_any_split(data: Records, preparation: Preparation) -> None:
    baseline = TASK.baseline(preparation, data, "all")
    assert baseline is not None
    assert baseline.rows.units.sum() == 24
