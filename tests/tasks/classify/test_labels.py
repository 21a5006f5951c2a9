"""Labels: the loss of a row, and the counts of accuracy, F1 and mistakes."""

from __future__ import annotations

import json
import math

import numpy
import pytest
import torch
from torch.nn import functional as F

from seqloom.tasks.base import Rows
from seqloom.tasks.classify.labels import Labels, compute_loss, count_predictions
from seqloom.tasks.classify.task import Classify

TASK = Classify()
SINGLE = Labels(("a", "b", "c"), multi_label=False, counts=(4, 3, 1), examples=8)
MULTI = Labels(("a", "b", "c"), multi_label=True, counts=(4, 8, 1), examples=8)


@pytest.mark.parametrize("labels", [SINGLE, MULTI], ids=["single", "multi-label"])
def test_the_loss_term_by_term(labels: Labels) -> None:
    """Cross-entropy, with the smoothed target and the weight n / (K n_k) of its class, term by term."""
    scores = torch.randn(5, 3, dtype=torch.float64)
    targets = torch.tensor([0, 2, 1, 1, 0])
    if labels.multi_label:
        targets = torch.tensor([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]).float()
    for smoothing, balanced in ((0.0, False), (0.2, False), (0.0, True), (0.2, True)):
        expected = []
        for row, target in zip(scores, targets, strict=True):
            if labels.multi_label:
                nats = 0.0
                for score, target_value, count in zip(
                    row.sigmoid().tolist(), target.tolist(), labels.counts, strict=True
                ):
                    smoothed = target_value * (1 - smoothing) + smoothing / 2
                    class_count = count if target_value else max(8 - count, 1)
                    weight = 8 / (2 * class_count) if balanced else 1
                    nats -= weight * (smoothed * math.log(score) + (1 - smoothed) * math.log(1 - score))
            else:
                logs, number = row.log_softmax(-1).tolist(), int(target)
                nats = -(1 - smoothing) * logs[number] - smoothing * sum(logs) / 3
                nats *= 8 / (3 * labels.counts[number]) if balanced else 1
            expected.append(nats)
        losses = compute_loss(scores, targets, labels, smoothing, balanced)
        # float64 sums of three terms
        torch.testing.assert_close(
            losses, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12
        )


def test_balanced_weights_are_one_on_average() -> None:
    targets = torch.tensor([0] * 4 + [1] * 3 + [2])
    plain = compute_loss(torch.zeros(8, 3), targets, SINGLE)
    balanced = compute_loss(torch.zeros(8, 3), targets, SINGLE, balanced=True)
    assert balanced.mean().item() == pytest.approx(plain.mean().item(), rel=1e-6)  # float32
    by_class = torch.zeros(3).index_add(0, targets, balanced)
    torch.testing.assert_close(by_class, by_class.mean().expand(3))


@pytest.mark.parametrize("labels", [SINGLE, MULTI], ids=["single", "multi-label"])
def test_scores_from_the_counts_of_predictions(labels: Labels) -> None:
    scores, targets = torch.randn(60, 3), torch.randint(3, (60,))
    if labels.multi_label:
        targets = torch.randint(2, (60, 3)).float()
    loss = count_predictions(scores, targets, [""] * 60, labels)
    counts = {name: values.numpy() for name, values in loss.counts.items()}
    metrics = TASK.score(Rows(loss.nats.numpy(), loss.units.numpy(), counts), "example")
    if labels.multi_label:
        correct = ((scores > 0) == (targets > 0.5)).all(1)
        nats = F.binary_cross_entropy_with_logits(scores, targets).item() * 3
    else:
        correct = scores.argmax(-1) == targets
        nats = F.cross_entropy(scores, targets).item()
    micro = ["micro_f1"] if labels.multi_label else []
    assert list(metrics) == ["loss_nats_per_example", "accuracy", *micro, "macro_f1"]
    assert metrics["accuracy"] == pytest.approx(correct.float().mean().item())
    assert metrics["loss_nats_per_example"] == pytest.approx(nats, rel=1e-5)  # float32


def test_details_have_the_confusion_and_the_worst_mistakes() -> None:
    scores = torch.tensor([[9.0, 0, 0], [0, 3, 0], [0, 9, 0], [0, 0, 5]])
    loss = count_predictions(scores, torch.tensor([0, 0, 0, 2]), ["w", "x", "y", "z"], SINGLE)
    details = TASK.details(Rows(loss.nats.numpy(), loss.units.numpy(), outputs=loss.outputs))
    assert details["confusion"] == {"a": {"a": 1, "b": 2}, "c": {"c": 1}}
    assert [(m["input"], m["label"], m["predicted"]) for m in details["worst_mistakes"]] == [
        ("y", "a", "b"),
        ("x", "a", "b"),
    ]
    assert details["worst_mistakes"][0]["nats"] == pytest.approx(math.log(2 + math.exp(9)), rel=1e-6)
    json.dumps(details)
    assert TASK.details(Rows(numpy.zeros(2), numpy.ones(2))) == {"confusion": {}, "worst_mistakes": []}
