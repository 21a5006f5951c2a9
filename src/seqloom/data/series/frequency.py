"""How far the steps of a series are apart: spelled, recognized, counted, and continued into the future."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

import numpy

from seqloom.errors import ConfigError

MICROSECONDS = {"ms": 10**3, "s": 10**6, "min": 60 * 10**6, "h": 3600 * 10**6, "D": 86_400 * 10**6}
DAY = MICROSECONDS["D"]
WEEK = 7 * DAY
_SPELLINGS = """
ms: ms l millisecond milliseconds
s: s sec second seconds
min: t min minute minutes
h: h hour hours hourly
D: d day days daily
B: b
W: w week weeks weekly
M: m me ms month months monthly bm bms bme
Q: q qs qe quarter quarters quarterly bq bqs bqe
Y: y ys ye a as year years yearly annual ba bas by bys bye
"""
UNIT_OF = {name: unit for unit, names in re.findall(r"(\w+): (.*)", _SPELLINGS) for name in names.split()}
UNIT_OF |= {"ms": "ms", "MS": "M"}
"""The unit by its spelling; in lower case, but for MS, which is the start of a month, and ms"""
MONTHS = {"M": 1, "Q": 3, "Y": 12}
SEASONS = {"s": 3600, "min": 1440, "h": 24, "D": 7, "B": 5, "W": 1, "M": 12, "Q": 4}
"""Units after which a pattern repeats: GluonTS' `get_seasonality`, with 7 for days"""
HORIZONS = {"h": 48, "D": 14, "W": 13, "M": 18, "Q": 8, "Y": 6}
"""Steps that the M4 competition asked for (Makridakis et al., 2020, doi:10.1016/j.ijforecast.2019.04.014)"""
DEFAULT_HORIZON = 12
NAMES = {"ms": "millisecond", "s": "second", "min": "minute", "h": "hour", "D": "day", "B": "business day"}
NAMES |= {"W": "week", "M": "month", "Q": "quarter", "Y": "year", "step": "step"}


Place: TypeAlias = Literal["", "day", "first workday", "last workday"]
Unit: TypeAlias = Literal["ms", "s", "min", "h", "D", "B", "W", "M", "Q", "Y", "step"]


