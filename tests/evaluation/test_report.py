"""When a report calls a model better than its baseline, and what it looks like as JSON."""

from __future__ import annotations

import json

import pytest

from seqloom.evaluation.report import Report, describe_baseline, verdict
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
        remarks=["passed over 1: notes.md"],
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


@pytest.mark.parametrize(
    ("difference", "higher_is_better", "is_better"),
    [
        ((0.01, 0.2), True, True),
        ((-0.01, 0.2), True, False),
        ((0.01, 0.2), False, False),
        ((-0.2, -0.01), False, True),
    ],
)
def test_where_rows_are_matched_their_difference_decides(
    difference: tuple[float, float], higher_is_better: bool, is_better: bool
) -> None:
    paired = report(0.6, 0.8, 0.65, higher_is_better)._replace(difference=difference)
    assert paired.is_better is is_better
    assert paired.to_dict()["difference"] == list(difference)


def test_as_json_it_counts_skipped_rows_and_shows_the_first_five() -> None:
    content = json.loads(json.dumps(report(0.6, 0.8, 0.5, True).to_dict()))
    assert content["skipped"] == {"rows": 7, "first": [f"row {number}" for number in range(5)]}
    assert content["baseline"] == {"name": "majority", "score": 0.5, "seconds": 0.0, "fitted_on": None}
    assert content["remarks"] == ["passed over 1: notes.md"]
    assert content["interval"] == {"score": [0.6, 0.8]}
    assert content["better_than_baseline"] is True
    assert report(0.6, 0.8, None, True).to_dict()["baseline"] == {}


def test_it_says_how_long_the_baseline_took_and_whether_it_was_cut() -> None:
    whole = report(0.6, 0.8, 0.5, True)._replace(baseline_seconds=1.26)
    assert describe_baseline(whole) == "The baseline took 1.3 s."
    cut = whole._replace(baseline_fitted_on="40,000 of 1,000,000 rows")
    assert describe_baseline(cut) == "The baseline took 1.3 s: it was fitted on 40,000 of 1,000,000 rows."
    assert cut.to_dict()["baseline"]["fitted_on"] == "40,000 of 1,000,000 rows"
    assert cut.to_dict()["baseline"]["seconds"] == 1.26


def test_its_verdict_is_a_sentence() -> None:
    assert verdict(report(0.6, 0.8, 0.5, True)) == "The model is better than the baseline, majority."
    assert verdict(report(0.6, 0.8, None, True)) == "There is no baseline for this split."
    assert verdict(report(0.6, 0.8, 0.7, True)).startswith("The model is not better than the baseline")
    ahead = verdict(report(0.6, 0.8, 0.65, True))
    assert ahead.startswith("The model is ahead of the baseline, majority, but that may be chance: ")
    assert "chance: the interval of its score holds the baseline's. Train it longer" in ahead
    assert verdict(report(0.6, 0.8, 0.75, True)).startswith("The model is not better than the baseline")
    paired = report(0.6, 0.8, 0.65, True)._replace(difference=(0.01, 0.2))
    expected = "The model is better than the baseline, majority, by 0.01 to 0.2 in score."
    assert verdict(paired) == expected
    assert "the interval of the difference holds 0." in verdict(paired._replace(difference=(-0.01, 0.2)))
