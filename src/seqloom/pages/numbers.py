"""Numbers as a page shows them: three significant figures, a true minus sign, powers of ten in full."""

from __future__ import annotations

import math

MISSING = "–"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LEAST_PLAIN, MOST_PLAIN = 1e-3, 1e6
"""Between these a number is written without a power of ten."""


def number(value: float | None, unit: str = "") -> str:
    """A number with three significant figures, and its unit; whole numbers have all of their digits.

    Args:
        value: None and NaN are shown as missing.
        unit: follows after a space that does not break; empty for none.

    >>> number(0.123456), number(12345.6, "s"), number(12345), number(-2.5e-7), number(float("nan"))
    ('0.123', '12,300\\xa0s', '12,345', '−2.50 × 10⁻⁷', '–')
    """
    if value is None or value != value:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = f"{value:,}" if isinstance(value, int) else _figures(float(value))
    shown = shown.replace("-", "−")
    return f"{shown}\N{NO-BREAK SPACE}{unit}" if unit else shown


def _figures(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    if value == 0:
        return "0"
    if size < LEAST_PLAIN or size >= MOST_PLAIN:
        digits, exponent = f"{value:.2e}".split("e")
        return f"{digits} × {power_of_ten(int(exponent))}"
    rounded = float(f"{value:.3g}")
    decimals = max(2 - math.floor(math.log10(abs(rounded))), 0)
    return f"{rounded:,.{decimals}f}"


def power_of_ten(exponent: int) -> str:
    """A power of ten with its exponent raised.

    >>> power_of_ten(-12)
    '10⁻¹²'
    """
    return f"10{str(exponent).translate(SUPERSCRIPTS)}"


def percent(share: float | None) -> str:
    """A share of one as a percentage.

    >>> percent(0.1234), percent(None)
    ('12.3\\xa0%', '–')
    """
    return MISSING if share is None or share != share else number(100.0 * share, "%")
