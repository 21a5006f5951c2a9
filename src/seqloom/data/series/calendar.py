"""Columns that are known of any date: the hour of the day, the day of the week, public holidays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy

from seqloom.data.series.frequency import DAY, MICROSECONDS, Frequency
from seqloom.errors import ConfigError, nearest
from seqloom.optional import import_optional

COLUMNS = ("minute_of_hour", "hour_of_day", "day_of_week", "day_of_month", "day_of_year", "month_of_year")
COLUMNS_OF = {
    "ms": COLUMNS[:5],
    "s": COLUMNS[:5],
    "min": COLUMNS[:5],
    "h": COLUMNS[1:5],
    "D": COLUMNS[2:5],
    "B": COLUMNS[2:5],
    "W": COLUMNS[3:5],
    "M": COLUMNS[5:],
    "Q": COLUMNS[5:],
}
"""By unit, as GluonTS' `time_features_from_frequency_str` chooses them"""


def calendar_columns(frequency: Frequency, is_wanted: bool = True) -> tuple[str, ...]:
    """The columns of a frequency.

    >>> calendar_columns(Frequency("D"))
    ('day_of_week', 'day_of_month', 'day_of_year')
    """
    return COLUMNS_OF.get(frequency.unit, ()) if is_wanted else ()


def compute_calendar(
    times: numpy.ndarray, columns: Sequence[str], holidays: str | None = None
) -> numpy.ndarray:
    """The columns of times, each from -0.5 to 0.5 as in GluonTS, and whether a day is a holiday, 0 or 1.

    Args:
        times: (…,) int64, microseconds since 1970-01-01.
        columns: of `COLUMNS`.
        holidays: a country, such as `US`; None: no such column.

    Returns:
        (…, C) float64, C of `columns` and one for holidays.

    Raises:
        ConfigError: no such country, or the package `holidays` is missing.

    >>> compute_calendar(numpy.array([0]), ["hour_of_day", "day_of_year"])
    array([[-0.5, -0.5]])
    """
    times = numpy.asarray(times, numpy.int64)
    days, rest = numpy.divmod(times, DAY)
    dates = days.astype("datetime64[D]")
    months, years = dates.astype("datetime64[M]"), dates.astype("datetime64[Y]")
    values = {
        "minute_of_hour": rest // MICROSECONDS["min"] % 60 / 59,
        "hour_of_day": rest // MICROSECONDS["h"] / 23,
        "day_of_week": (days + 3) % 7 / 6,
        "day_of_month": (dates - months).astype(numpy.int64) / 30,
        "day_of_year": (dates - years.astype("datetime64[D]")).astype(numpy.int64) / 365,
        "month_of_year": months.astype(numpy.int64) % 12 / 11,
    }
    chosen = [values[name] - 0.5 for name in columns]
    if holidays is not None:
        distinct, places = numpy.unique(dates, return_inverse=True)
        is_holiday = numpy.array([day in _holidays(holidays) for day in distinct.tolist()], numpy.float64)
        chosen.append(is_holiday[places].reshape(times.shape))
    return numpy.stack(chosen, -1) if chosen else numpy.zeros((*times.shape, 0))


@lru_cache(maxsize=8)
def _holidays(country: str) -> dict[object, str]:
    package = import_optional("holidays", "forecast")
    known = package.list_supported_countries()
    if country not in known:
        hint = nearest(country, known)
        raise ConfigError("data.holidays", "must be a country code of two letters", got=country, hint=hint)
    return package.country_holidays(country)
