"""Dates as tables spell them: ISO 8601, days first or months first, whole numbers, separate columns."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import numpy

from seqloom.data.series.frequency import MICROSECONDS

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "nat", "-", "?", "."))
"""What stands for nothing, in lower case"""
NOT_A_TIME = numpy.iinfo(numpy.int64).min
PART_UNITS = ("year", "month", "day", "hour", "minute", "second")
FIRST = (1970, 1, 1, 0, 0, 0)
ISO = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?([ T]\d{1,2}(:\d{2}){0,2}([.,]\d+)?)? ?(Z|UTC|[+-]\d{2}:?\d{2})?")
WHOLE = re.compile(r"[+-]?\d{1,18}(\.0*)?")
NUMERIC = re.compile(r"(\d{1,4})[/.](\d{1,2})[/.](\d{1,4})(?:[ T,]+(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?)?")
NAMED = re.compile(r"(?:(\d{1,2})[. -]+)?([A-Za-z]{3,9})\.?[ -]+(?:(\d{1,2}), *)?(\d{4}|\d{2})")
"""1 Jan 2024, 01-January-2024, Jan 2024, Jan-24, January 31, 2024"""
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
QUARTER = re.compile(r"(?:(\d{4})[ -]?Q([1-4])|Q([1-4])[ -]?(\d{4}))", re.IGNORECASE)
MIN_EPOCH, MAX_EPOCH = 10**8, 10**11
"""Whole numbers between these are seconds since 1970, from 1973 on."""


class Form(NamedTuple):
    """How times are spelled, and what a person should know of it."""

    kind: str
    """A key of `PARSERS`"""
    remark: str = ""

    @property
    def has_dates(self) -> bool:
        """Whether they are dates."""
        return self.kind != "integer"


def recognize_form(values: Sequence[Any], name: str = "ds", share: float = 1.0) -> Form | None:
    """How a column of times is spelled; None where it holds no times.

    Args:
        values: the first ones.
        name: of the column.
        share: of the values that must be times; the others are mistakes.

    >>> recognize_form(["2024-01-31", "2024-02-29"]).kind, recognize_form(["31/01/2024"]).kind
    ('iso', 'dmy')
    >>> recognize_form(["1", "2"]).kind, recognize_form(["20240131", "20240201"]).kind
    ('integer', 'digits')
    >>> recognize_form(["a", "b"]) is None
    True
    """
    values = [value for value in values if not is_missing(value)]
    if values and all(isinstance(value, date) for value in values):
        return Form("iso")
    texts = [str(value).strip() for value in values]
    needed = max(share * len(texts), 1)
    integers = [int(float(text)) for text in texts if WHOLE.fullmatch(text)]
    if len(integers) >= needed:
        return _recognize_integers(integers, name)
    zones = [match[5] for text in texts if (match := ISO.fullmatch(text))]
    if len(zones) >= needed:
        return Form("iso", "times with a time zone are read as UTC" if any(zones) else "")
    parts = [match.groups() for text in texts if (match := NUMERIC.fullmatch(text))]
    if len(parts) >= needed:
        return _recognize_order(parts, name)
    for kind in ("named", "quarter"):
        times = parse_times(texts, kind)
        if (times != NOT_A_TIME).sum() >= needed:
            return Form(kind)
    return None


def _recognize_order(parts: Sequence[tuple[str, ...]], name: str) -> Form | None:
    """Whether day, month or year comes first."""
    if all(len(part[0]) == 4 for part in parts):
        return Form("ymd")
    firsts, seconds = ([int(part[place]) for part in parts] for place in (0, 1))
    if max(firsts) > 12:
        return None if max(seconds) > 12 else Form("dmy")
    if max(seconds) > 12:
        return Form("mdy", f"{name} has the month first")
    # Of days in order the day changes more often than the month
    is_month_first = _changes(seconds) > _changes(firsts)
    order = "month" if is_month_first else "day"
    return Form("mdy" if is_month_first else "dmy", f"{name} is read with the {order} first")


def _changes(numbers: Sequence[int]) -> int:
    return sum(a != b for a, b in pairwise(numbers))


def _recognize_integers(numbers: Sequence[int], name: str) -> Form:
    if all(19000101 <= number <= 21001231 and _is_date(number) for number in numbers):
        return Form("digits")
    if name.lower() in ("year", "years", "date", "jahr") and all(1000 <= n < 2500 for n in numbers):
        return Form("year")
    if all(MIN_EPOCH <= number < MAX_EPOCH for number in numbers):
        return Form("epoch", f"{name} is read as seconds since 1970")
    if all(MIN_EPOCH * 1000 <= number < MAX_EPOCH * 1000 for number in numbers):
        return Form("epoch-ms", f"{name} is read as milliseconds since 1970")
    return Form("integer")


def _is_date(number: int) -> bool:
    try:
        date(number // 10000, number // 100 % 100, number % 100)
    except ValueError:
        return False
    return True


def is_missing(value: Any) -> bool:
    """Whether a value stands for nothing: none, NaN, or a text such as `NA`."""
    if isinstance(value, str):
        return value.strip().lower() in MISSING
    return is_empty(value)


def is_empty(value: Any) -> bool:
    """Whether there is no value at all: none, NaN, or an empty text."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and value != value)


