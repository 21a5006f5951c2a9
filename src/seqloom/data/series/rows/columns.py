"""Which column of a table of series is which: the name, the time, what is forecast, what comes with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from seqloom.data.options import ReadOptions, setting
from seqloom.data.series.rows.times import PART_UNITS, Form, is_missing, recognize_form
from seqloom.data.tables.columns import (
    INDEX_COLUMN,
    MULTI_LABEL,
    TARGETS,
    ExpectedColumns,
    map_columns,
    resolve_chosen,
)
from seqloom.data.tables.columns import SYNONYMS as OTHER_SYNONYMS
from seqloom.errors import DataError

_SYNONYMS = """
unique_id: unique_id item_id series_id ts_id tsid timeseries_id series series_name
ds: ds date datetime date_time timestamp time month day week year quarter period
y: y value values target
"""
SYNONYMS: Mapping[str, Sequence[str]] = {
    role: names.split() for role, names in re.findall(r"(\w+): (.*)", _SYNONYMS)
}
"""Names of the columns, the first ones first"""
COUNTERS = frozenset(("no", "index", "id", "row", "nr", ""))
"""Columns that may count the rows, in lower case"""
TEXT_NAMES = [lists for role, lists in OTHER_SYNONYMS.items() if role not in TARGETS]
WORDS = 4
"""Of a sentence, at least"""
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")
MAX_SPELLINGS = 100
"""Different values that a column of categories may have"""
MOSTLY = 0.5
"""Of the first values of a column that must be numbers, or times, for it to be one of them"""


class Roles(NamedTuple):
    """What the columns of a table are."""

    unique_id: str | None
    """None: the table is one series, or one a column"""
    ds: tuple[str, ...]
    """The column of times, or `year`, `month` … ; empty: rows are steps"""
    form: Form
    y: str | None
    """None: each of `numbers` is a series of its own, unless one is chosen as target"""
    numbers: tuple[str, ...]
    """All columns of numbers, y too"""
    left_out: tuple[str, ...] = ()
    """Columns that hold something else"""
    categories: tuple[str, ...] = ()
    """Columns that are read as words, since `data.categorical` names them"""
    wordy: tuple[str, ...] = ()
    """Those left out that look as if they were such columns"""

    @property
    def has_times(self) -> bool:
        """Whether there are dates, or whole numbers beside a name or beside a column called as `y` is."""
        return bool(self.ds) and (self.form.has_dates or self.unique_id is not None or self.y is not None)

    @property
    def is_plain(self) -> bool:
        """Whether there is one column of numbers and nothing else."""
        return not self.ds and self.unique_id is None and len(self.numbers) == 1 and not self.left_out

    def describe(self, names: Sequence[str]) -> list[str]:
        """What a person should know of what was recognized, a line each."""
        remarks = []
        renamed = {"unique_id": self.unique_id, "ds": self.ds[0] if len(self.ds) == 1 else None, "y": self.y}
        shown = [f"{role} is the column {name}" for role, name in renamed.items() if name not in (None, role)]
        if len(self.ds) > 1:
            shown.append(f"ds is made of {', '.join(self.ds)}")
        if not self.ds:
            shown.append("there is no column of times: rows are steps")
        if shown:
            remarks.append(f"{', '.join(shown)} (another one by {setting('data.columns.ds', 'NAME')})")
        if self.form.remark:
            remarks.append(self.form.remark)
        if self.left_out:
            remarks.append(f"left out, since they are no numbers: {', '.join(self.left_out)}")
        if self.wordy:
            asked = setting("data.categorical", f"[{', '.join((*self.categories, *self.wordy))}]")
            remarks.append(f"columns of words can be inputs: {asked}")
        used = {self.unique_id, *self.ds, *self.numbers, *self.left_out, *self.categories}
        counters = [name for name in names if name not in used]
        if counters:
            remarks.append(f"left out, since it counts the rows: {', '.join(counters)}")
        return remarks


def recognize_roles(
    rows: Sequence[Mapping[str, Any]], options: ReadOptions, where: object, expected: ExpectedColumns
) -> Roles:
    """What the columns of a table are, as they are set, as they are named, or by what they hold.

    Args:
        rows: the first ones.
        options: of reading.
        where: the table, for messages.
        expected: columns of another table by role, taken where they are there, and those that are words
            whatever they look like.

    Raises:
        DataError: there is no column of numbers, or a column that was chosen is not there or does not fit.

    >>> rows = [{"date": "2024-01-01", "OT": "1.5"}, {"date": "2024-01-02", "OT": "NA"}]
    >>> roles = recognize_roles(rows, ReadOptions(), "a table", ExpectedColumns())
    >>> roles.ds, roles.y, roles.form.kind
    (('date',), 'OT', 'iso')
    """
    names = list_columns(rows)
    chosen = {role: name for role, name in options.columns.items() if role in SYNONYMS}
    mapped = resolve_chosen(names, chosen, where, required=True)
    mapped = {**resolve_chosen(names, expected.known, where, required=False), **mapped}
    values = {name: [row.get(name) for row in rows] for name in names}
    free = [name for name in names if name not in mapped.values()]
    unique_id = mapped.get("unique_id") or _named("unique_id", free)
    free = [name for name in free if name != unique_id]
    categories = [name for name in dict.fromkeys(expected.categorical) if name in free]
    free = [name for name in free if name not in categories]
    parts = _find_parts(free) if "ds" not in mapped else ()
    ds, form = parts, Form("iso")
    if not parts:
        name = mapped.get("ds") or _find_times(free, values)
        form = Form("integer")
        if name is not None:
            recognized = recognize_form(values[name], name, MOSTLY)
            if recognized is None:
                shown = next((value for value in values[name] if not is_missing(value)), "nothing")
                hint = "For example 2024-01-31, 2024-01-31 13:00:00, 31.1.2024, or whole numbers"
                raise DataError(where, f"`{name}` must hold dates", got=f"{shown!s:.60}", hint=hint)
            ds, form = (name,), recognized
    free = [name for name in free if name not in ds and not _counts_rows(name, values[name])]
    y = mapped.get("y")
    numbers = [name for name in free if name != y and _holds_numbers(values[name])]
    left_out = [name for name in free if name != y and name not in numbers]
    if unique_id is None and ds:
        unique_id = _find_names(left_out, values, list(zip(*(values[name] for name in ds), strict=True)))
        left_out = [name for name in left_out if name != unique_id]
    if y is None:
        y = numbers[0] if len(numbers) == 1 else _named("y", numbers)
    else:
        numbers = [name for name in names if name in (*numbers, y)]
    if not numbers:
        has_commas = any(DECIMAL_COMMA.fullmatch(str(value)) for name in free for value in values[name])
        hint = "Write numbers with a decimal point: 1.5, not 1,5" if has_commas else ""
        raise DataError(where, "expected a column of numbers", got=", ".join(names) or "none", hint=hint)
    wordy = [name for name in left_out if _holds_categories(values[name])]
    return Roles(unique_id, ds, form, y, *map(tuple, (numbers, left_out, categories, wordy)))


def is_of_other_tasks(
    rows: Sequence[Mapping[str, Any]], options: ReadOptions, expected: ExpectedColumns
) -> bool:
    """Whether a table is for a task that reads texts, recordings, labels and the like.

    A column `label` or `text` wins, whatever else there is, and so do columns chosen for such a task, and
    sentences in a column of any name but those that are named as words of series.
    """
    names = [name for name in list_columns(rows) if name not in expected.categorical]
    roles = {role for layout in expected.layouts for role in layout}
    if roles & options.columns.keys():
        return True
    mapped = map_columns(names, {}, {}, expected.layouts)
    if mapped.keys() & {*TARGETS, MULTI_LABEL} - {"target"} or MULTI_LABEL in names:
        return True
    words = {name for lists in TEXT_NAMES for names in lists for name in names}
    texts = {*mapped.values(), *(name for name in names if name.lower() in words)}
    if any(not _holds_numbers([row.get(name) for row in rows]) for name in texts):
        return True
    return any(_holds_sentences([row.get(name) for row in rows]) for name in names)


def list_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of all rows, in order: rows of JSON may lack columns that others have."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _named(role: str, names: Sequence[str]) -> str | None:
    lowered = {name.strip().lower(): name for name in reversed(names)}
    return next((lowered[name] for name in SYNONYMS[role] if name in lowered), None)


def _find_parts(names: Sequence[str]) -> tuple[str, ...]:
    """The columns `year`, `month` and so on, as far as they are there; none without a month."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    parts = [lowered[unit] for unit in takewhile(lowered.__contains__, PART_UNITS)]
    return tuple(parts) if len(parts) > 1 else ()


