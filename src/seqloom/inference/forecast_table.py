"""Forecasts as rows of a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from seqloom.tasks.forecasting import Forecast


def keys_of(forecast: Forecast) -> dict[str, Sequence[str]]:
    """The columns that say what a row is about."""
    keys = {"unique_id": forecast.unique_id, "ds": forecast.ds}
    return keys | ({"cutoff": forecast.cutoff} if forecast.cutoff else {})


def rows_of(forecast: Forecast) -> list[dict[str, Any]]:
    """A mapping for each series and step; what is not finite is None.

    >>> import numpy
    >>> rows_of(Forecast(["a"], ["2024-01-01"], {"mean": numpy.array([1.5])}))
    [{'unique_id': 'a', 'ds': '2024-01-01', 'mean': 1.5}]
    """
    columns = {name: values.tolist() for name, values in forecast.columns.items()}
    keys = keys_of(forecast)
    return [
        {
            **dict(zip(keys, row[: len(keys)], strict=True)),
            **{
                name: value if math.isfinite(value) else None
                for name, value in zip(columns, row[len(keys) :], strict=True)
            },
        }
        for row in zip(*keys.values(), *columns.values(), strict=True)
    ]


def to_csv(forecast: Forecast) -> str:
    """A header and a line for each series and step, numbers with seven digits.

    >>> import numpy
    >>> to_csv(Forecast(["a"], ["2024-01-01"], {"mean": numpy.array([1.5])})).splitlines()
    ['unique_id,ds,mean', 'a,2024-01-01,1.5']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    keys = keys_of(forecast)
    writer.writerow([*keys, *forecast.columns])
    numbers = [[_shorten(value) for value in values.tolist()] for values in forecast.columns.values()]
    writer.writerows(zip(*keys.values(), *numbers, strict=True))
    return text.getvalue()


def _shorten(value: float) -> str:
    """A number; nothing for a gap."""
    return "" if math.isnan(value) else f"{value:.7g}"
