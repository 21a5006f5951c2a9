"""From forecasts to sums over rows, and from these to metrics by their usual names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from seqloom.metrics.forecast import bands, errors
from seqloom.tasks.base import Rows
from seqloom.tasks.forecast.predicting import QUANTILE_LEVELS, Predicted
from seqloom.tasks.forecast.reference import Reference


def count_forecasts(
    y: numpy.ndarray, predicted: Predicted, reference: Reference, levels: Sequence[float]
) -> dict[str, numpy.ndarray]:
    """The sums (B,) or (B, k) over the observed steps of each row that metrics are made of.

    Args:
        y: (B, h) what came; NaN where nothing was observed.
        predicted: the forecasts.
        reference: what MASE and OWA are relative to.
        levels: of bands, in percent.
    """
    counts = errors.count_errors(y, predicted.center, reference.scales, reference.naive2)
    chosen = [predicted.levels.index(level) for level in QUANTILE_LEVELS]
    counts |= errors.count_quantile_losses(y, predicted.quantiles[..., chosen], QUANTILE_LEVELS)
    counts["undefined"] = numpy.isnan(reference.scales).astype(numpy.float64)
    if predicted.has_bands:
        low, high = (numpy.stack(ends, -1) for ends in zip(*map(predicted.band, levels), strict=True))
        counted = bands.count_coverage(y, low, high)
        for number, level in enumerate(levels):
            counts[f"covered_{level:g}"] = counted["covered"][:, number]
            counts[f"width_{level:g}"] = counted["width"][:, number]
    return counts


def forecast_scores(rows: Rows) -> dict[str, float]:
    """Metrics of rows, without those that are undefined."""
    if "absolute_error" not in rows.counts:
        return {}
    totals = {name: rows.total(name) for name in rows.counts}
    scores = errors.scores(totals)
    for name in totals:
        kind, _, level = name.partition("_")
        if kind == "covered":
            sums = numpy.array([totals[name]]), numpy.array([totals[f"width_{level}"]])
            scores |= bands.coverage_scores(*sums, float(totals["steps"]), [float(level)])
    return scores