class Frequency(NamedTuple):
    """So many units from one step to the next.

    Times are int64: microseconds since 1970-01-01, or the integers of `ds` where there are no dates.

    Fields:
        unit: `ms`, `s`, `min`, `h`, `D`, `B`, `W`, `M`, `Q`, `Y`, or `step` for integers.
        multiple: of them.
        place: of a time in its month, for units of months: the same `day` in each, or a workday; empty: the
            last day where the first time is one, else the same day.
    """

    unit: str
    multiple: int = 1
    place: Place = ""

    @staticmethod
    def parse(text: str) -> Frequency:
        """The frequency that pandas means by `text`, in its old spelling (`H`, `T`, `M`) or its new one.

        Raises:
            ConfigError: it means none.

        >>> Frequency.parse("15T"), Frequency.parse("BME").place
        (Frequency(unit='min', multiple=15, place=''), 'last workday')
        """
        match = re.fullmatch(r"(\d*) ?([A-Za-z]+)(-[A-Za-z]{3})?", text.strip())
        if match is not None and int(match[1] or 1):
            unit = UNIT_OF.get(match[2], UNIT_OF.get(match[2].lower()))
            if unit is not None:
                name = match[2].lower()
                place: Place = ""
                if unit in MONTHS and name.startswith("b"):
                    place = "first workday" if name.endswith("s") else "last workday"
                return Frequency(unit, int(match[1] or 1), place)
        expected = "must be so many of ms, s, min, h, D, B, W, M, Q or Y, as pandas spells them"
        raise ConfigError("data.frequency", expected, got=text, hint="For example 15min, or MS")

    def describe(self) -> str:
        """In words.

        >>> Frequency("h").describe(), Frequency("min", 15).describe()
        ('1 hour', '15 minutes')
        """
        return f"{self.multiple} {NAMES[self.unit]}{'s' * (self.multiple > 1)}"

    @property
    def season(self) -> int:
        """Steps after which a pattern usually repeats; 1: none is known.

        >>> Frequency("h").season, Frequency("min", 15).season, Frequency("Y").season
        (24, 96, 1)
        """
        season, remainder = divmod(SEASONS.get(self.unit, 1), self.multiple)
        return 1 if remainder else season

    @property
    def horizon(self) -> int:
        """Steps that are usually forecast.

        >>> Frequency("h").horizon, Frequency("min", 15).horizon, Frequency("step").horizon
        (48, 192, 12)
        """
        if self.multiple == 1 and self.unit in HORIZONS:
            return HORIZONS[self.unit]
        return 2 * self.season if self.season > 1 else DEFAULT_HORIZON

    def positions(self, times: numpy.ndarray, starts: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
        """Count the steps from `starts` to `times`. Any day of a month will do, such as its last workday.

        Args:
            times: (N,) int64.
            starts: (N,) int64, or one: where counting begins.

        Returns:
            Steps (N,) int64, and whether each time is one of a step (N,) bool.
        """
        if self.unit in MONTHS:
            return self._positions_in_months(times, starts)
        if self.unit == "B":
            days, first = (numpy.floor_divide(values, DAY) for values in (times, starts))
            dates, first_dates = (values.astype("datetime64[D]") for values in (days, first))
            steps = numpy.busday_count(first_dates, dates)
            on_grid = (times - starts) % DAY == 0
            on_grid &= numpy.is_busday(dates) & numpy.is_busday(first_dates)
        else:
            steps, remainder = numpy.divmod(times - starts, self._width())
            return steps, remainder == 0
        return steps // self.multiple, on_grid & (steps % self.multiple == 0)

    def times(self, starts: numpy.ndarray, positions: numpy.ndarray) -> numpy.ndarray:
        """The times so many steps after `starts`, in the future too.

        >>> start = numpy.datetime64("2024-01-31", "us").astype("int64")
        >>> Frequency("M").times(start, numpy.arange(3)).astype("datetime64[us]").astype("datetime64[D]")
        array(['2024-01-31', '2024-02-29', '2024-03-31'], dtype='datetime64[D]')
        """
        starts, positions = numpy.asarray(starts, numpy.int64), numpy.asarray(positions, numpy.int64)
        if self.unit in MONTHS:
            month, day, rest = _split_months(starts)
            is_last = (day == _last_days(month)) & (self.place != "day")
            month = month + positions * MONTHS[self.unit] * self.multiple
            if self.place.endswith("workday"):
                return (_month_starts(month) + _workdays(month, self.place) - 1) * DAY + rest
            last = _last_days(month)
            day = numpy.where(is_last, last, numpy.minimum(day, last))
            return (_month_starts(month) + day - 1) * DAY + rest
        if self.unit == "B":
            days, rest = numpy.divmod(starts, DAY)
            dates = numpy.busday_offset(days.astype("datetime64[D]"), positions * self.multiple, "forward")
            return dates.astype(numpy.int64) * DAY + rest
        return starts + positions * self._width()

    def _width(self) -> int:
        if self.unit == "step":
            return self.multiple
        return self.multiple * (WEEK if self.unit == "W" else MICROSECONDS[self.unit])

    def _positions_in_months(
        self, times: numpy.ndarray, starts: numpy.ndarray
    ) -> tuple[numpy.ndarray, numpy.ndarray]:
        month, _, rest = _split_months(times)
        first_month, _, first_rest = _split_months(starts)
        steps, remainder = numpy.divmod(month - first_month, MONTHS[self.unit] * self.multiple)
        return steps, (rest == first_rest) & (remainder == 0)


def infer_frequency(times: numpy.ndarray, is_first: numpy.ndarray, has_dates: bool) -> Frequency:
    """The frequency of most steps.

    Args:
        times: (N,) int64 of some series, rising in each.
        is_first: (N,) bool, where a series begins.
        has_dates: whether times are microseconds.

    Returns:
        Days, or steps of 1, where no series has two times.

    >>> infer_frequency(numpy.array([5, 6, 7, 9, 1, 2]), numpy.array([1, 0, 0, 0, 1, 0], bool), False)
    Frequency(unit='step', multiple=1, place='')
    """
    widths = numpy.diff(times)[~is_first[1:]]
    widths = widths[widths > 0]
    if not len(widths):
        return Frequency("D" if has_dates else "step")
    values, counts = numpy.unique(widths, return_counts=True)
    width = int(values[counts.argmax()])
    if not has_dates:
        return Frequency("step", width)
    days = width / DAY
    for unit, shortest, longest in (("M", 28, 31), ("Q", 90, 92), ("Y", 365, 366)):
        if shortest <= days <= longest and not (days == 28 and (values == width).all()):
            return Frequency(unit, 1, _infer_place(times))
    if width == DAY and _is_business(times, values):
        return Frequency("B")
    if width % WEEK == 0:
        return Frequency("W", width // WEEK)
    unit = next((unit for unit in ("D", "h", "min", "s") if width % MICROSECONDS[unit] == 0), "ms")
    return Frequency(unit, max(width // MICROSECONDS[unit], 1))


def _is_business(times: numpy.ndarray, widths: numpy.ndarray) -> bool:
    """Whether no time is on a weekend, though there are weekends between."""
    weekdays = (times // DAY + 3) % 7  # 1970-01-01 was a Thursday
    return bool((weekdays < 5).all() and 3 * DAY in widths)


def _infer_place(times: numpy.ndarray) -> Place:
    """Where in their months times are."""
    month, day, _ = _split_months(times)
    is_last = day == _last_days(month)
    if is_last.all():
        return ""
    if (day == day[0]).all():
        return "day" if is_last.any() else ""
    for place in ("first workday", "last workday"):
        if (day == _workdays(month, place)).all():
            return place
    return ""


def _workdays(months: numpy.ndarray, place: Place) -> numpy.ndarray:
    """The day of the month, from 1, of the first or the last workday of months since 1970."""
    first = _month_starts(months)
    if place == "first workday":
        found = numpy.busday_offset(first.astype("datetime64[D]"), 0, roll="forward")
    else:
        last = first + _last_days(months) - 1
        found = numpy.busday_offset(last.astype("datetime64[D]"), 0, roll="backward")
    return found.astype(numpy.int64) - first + 1


def _split_months(times: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Months since 1970, the day of the month from 1, and the microseconds of that day."""
    days, rest = numpy.divmod(numpy.asarray(times, numpy.int64), DAY)
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    return months.astype(numpy.int64), (dates - months).astype(numpy.int64) + 1, rest


def _month_starts(months: numpy.ndarray) -> numpy.ndarray:
    """Days since 1970 of the first day of months since 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(numpy.int64)


def _last_days(months: numpy.ndarray) -> numpy.ndarray:
    return _month_starts(months + 1) - _month_starts(months)


def format_times(times: numpy.ndarray, frequency: Frequency, has_dates: bool) -> list[str]:
    """Times as `ds` has them: ISO 8601, without a time of day where steps are whole days; or integers.

    >>> format_times(numpy.array([0, 3_600_000_000]), Frequency("h"), True)
    ['1970-01-01 00:00:00', '1970-01-01 01:00:00']
    """
    if not has_dates:
        return [str(value) for value in times.tolist()]
    dates = numpy.asarray(times).astype("datetime64[us]")
    if frequency.unit not in ("ms", "s", "min", "h") and not (times % DAY).any():
        return dates.astype("datetime64[D]").astype(str).tolist()
    unit = "s" if not (times % MICROSECONDS["s"]).any() else "us"
    return [text.replace("T", " ") for text in dates.astype(f"datetime64[{unit}]").astype(str).tolist()]
