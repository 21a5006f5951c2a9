"""Labels: what an example costs, and accuracy, F1 and notes from what is counted."""

from __future__ import annotations

import json
import math

import numpy
import pytest
import torch
from sklearn.metrics import f1_score
from torch.nn import functional as F

from seqloom.tasks.base import Rows
from seqloom.tasks.classify.labels import Labels, chosen_of, f1_of, measured, nats_of
from seqloom.tasks.classify.task import Classify

TASK = Classify()
ONE = Labels(("a", "b", "c"), several=False, counts=(4, 3, 1), examples=8)
SEVERAL = Labels(("a", "b", "c"), several=True, counts=(4, 8, 1), examples=8)


@pytest.mark.parametrize("labels", [ONE, SEVERAL], ids=["one", "several"])
def test_what_an_example_costs(labels: Labels) -> None:
    """Cross-entropy, with the smoothed target and the weight n / (K n_k) of its class, term by term."""
    scores = torch.randn(5, 3, dtype=torch.float64)
    targets = torch.tensor([0, 2, 1, 1, 0])
    if labels.several:
        targets = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]).float()
    for smoothing, balanced in ((0.0, False), (0.2, False), (0.0, True), (0.2, True)):
        expected = []
        for row, target in zip(scores, targets, strict=True):
            if labels.several:
                nats = 0.0
                for score, there, count in zip(
                    row.sigmoid().tolist(), target.tolist(), labels.counts, strict=True
                ):
                    aim = there * (1 - smoothing) + smoothing / 2
                    own = count if there else max(8 - count, 1)
                    weight = 8 / (2 * own) if balanced else 1
                    nats -= weight * (aim * math.log(score) + (1 - aim) * math.log(1 - score))
            else:
                logs, number = row.log_softmax(-1).tolist(), int(target)
                nats = -(1 - smoothing) * logs[number] - smoothing * sum(logs) / 3
                nats *= 8 / (3 * labels.counts[number]) if balanced else 1
            expected.append(nats)
        found = nats_of(scores, targets, labels, smoothing, balanced)
        # float64 sums of three terms
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_balanced_weights_are_one_on_average() -> None:
    targets = torch.tensor([0] * 4 + [1] * 3 + [2])
    plain = nats_of(torch.zeros(8, 3), targets, ONE)
    balanced = nats_of(torch.zeros(8, 3), targets, ONE, balanced=True)
    assert balanced.mean().item() == pytest.approx(plain.mean().item(), rel=1e-6)  # float32
    by_class = torch.zeros(3).index_add(0, targets, balanced)
    torch.testing.assert_close(by_class, by_class.mean().expand(3))


@pytest.mark.parametrize("labels", [ONE, SEVERAL], ids=["one", "several"])
def test_scores_are_those_of_scikit_learn(labels: Labels) -> None:
    scores, targets = torch.randn(60, 3), torch.randint(3, (60,))
    if labels.several:
        targets = torch.randint(2, (60, 3)).float()
    loss = measured(scores, targets, [""] * 60, labels)
    rows = Rows(
        loss.nats.numpy(), loss.units.numpy(), {name: values.numpy() for name, values in loss.counts.items()}
    )
    found = TASK.score(rows, "example")
    said = chosen_of(scores, labels).numpy() if labels.several else scores.argmax(-1).numpy()
    assert found["macro_f1"] == pytest.approx(f1_score(targets.numpy(), said, average="macro"), abs=1e-12)
    assert found["accuracy"] == pytest.approx((said == targets.numpy()).reshape(60, -1).all(1).mean())
    assert next(iter(found)) == "loss_nats_per_example"
    if labels.several:
        assert found["micro_f1"] == pytest.approx(f1_score(targets.numpy(), said, average="micro"), abs=1e-12)
        assert found["loss_nats_per_example"] == pytest.approx(
            F.binary_cross_entropy_with_logits(scores, targets).item() * 3, rel=1e-5
        )
    else:
        assert "micro_f1" not in found
        assert found["loss_nats_per_example"] == pytest.approx(
            F.cross_entropy(scores, targets).item(), rel=1e-5
        )


def test_a_label_that_is_nowhere_has_no_f1() -> None:
    nothing = numpy.zeros((4, 3), dtype=bool)
    there = nothing.copy()
    there[:, 0] = True
    counted = {"actual": there, "chosen": there, "both": there}
    assert f1_of(Rows(numpy.zeros(4), numpy.ones(4), counted)) == {"macro_f1": 1.0}
    empty = {"actual": nothing, "chosen": nothing, "both": nothing, "several": numpy.ones(4, dtype=bool)}
    assert f1_of(Rows(numpy.zeros(4), numpy.ones(4), empty)) == {"micro_f1": 0.0, "macro_f1": 0.0}


def test_notes_show_what_was_taken_for_what_and_the_worst_mistakes() -> None:
    scores = torch.tensor([[9.0, 0, 0], [0, 3, 0], [0, 9, 0], [0, 0, 5]])
    loss = measured(scores, torch.tensor([0, 0, 0, 2]), ["w", "x", "y", "z"], ONE)
    notes = TASK.notes(Rows(loss.nats.numpy(), loss.units.numpy(), outputs=loss.outputs))
    assert notes["confusion"] == {"a": {"a": 1, "b": 2}, "c": {"c": 1}}
    assert [(m["input"], m["label"], m["predicted"]) for m in notes["worst_mistakes"]] == [
        ("y", "a", "b"),
        ("x", "a", "b"),
    ]
    assert notes["worst_mistakes"][0]["nats"] == pytest.approx(math.log(2 + math.exp(9)), rel=1e-6)
    json.dumps(notes)
    assert TASK.notes(Rows(numpy.zeros(2), numpy.ones(2))) == {"confusion": {}, "worst_mistakes": []}
