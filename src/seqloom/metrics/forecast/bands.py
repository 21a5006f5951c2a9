r"""Bands around forecasts: how often they hold what came, how wide they are, and their calibration.

Split conformal prediction of quantiles, a step of the horizon at a time (Romano, Patterson and Candès, 2019,
arXiv:1905.03222; by step as Stankevičiūtė, Alaa and van der Schaar, 2021, arXiv:2011.09895): with scores

.. math::

    E_i = \max(l_i - y_i, \; y_i - u_i) / s_i

of forecasts on data that training did not see, a band becomes :math:`[l - s E, u + s E]`, where E is the
:math:`\lceil (n + 1) p \rceil`-th smallest score. If new data is exchangeable with those, it holds what comes
with a probability of at least p.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy

from seqloom.errors import ConfigError


def count_coverage(
    targets: numpy.ndarray, lower: numpy.ndarray, upper: numpy.ndarray
) -> dict[str, numpy.ndarray]:
    """What coverage and width are made of, by row.

    Args:
        targets: (N, H) float64, NaN where nothing was observed.
        lower: (N, H, L), the lower end of the band of each level.
        upper: (N, H, L).

    Returns:
        Sums over steps: `covered` (N, L), observed steps that are within the band, and `width` (N, L), of the
        band at observed steps. A band that is NaN holds nothing and is infinitely wide.

    >>> counts = count_coverage(numpy.array([[1.0, 5.0]]), numpy.zeros((1, 2, 1)), numpy.full((1, 2, 1), 2.0))
    >>> counts["covered"], counts["width"]
    (array([[1.]]), array([[4.]]))
    """
    y = targets[:, :, None]
    observed = ~numpy.isnan(y)
    width = numpy.where(numpy.isnan(lower) | numpy.isnan(upper), numpy.inf, upper - lower)
    covered = (lower <= y) & (y <= upper)
    return {
        "covered": covered.sum(1).astype(numpy.float64),
        "width": numpy.where(observed, width, 0.0).sum(1),
    }


def coverage_scores(
    covered: numpy.ndarray, width: numpy.ndarray, steps: float, levels: Sequence[float]
) -> dict[str, float]:
    """Share of observed steps within the band, and its mean width, of each level.

    Args:
        covered: (L,) sums over rows of `count_coverage`.
        width: (L,), likewise.
        steps: observed steps.
        levels: L of them in percent, such as 80 and 90.

    >>> coverage_scores(numpy.array([8.0]), numpy.array([30.0]), 10, [80])
    {'coverage_80': 0.8, 'width_80': 3.0}
    """
    result = {}
    for place, level in enumerate(levels):
        if steps:
            result[f"coverage_{level:g}"] = float(covered[place] / steps)
            result[f"width_{level:g}"] = float(width[place] / steps)
    return result


def fit_calibration(
    targets: numpy.ndarray,
    lower: numpy.ndarray,
    upper: numpy.ndarray,
    scales: numpy.ndarray,
    level: float,
) -> numpy.ndarray:
    """How much a band must be widened, or may be narrowed, at each step of the horizon.

    Where a step has too few scores for its quantile to exist, the scores of all steps are taken together;
    where these are too few as well, it is their maximum.

    Args:
        targets: (N, H) float64 of data that training did not see, NaN where nothing was observed.
        lower: (N, H).
        upper: (N, H).
        scales: (N,), the size of each row, such as the deviation of its history; 1 where all are alike.
        level: in percent, such as 80.

    Returns:
        (H,) float64, in units of `scales`; negative where the band was too wide.

    Raises:
        ConfigError: the level is none.

    >>> y = numpy.arange(9.0)[:, None]
    >>> fit_calibration(y, numpy.zeros((9, 1)), numpy.full((9, 1), 4.0), numpy.ones(9), 80)
    array([3.])
    """
    if not 0 < level < 100:
        raise ConfigError("level", "must be between 0 and 100 percent", got=level)
    scores = numpy.maximum(lower - targets, targets - upper) / scales[:, None]
    pooled = _conformal_quantile(scores, level)
    steps = [_conformal_quantile(scores[:, step], level) for step in range(scores.shape[1])]
    largest = float(numpy.nanmax(scores)) if (~numpy.isnan(scores)).any() else 0.0
    usual = largest if pooled is None else pooled
    return numpy.array([usual if value is None else value for value in steps])


def _conformal_quantile(scores: numpy.ndarray, level: float) -> float | None:
    """The ceil((n + 1) p)-th smallest score; None where there are fewer."""
    present = numpy.sort(scores[~numpy.isnan(scores)])
    rank = math.ceil(round((len(present) + 1) * level / 100, 9))
    return float(present[rank - 1]) if rank <= len(present) else None


def nest(bands: Sequence[tuple[numpy.ndarray, numpy.ndarray]], median: numpy.ndarray) -> None:
    """Widen bands of rising levels, in place, so that each holds the one before it, and all the median.

    Calibrated one by one they need not, where few scores tell their quantiles.

    Args:
        bands: the lower and the upper ends of each, as the median.
        median: (...).

    >>> bands = [(numpy.array([1.0]), numpy.array([4.0])), (numpy.array([2.0]), numpy.array([5.0]))]
    >>> nest(bands, numpy.array([0.0]))
    >>> bands
    [(array([0.]), array([4.])), (array([0.]), array([5.]))]
    """
    inner_low = inner_high = median
    for low, high in bands:
        numpy.minimum(low, inner_low, out=low)
        numpy.maximum(high, inner_high, out=high)
        inner_low, inner_high = low, high


def calibrate(
    lower: numpy.ndarray, upper: numpy.ndarray, scales: numpy.ndarray, offsets: numpy.ndarray
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Bands (N, H) widened by `offsets` (H,) of `fit_calibration`; one that would turn over is its middle.

    >>> calibrate(numpy.zeros((1, 1)), numpy.ones((1, 1)), numpy.array([2.0]), numpy.array([0.5]))
    (array([[-1.]]), array([[2.]]))
    """
    change = scales[:, None] * offsets[: lower.shape[1]]
    middle = (lower + upper) / 2
    return numpy.minimum(lower - change, middle), numpy.maximum(upper + change, middle)