def parse_times(values: Sequence[Any], kind: str) -> numpy.ndarray:
    """Times as int64: microseconds since 1970, or integers; `NOT_A_TIME` for what is none.

    Args:
        values: as a table has them.
        kind: of `Form`.

    >>> parse_times(["1970-01-01 00:00:01", "x"], "iso").tolist() == [1_000_000, NOT_A_TIME]
    True
    """
    try:
        if kind == "integer":
            return numpy.array(values).astype(numpy.int64, casting="unsafe" if _are_texts(values) else "safe")
        if kind == "iso":
            with warnings.catch_warnings():  # numpy deprecates time zones
                warnings.simplefilter("error")
                return numpy.array(values, dtype="datetime64[us]").astype(numpy.int64)
    except (ValueError, TypeError, OverflowError, UserWarning, DeprecationWarning):
        pass  # one by one, to know which
    parse = PARSERS[kind]
    times = numpy.full(len(values), NOT_A_TIME, numpy.int64)
    for row, value in enumerate(values):
        if not is_missing(value):
            try:
                times[row] = parse(value)
            except (ValueError, TypeError, OverflowError):
                continue
    return times


def _are_texts(values: Sequence[Any]) -> bool:
    return all(type(value) is str for value in values)


def _microseconds(moment: datetime) -> int:
    zoned = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 10**6 + since.microseconds


def _parse_iso(value: Any) -> int:
    if isinstance(value, datetime):
        return _microseconds(value)
    if isinstance(value, date):
        return _microseconds(datetime(value.year, value.month, value.day))
    text = str(value).strip()
    match = ISO.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, _, clock = text.removesuffix("UTC").strip().replace("T", " ").partition(" ")
    zone = match[5]
    if not clock and zone and zone[0] in "+-":
        raise ValueError(text)
    parts = [int(part) for part in day.removesuffix("Z").split("-")]
    day = "-".join(f"{part:0{width}d}" for part, width in zip([*parts, 1][:3], (4, 2, 2), strict=False))
    if clock:
        hours, colon, rest = clock.strip().partition(":")
        clock = f" {int(hours):02d}:{rest}" if colon else f" {int(hours):02d}:00"
    return _microseconds(datetime.fromisoformat((day + clock).replace(",", ".")))


def _parse_numeric(order: str) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        match = NUMERIC.fullmatch(str(value).strip())
        if match is None:
            raise ValueError(value)
        parts = dict(zip(order, (int(match[place]) for place in (1, 2, 3)), strict=True))
        year = _full_year(parts["y"])
        hour, minute, second = (int(match[place] or 0) for place in (4, 5, 6))
        return _microseconds(datetime(year, parts["m"], parts["d"], hour, minute, second))

    return parse


def _full_year(year: int) -> int:
    """A year of two digits is one from 1970 to 2069."""
    return year if year >= 100 else year + (2000 if year < 70 else 1900)


def _parse_named(value: Any) -> int:
    match = NAMED.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(value)
    month = MONTHS.index(match[2][:3].lower()) + 1
    return _microseconds(datetime(_full_year(int(match[4])), month, int(match[1] or match[3] or 1)))


def _parse_quarter(value: Any) -> int:
    match = QUARTER.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(value)
    return _microseconds(datetime(int(match[1] or match[4]), 3 * int(match[2] or match[3]) - 2, 1))


def _whole(value: Any) -> int:
    number = float(value)
    if not number.is_integer():
        raise ValueError(value)
    return int(value) if not isinstance(value, str) or value.strip().lstrip("+-").isdecimal() else int(number)


def _parse_digits(value: Any) -> int:
    number = _whole(value)
    return _microseconds(datetime(number // 10000, number // 100 % 100, number % 100))


PARSERS: Mapping[str, Callable[[Any], int]] = {
    "iso": _parse_iso,
    "year": lambda value: _microseconds(datetime(_whole(value), 1, 1)),
    "ymd": _parse_numeric("ymd"),
    "dmy": _parse_numeric("dmy"),
    "mdy": _parse_numeric("mdy"),
    "named": _parse_named,
    "quarter": _parse_quarter,
    "digits": _parse_digits,
    "epoch": lambda value: _whole(value) * MICROSECONDS["s"],
    "epoch-ms": lambda value: _whole(value) * MICROSECONDS["ms"],
    "integer": _whole,
}


def join_parts(parts: Mapping[str, Sequence[Any]]) -> numpy.ndarray:
    """Times of separate columns, as `parse_times` gives them.

    Args:
        parts: the first of `year`, `month`, `day`, `hour`, `minute`, `second`.

    >>> join_parts({"year": ["1970"], "month": ["1"], "day": ["2"]})
    array([86400000000])
    """
    columns = [parts[unit] for unit in PART_UNITS[: len(parts)]]
    times = numpy.full(len(columns[0]), NOT_A_TIME, numpy.int64)
    for row, values in enumerate(zip(*columns, strict=True)):
        try:
            numbers = map(_whole, values)
            year, month, day, hour, minute, second = [*numbers, *FIRST[len(values) :]]
            times[row] = _microseconds(datetime(year, month, day, hour, minute, second))
        except (ValueError, TypeError, OverflowError):
            continue
    return times
