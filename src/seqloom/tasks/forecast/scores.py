"""From forecasts to sums over rows, and from these to metrics by their usual names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy

from seqloom.tasks.base import Rows
from seqloom.tasks.forecast.predicting import QUANTILE_LEVELS, Predicted
from seqloom.tasks.forecast.reference import Reference


def count_errors(
    y: numpy.ndarray, predicted: Predicted, reference: Reference | None, bands: Sequence[float]
) -> dict[str, numpy.ndarray]:
    """The sums (B,) or (B, k) over the observed steps of each row that metrics are made of.

    Args:
        y: (B, h) what came; NaN where nothing was observed.
        predicted: the forecasts.
        reference: what MASE and OWA are relative to.
        bands: levels, in percent.
    """
    seen = ~numpy.isnan(y)
    target = numpy.where(seen, y, 0.0)
    error = numpy.where(seen, target - predicted.center, 0.0)
    size = numpy.abs(target) + numpy.abs(predicted.center)
    relative = numpy.divide(200 * numpy.abs(error), size, out=numpy.zeros_like(size), where=seen & (size > 0))
    counts = {
        "absolute_error": numpy.abs(error).sum(1),
        "squared_error": (error**2).sum(1),
        "absolute_target": numpy.abs(target).sum(1),
        "smape": relative.sum(1),
    }
    if reference is not None:
        counts |= _count_relative(counts, seen.sum(1), reference)
    chosen = [predicted.levels.index(level) for level in QUANTILE_LEVELS]
    levels = numpy.array(QUANTILE_LEVELS)
    difference = target[..., None] - predicted.quantiles[..., chosen]
    pinball = numpy.maximum(levels * difference, (levels - 1) * difference)
    counts["pinball"] = (pinball * seen[..., None]).sum(1)
    if predicted.has_bands:
        for level in bands:
            low, high = predicted.band(level)
            counts[f"covered_{level:g}"] = (seen & (low <= target) & (target <= high)).sum(1)
            counts[f"width_{level:g}"] = numpy.where(seen, high - low, 0.0).sum(1)
    return counts


def _count_relative(
    counts: Mapping[str, numpy.ndarray], steps: numpy.ndarray, reference: Reference
) -> dict[str, numpy.ndarray]:
    defined = reference.seasonal_error > 0
    scale = numpy.where(defined, reference.seasonal_error, 1.0)
    compared = defined & ~numpy.isnan(reference.naive2_smape)
    return {
        "scaled_error": numpy.where(defined, counts["absolute_error"] / scale, 0.0),
        "scaled_steps": numpy.where(defined, steps, 0),
        "undefined": (~defined).astype(numpy.int64),
        "compared": numpy.stack(
            [
                numpy.where(compared, counts["smape"], 0.0),
                numpy.where(compared, counts["absolute_error"] / scale, 0.0),
                numpy.where(compared, numpy.nan_to_num(reference.naive2_smape), 0.0),
                numpy.where(compared, numpy.nan_to_num(reference.naive2_error) / scale, 0.0),
            ],
            1,
        ),
    }


def forecast_scores(rows: Rows) -> dict[str, float]:
    """Metrics of rows, without those that are undefined."""
    if "absolute_error" not in rows.counts:
        return {}
    steps = rows.units.sum()
    total = {name: rows.total(name) for name in rows.counts}
    scores = {
        "mae": total["absolute_error"] / steps,
        "mse": total["squared_error"] / steps,
        "smape": total["smape"] / steps,
    }
    if total.get("scaled_steps", 0) > 0:
        scores["mase"] = total["scaled_error"] / total["scaled_steps"]
    if "compared" in total and (total["compared"][2:] > 0).all():
        smape, error, naive2_smape, naive2_error = total["compared"]
        scores["owa"] = (smape / naive2_smape + error / naive2_error) / 2
    if "pinball" in total and total["absolute_target"] > 0:
        scores["weighted_quantile_loss"] = 2 * total["pinball"].mean() / total["absolute_target"]
    for name, value in total.items():
        kind, _, level = name.partition("_")
        if kind == "covered":
            scores[f"coverage_{level}"] = value / steps
        elif kind == "width":
            scores[f"width_{level}"] = value / steps
    return {name: float(value) for name, value in scores.items()}

