"""When a report calls a model better than its baseline, and what it looks like as JSON."""

from __future__ import annotations

import json

import pytest

from seqloom.evaluation.report import Report
from seqloom.tasks.base import Metric


def report(low: float, high: float, baseline: float | None, higher_is_better: bool) -> Report:
    return Report(
        task="classify",
        data="reviews.csv",
        split="test",
        metrics={"score": (low + high) / 2},
        baseline_name=None if baseline is None else "majority",
        baseline={} if baseline is None else {"score": baseline},
        interval={"score": (low, high)},
        primary_metric=Metric("score", higher_is_better),
        skipped=[f"row {number}" for number in range(7)],
    )


@pytest.mark.parametrize(
    ("baseline", "higher_is_better", "is_better"),
    [
        (0.5, True, True),
        (0.65, True, False),  # within the interval
        (0.9, True, False),
        (0.9, False, True),
        (0.75, False, False),
        (0.5, False, False),
        (None, True, None),
    ],
)
def test_a_model_is_better_if_its_whole_interval_is(
    baseline: float | None, higher_is_better: bool, is_better: bool | None
) -> None:
    assert report(0.6, 0.8, baseline, higher_is_better).is_better is is_better


def test_as_json_it_counts_skipped_rows_and_shows_the_first_five() -> None:
    content = json.loads(json.dumps(report(0.6, 0.8, 0.5, True).to_dict()))
    assert content["skipped"] == {"rows": 7, "first": [f"row {number}" for number in range(5)]}
    assert content["baseline"] == {"name": "majority", "score": 0.5}
    assert content["interval"] == {"score": [0.6, 0.8]}
    assert content["better_than_baseline"] is True
    assert report(0.6, 0.8, None, True).to_dict()["baseline"] == {}
