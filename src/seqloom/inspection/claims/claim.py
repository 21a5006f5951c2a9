"""What a claim is: a sentence, a measurement, and thresholds that were fixed before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from seqloom.inspection.claims.bench import Bench


class Verdict(StrEnum):
    """What came of a claim."""

    SHOWN = "shown"
    """It is a thing, and it ran"""
    HOLDS = "holds"
    """Every figure is on the right side of its threshold"""
    IN_PART = "holds in part"
    """The sentence holds, and a wider sense of it does not"""
    FAILS = "does not hold"
    NOT_RUN = "not run"
    """Something that it needs is missing, or its measurement broke"""


class Check(NamedTuple):
    """A figure beside its threshold, which is in the code and was there before the figure.

    Fields:
        what: what was measured, in words.
        value: over several seeds, the least favorable one.
        unit: of it.
        at_least, at_most: the threshold, one of them; both, and equal, for what must be exactly so.
        spread: the least and the most over seeds or repeats.
        wider: whether this is a wider sense of the sentence, which makes it hold in part where it fails.
    """

    what: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    spread: tuple[float, float] | None = None
    wider: bool = False

    @property
    def passed(self) -> bool:
        """Whether the value is on the right side of the threshold; a value that is no number is on none."""
        low, high = self.at_least, self.at_most
        return (low is None or self.value >= low) and (high is None or self.value <= high)

    def describe(self) -> str:
        """For example `accuracy .98 [.98, .99] (at least .9)`."""
        unit = f" {self.unit}" if self.unit else ""
        spread = "" if self.spread is None else f" [{number(self.spread[0])}, {number(self.spread[1])}]"
        low, high = self.at_least, self.at_most
        if low is not None:
            bound = f"{'exactly' if low == high else 'at least'} {number(low)}"
        else:
            bound = f"at most {number(high or 0.0)}"
        mark = "" if self.passed else ": not reached"
        return f"{self.what}: {number(self.value)}{unit}{spread} ({bound}{mark})"


def least(what: str, values: Sequence[float], bound: float, unit: str = "", wider: bool = False) -> Check:
    """A check that the least of several values is at least `bound`; NaN among them counts as the least."""
    value = next(filter(math.isnan, values), min(values))
    return Check(what, value, unit, at_least=bound, spread=(min(values), max(values)), wider=wider)


def most(what: str, values: Sequence[float], bound: float, unit: str = "", wider: bool = False) -> Check:
    """A check that the most of several values is at most `bound`; NaN among them counts as the most."""
    value = next(filter(math.isnan, values), max(values))
    return Check(what, value, unit, at_most=bound, spread=(min(values), max(values)), wider=wider)


class Picture(NamedTuple):
    """A small chart as plain data.

    Fields:
        kind: `lines` over `x`, or `bars`, one a name.
        x: what lines are drawn over; of bars empty.
        series: values by name; of bars one each.
        x_label, y_label: of the axes.
        log: whether the axis of values is logarithmic.
    """

    kind: str
    x: tuple[float, ...]
    series: dict[str, tuple[float, ...]]
    x_label: str = ""
    y_label: str = ""
    log: bool = False


class Finding(NamedTuple):
    """What a measurement found."""

    ran: str
    """What was run, in a sentence"""
    checks: tuple[Check, ...]
    picture: Picture | None = None
    note: str = ""
    """What the checks do not say"""
    is_broken: bool = False
    """Whether an error ended the measurement that no missing package explains"""


class Claim(NamedTuple):
    """A sentence of the chapter, in our words, and how it is measured."""

    number: int
    """The chapter's own"""
    sentence: str
    measure: Callable[[Bench], Finding]
    is_thing: bool = False
    """Whether it is a thing that runs, rather than a statement about figures"""
    half_true: bool = False
    """Whether a wider sense of it is measured too, in which it is known not to hold; these come first"""


def judge(claim: Claim, finding: Finding) -> Verdict:
    """The verdict, by the checks alone.

    >>> claim = Claim(3, "An RNN remembers.", lambda bench: Finding("", ()))
    >>> judge(claim, Finding("", (Check("a", 2.0, at_least=1.0), Check("b", 0.0, at_least=1.0, wider=True))))
    <Verdict.IN_PART: 'holds in part'>
    """
    if not finding.checks or any(not check.passed for check in finding.checks if not check.wider):
        return Verdict.FAILS
    if any(not check.passed for check in finding.checks):
        return Verdict.IN_PART
    return Verdict.SHOWN if claim.is_thing else Verdict.HOLDS


def number(value: float) -> str:
    """A figure for a person.

    >>> number(0.98765), number(1234567.0), number(7.9e-31), number(3.0)
    ('0.988', '1,234,567', '7.9e-31', '3')
    """
    if value != 0 and not 1e-3 <= abs(value) < 1e9:
        return f"{value:.2g}"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def check_json(check: Check) -> dict[str, Any]:
    """Plain JSON values; what is no finite number is a word."""
    values = check._asdict()
    values["value"] = finite(check.value)
    values["spread"] = None if check.spread is None else [finite(end) for end in check.spread]
    return {**values, "passed": check.passed}


def finite(value: float) -> float | str:
    """A number, or `inf`, `-inf`, `nan`, which JSON does not have."""
    return float(value) if abs(value) < float("inf") else str(float(value))
