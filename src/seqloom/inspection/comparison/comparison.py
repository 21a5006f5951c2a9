"""The table of a comparison: text, JSON, a page."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from seqloom.inspection.comparison.measures import StepCost
from seqloom.inspection.comparison.runs import Result
from seqloom.inspection.comparison.statistics import Difference, compare_means, spread
from seqloom.inspection.comparison.variants import Variant

HEADER = ("", "units", "parameters", "score", "ms a step", "MB a step", "steps to target", "reach")


class Row(NamedTuple):
    """A variant with what was measured of it."""

    variant: Variant
    results: tuple[Result, ...]
    """One a seed"""
    cost: StepCost
    steps_to_target: tuple[int | None, ...]
    """For each seed the first validation that reached the target; None: none did"""
    reach: tuple[int, int] | None
    """See `gradient_reach`; the median over seeds"""

    @property
    def scores(self) -> list[float]:
        """One a seed."""
        return [result.score for result in self.results]


class Comparison(NamedTuple):
    """Variants side by side."""

    data: str
    task: str
    split: str
    metric: str
    higher_is_better: bool
    equal: str
    seeds: int
    target: float
    """The score on the validation split that `steps_to_target` counts to"""
    baseline: float | None
    rows: tuple[Row, ...]

    @property
    def differences(self) -> list[Difference]:
        """Of every two, the better one first."""
        return compare_means({row.variant.name: row.scores for row in self.rows}, self.higher_is_better)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "data": self.data,
            "task": self.task,
            "split": self.split,
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "equal": self.equal,
            "seeds": self.seeds,
            "target": self.target,
            "baseline": self.baseline,
            "variants": [_row_json(row) for row in self.rows],
            "differences": [
                {**pair._asdict(), "larger_than_spread": pair.is_larger_than_spread}
                for pair in self.differences
            ],
        }

    def table(self) -> list[tuple[str, ...]]:
        """The cells of `HEADER`'s columns, a row a variant."""
        return [_cells(row) for row in self.rows]

    def lines(self) -> list[str]:
        """What the table needs said, a sentence a line: the metric, the target, and the differences.

        Of those that are no larger than the seeds' spread the largest is named, and how many there are.
        """
        seeds = f"{self.seeds} seeds" if self.seeds > 1 else "1 seed"
        better = "more" if self.higher_is_better else "less"
        baseline = "" if self.baseline is None else f"; the baseline has {self.baseline:.4f}"
        equal = "parameters of the whole model" if self.equal == "parameters" else "width"
        names = [row.variant.name for row in self.rows if row.variant.without_chrono_init]
        omitted = f"; {', '.join(names)} without model.chrono_init, which needs gates" if names else ""
        return [
            f"{self.data} ({self.task}): equal {equal}, {seeds}{omitted}.",
            f"score: {self.metric} on the {self.split} split, {better} is better: "
            f"mean and standard deviation over seeds{baseline}.",
            f"target: {self.target:.4f} on the validation split, the best that all of them reach on average.",
            "reach: steps back until the gradient of the last state is below 1 % of that at lag 0.",
            *(pair.describe(self.metric) for pair in self.differences if not _is_chance(pair)),
            *self._lines_of_chance(),
        ]

    def _lines_of_chance(self) -> list[str]:
        pairs = [pair for pair in self.differences if _is_chance(pair)]
        if not pairs:
            return []
        largest = max(pairs, key=lambda pair: pair.difference)
        rest = f"No larger are those of {len(pairs) - 1} more pair(s): --json has them."
        return [largest.describe(self.metric), *([rest] if len(pairs) > 1 else [])]


def _is_chance(pair: Difference) -> bool:
    return pair.is_larger_than_spread is False


def make_comparison(
    place: tuple[str, str, str], results: list[tuple[Variant, list[Result], StepCost, Any]], seeds: int
) -> Comparison:
    """Put together what was measured.

    Args:
        place: data, task, and what is equal.
        results: for each variant what its runs gave, what a step costs, and the reach of its gradient.
        seeds: how many.
    """
    first = results[0][1][0]
    higher = first.higher_is_better
    target = _target([runs for _, runs, _, _ in results], higher)
    rows = tuple(
        Row(variant, tuple(runs), cost, tuple(_steps_to(run, target) for run in runs), reach)
        for variant, runs, cost, reach in results
    )
    data, task, equal = place
    return Comparison(
        data, task, first.split, first.metric, higher, equal, seeds, target, first.baseline, rows
    )


def _target(results: list[list[Result]], higher: bool) -> float:
    """The best validation score of the variant whose best, on average over seeds, is worst."""
    best = max if higher else min
    means = [
        statistics.fmean(best((score for _, score in run.validated), default=run.score) for run in runs)
        for runs in results
    ]
    return min(means) if higher else max(means)


def _steps_to(result: Result, target: float) -> int | None:
    steps = (
        step
        for step, score in result.validated
        if (score >= target if result.higher_is_better else score <= target)
    )
    return next(steps, None)


def _cells(row: Row) -> tuple[str, ...]:
    deviation = spread(row.scores)
    score = f"{statistics.fmean(row.scores):.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")
    reached = [steps for steps in row.steps_to_target if steps is not None]
    steps = f"{statistics.fmean(reached):,.0f}" if reached else "never"
    if reached and len(reached) < len(row.steps_to_target):
        steps += f" ({len(reached)} of {len(row.steps_to_target)})"
    return (
        row.variant.name,
        f"{row.variant.hidden_size:,}",
        f"{parameters:,}" if (parameters := row.variant.parameters) < 1e6 else f"{parameters / 1e6:.2f} M",
        score,
        f"{1000 * row.cost.seconds:.1f}",
        f"{row.cost.saved_bytes / 1e6:.1f}",
        steps,
        describe_reach(row.reach),
    )


def describe_reach(reach: tuple[int, int] | None) -> str:
    """A lag, or all that there are.

    >>> describe_reach((12, 40)), describe_reach((40, 40)), describe_reach(None)
    ('12', 'all 40', '-')
    """
    if reach is None:
        return "-"
    lag, longest = reach
    return f"all {longest}" if lag == longest else f"{lag}"


def _row_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.variant.name,
        **row.variant._asdict(),
        "scores": row.scores,
        "mean": statistics.fmean(row.scores),
        "standard_deviation": spread(row.scores),
        "seconds_per_step": row.cost.seconds,
        "seconds_per_step_least_most": list(row.cost.spread),
        "saved_bytes_per_step": row.cost.saved_bytes,
        "steps_to_target": list(row.steps_to_target),
        "gradient_reach_steps": None if row.reach is None else row.reach[0],
        "longest_lag_steps": None if row.reach is None else row.reach[1],
    }
