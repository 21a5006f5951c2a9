"""Forecasts as rows of a table."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

from seqloom.tasks.forecasting import Forecast


def rows_of(forecast: Forecast) -> list[dict[str, Any]]:
    """A mapping for each series and step; what is not finite is None.

    >>> import numpy
    >>> rows_of(Forecast(["a"], ["2024-01-01"], {"mean": numpy.array([1.5])}))
    [{'unique_id': 'a', 'ds': '2024-01-01', 'mean': 1.5}]
    """
    columns = {name: values.tolist() for name, values in forecast.columns.items()}
    return [
        {
            "unique_id": unique_id,
            "ds": ds,
            **{
                name: value if math.isfinite(value) else None
                for name, value in zip(columns, row, strict=True)
            },
        }
        for unique_id, ds, *row in zip(forecast.unique_id, forecast.ds, *columns.values(), strict=True)
    ]


def to_csv(forecast: Forecast) -> str:
    """A header and a line for each series and step, numbers with seven digits.

    >>> import numpy
    >>> to_csv(Forecast(["a"], ["2024-01-01"], {"mean": numpy.array([1.5])})).splitlines()
    ['unique_id,ds,mean', 'a,2024-01-01,1.5']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["unique_id", "ds", *forecast.columns])
    numbers = [[f"{value:.7g}" for value in values.tolist()] for values in forecast.columns.values()]
    writer.writerows(zip(forecast.unique_id, forecast.ds, *numbers, strict=True))
    return text.getvalue()
