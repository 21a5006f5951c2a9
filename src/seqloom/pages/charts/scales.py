"""From values to places in a chart, and the round numbers beside its axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqloom.pages.numbers import number, power_of_ten

MARGIN = 0.04
"""Free space beyond the data at both ends, as a share of its range"""
MAX_DECADES = 9
"""Powers of ten that have a label each; of more, every second or third has."""

LEAST_STEP = 1e-5
"""Between labels that are written without a power of ten"""
MAX_PLAIN = 5
"""Powers of ten between the ends of an axis that has plain numbers beside it"""


class Scale(NamedTuple):
    """An axis.

    Fields:
        low: the value at its start.
        high: the value at its end.
        is_log: whether equal distances are equal factors.
    """

    low: float
    high: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """How far along the axis a value is, 0 to 100.

        >>> Scale(0.0, 4.0).place(1.0), Scale(1.0, 100.0, is_log=True).place(10.0)
        (25.0, 50.0)
        """
        low, high, at = (math.log(v) if self.is_log else v for v in (self.low, self.high, value))
        return 100.0 * (at - low) / (high - low)

    def holds(self, value: float) -> bool:
        """Whether the axis can show a value at all."""
        return math.isfinite(value) and (not self.is_log or value > 0)

    def ticks(self, count: int = 4) -> list[tuple[float, str]]:
        """Round values on the axis with their labels, about `count` of them.

        >>> [label for _, label in Scale(0.3, 9.1).ticks()]
        ['2', '4', '6', '8']
        >>> [label for _, label in Scale(1e-6, 2.0, is_log=True).ticks()]
        ['10⁻⁶', '10⁻⁵', '10⁻⁴', '10⁻³', '10⁻²', '10⁻¹', '10⁰']
        """
        return _log_ticks(self.low, self.high) if self.is_log else _ticks(self.low, self.high, count)


def fit_scale(values: Iterable[float], is_log: bool = False, margin: float = MARGIN) -> Scale:
    """An axis with room for all values that it can show.

    Args:
        values: those that are missing or infinite, and on a log axis those at or below 0, are passed over.
        is_log: whether equal distances are equal factors.
        margin: free space at both ends, as a share of the range.

    >>> fit_scale([1.0, 3.0], margin=0.5)
    Scale(low=0.0, high=4.0, is_log=False)
    """
    shown = [value for value in values if math.isfinite(value) and (not is_log or value > 0)]
    low, high = (min(shown), max(shown)) if shown else (1.0, 10.0) if is_log else (0.0, 1.0)
    if is_log:
        factor = (high / low) ** margin if high > low * 1.01 else 2.0
        return Scale(max(low / factor, 5e-324), min(high * factor, 1.7e308), is_log)
    if high - low <= 1e-9 * abs(high):
        room = abs(high) * 0.1 or 1.0
        return Scale(low - room, high + room)
    return Scale(low - (high - low) * margin, high + (high - low) * margin)


def _ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= rough * 0.8)
    values = [turn * size for turn in range(math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9) + 1)]
    return list(zip(values, _same_decimals(values, size), strict=True))


def _same_decimals(values: Sequence[float], size: float) -> list[str]:
    """Labels that have as many decimals as the step between them needs."""
    greatest = max(map(abs, values), default=0.0)
    if greatest >= 1e6 or size < LEAST_STEP:
        return [number(value) for value in values]
    decimals = next(places for places in range(7) if abs(round(size, places) - size) < 1e-6 * size)
    return [f"{value + 0.0:,.{decimals}f}".replace("-", "−") for value in values]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first < 1:
        decades = range(math.floor(math.log10(low)), last + 1)
        values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
        inside = [value for value in values if low <= value <= high]
        if len(inside) < 2:
            return [(value, number(float(f"{value:.2g}"))) for value in (low * 1.001, high * 0.999)]
        return [(value, _power_label(value)) for value in inside]
    stride = -(-(last - first + 1) // MAX_DECADES)
    is_wide = last - first > MAX_PLAIN
    powers = range(first, last + 1, stride)
    return [(10.0**power, power_of_ten(power) if is_wide else _power_label(10.0**power)) for power in powers]


def _power_label(value: float) -> str:
    power = round(math.log10(value))
    if -3 <= math.log10(value) < 5:
        return f"{value:,.10g}"
    digit = value / 10.0**power
    return power_of_ten(power) if abs(digit - 1) < 1e-6 else number(value)