def _find_times(names: Sequence[str], values: Mapping[str, Sequence[Any]]) -> str | None:
    """The column with the name of times, or else the first one that holds dates."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    by_name = [lowered[name] for name in SYNONYMS["ds"] if name in lowered]
    for name in by_name:
        if recognize_form(values[name], name, MOSTLY) is not None:
            return name
    for name in names:
        form = recognize_form(values[name], name)
        if form is not None and form.kind in ("iso", "ymd", "dmy", "mdy", "named", "quarter"):
            return name
    return by_name[0] if by_name and len(names) > 1 else None


def _find_names(
    names: Sequence[str], values: Mapping[str, Sequence[Any]], times: Sequence[tuple[Any, ...]]
) -> str | None:
    """The only column that tells series apart: with it, and not without it, each time occurs once.

    One that never changes among the first rows names the first series.
    """
    repeats = len(set(times)) < len(times)
    telling = [
        name
        for name in names
        if (repeats or len(set(values[name])) == 1)
        and len({*zip(values[name], times, strict=True)}) == len(times)
        and not any(map(is_missing, values[name]))
    ]
    return telling[0] if len(telling) == 1 else None


def _counts_rows(name: str, values: Sequence[Any]) -> bool:
    """Whether a column is the number of the row."""
    if name.strip().lower() not in COUNTERS and not INDEX_COLUMN.fullmatch(name):
        return False
    texts = [str(value).strip() for value in values]
    if not all(re.fullmatch(r"\d+", text) for text in texts):
        return False
    first = int(texts[0])
    return first in (0, 1) and [int(text) for text in texts] == list(range(first, first + len(texts)))


def _holds_numbers(values: Sequence[Any]) -> bool:
    """Whether most of what a column holds are numbers; one that holds nothing yet does."""
    present = [value for value in values if not is_missing(value)]
    return sum(map(_is_number, present)) >= MOSTLY * len(present)


def _holds_categories(values: Sequence[Any]) -> bool:
    """Whether a column holds few different texts, some more than once."""
    texts = [value for value in values if isinstance(value, str) and not is_missing(value)]
    return 0 < len(set(texts)) <= min(MAX_SPELLINGS, max(len(texts) // 2, 1)) and not _holds_sentences(values)


def _holds_sentences(values: Sequence[Any]) -> bool:
    """Whether most values are texts of several words."""
    texts = [value for value in values if isinstance(value, str) and not is_missing(value)]
    return sum(value.count(" ") >= WORDS for value in texts) > MOSTLY * len(values)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
