"""Rows of `.csv` and `.tsv` files: by their separator, with the names of their first line or with numbers."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO, final

from seqloom.data.options import setting
from seqloom.data.tables.columns import SYNONYMS
from seqloom.data.tables.formats.file import (
    MAX_CHARACTERS,
    TOO_LONG,
    Row,
    TableFile,
    bounded_lines,
)
from seqloom.errors import DataError

SAMPLE_LINES = 10
SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
KNOWN_NAMES = frozenset(name for lists in SYNONYMS.values() for names in lists for name in names)

Values = list[str] | DataError


def read_delimited(file: TableFile, usual: str) -> Iterator[Row]:
    """The rows of a file.

    Args:
        file: the file.
        usual: the separator that its name stands for.
    """
    has_header = file.options.header is not False
    separator = find_separator(file, usual)
    if separator != usual and file.options.separator is None:
        name = SEPARATORS[separator]
        file.note(f"columns are separated by {name} (another by {setting('data.separator', 'CHARACTER')})")
    rows = _tab_values(file) if separator == "\t" else _csv_values(file, separator)
    return _named(file.path, rows, has_header)


def find_separator(file: TableFile, usual: str) -> str:
    """The separator that is set, or else that of the first line."""
    return file.options.separator or _sniff(file.first_lines(), usual, file.options.header is not False)


def _sniff(lines: Sequence[str], usual: str, has_header: bool) -> str:
    """The separator: the usual one where the first line has it, or else the one that the first line has.

    A first line with several of them is cut where the most names appear that are known, or else where the
    next lines have as many columns.
    """
    first, *others = [line for line in lines if line.strip()][:SAMPLE_LINES] or [""]
    present = [separator for separator in SEPARATORS if separator in first]
    if len(present) < 2:
        return present[0] if present else usual

    def rank(separator: str) -> tuple[int, int, bool]:
        names = [name.strip().strip('"').lower() for name in first.split(separator)]
        known = len(KNOWN_NAMES.intersection(names)) if has_header else 0
        agreeing = sum(line.count(separator) == len(names) - 1 for line in others)
        return known, agreeing, separator == usual

    return max(present, key=rank)


def _csv_values(file: TableFile, separator: str) -> Iterator[tuple[int, Values]]:
    """The line where each row begins, and its values, or why it has none."""
    csv.field_size_limit(MAX_CHARACTERS)
    with file.open_text() as text:
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        while True:
            line = lines.begin_row()
            place = f"{file.path}, line {line}"
            try:
                values: Values | None = next(reader, None)
            except csv.Error as error:
                if "field limit" in str(error):
                    lines.end_row()
                    expected = f"a value must have at most {MAX_CHARACTERS:,} characters"
                    hint = "Is a quote missing at its end?"
                    values = DataError(place, expected, got="more", hint=hint)
                elif "new-line" in str(error):
                    hint = "Lines end at LF or CRLF; quote a field that contains a CR"
                    values = DataError(place, "expected a row", got="a CR within a line", hint=hint)
                else:
                    hint = 'Quote a field that contains a quote, and double the inner one: "say ""no"""'
                    raise DataError(place, "expected a row", got=str(error), hint=hint) from None
            for number in lines.too_long:
                yield number, DataError(f"{file.path}, line {number}", TOO_LONG)
            if values is None:
                return
            if not lines.too_long:  # else the row lacks a part
                yield line, values


@final
class _Lines:
    """The lines of a file for a reader of rows; those that are too long are empty, and known."""

    def __init__(self, text: TextIO) -> None:
        self._number, self._quotes, self.too_long = 0, 0, list[int]()
        self._lines = self._read(text)

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def _read(self, text: TextIO) -> Iterator[str]:
        for self._number, line in enumerate(bounded_lines(text), 1):
            if line is None:
                self.too_long.append(self._number)
                yield "\n"
            else:
                self._quotes += line.count('"')
                yield line

    def begin_row(self) -> int:
        """The number of the next line, with which a row begins."""
        self._quotes, self.too_long = 0, []
        return self._number + 1

    def end_row(self) -> None:
        """Pass over the lines to the end of the quotes that are open in this row."""
        while self._quotes % 2 and next(self._lines, None) is not None:
            pass


def _tab_values(file: TableFile) -> Iterator[tuple[int, Values]]:
    """The number of each line, and its values; a quote is a character like any other."""
    with file.open_text() as text:
        for number, line in enumerate(bounded_lines(text), 1):
            if line is None:
                yield number, DataError(f"{file.path}, line {number}", TOO_LONG)
                continue
            content = line.removesuffix("\n").removesuffix("\r")
            yield number, content.split("\t") if content else []


def _named(path: Path, rows: Iterator[tuple[int, Values]], has_header: bool) -> Iterator[Row]:
    """Rows whose values are named by the first one, or by numbers; empty lines are left out."""
    header, name = None, str(path)
    for line, values in rows:
        place = f"{name}, line {line}"
        if isinstance(values, DataError):
            if header is None:
                raise values
            yield Row(place, {}, values)
            continue
        if header is None:
            header = _check_header(path, values) if has_header else _number(values)
            if has_header or not values:
                header = header or None
                continue
        if not values:
            continue
        if len(values) != len(header):
            expected = f"expected {len(header)} columns ({', '.join(header)})"
            yield Row(place, {}, DataError(place, expected, got=len(values)))
        else:
            yield Row(place, dict(zip(header, values, strict=True)))


def _number(values: Sequence[str]) -> list[str]:
    return [str(number) for number in range(1, len(values) + 1)]


def _check_header(path: Path, names: list[str]) -> list[str]:
    """The names of columns; one without a name has that which pandas gives it."""
    names = [name.strip() for name in names]
    if not any(names) or len(set(filter(None, names))) != len(list(filter(None, names))):
        expected = "the first line must name the columns, without repeats"
        hint = f"If it is a row already: {setting('data.header', 'false')}"
        raise DataError(path, expected, got=", ".join(names) or "an empty line", hint=hint)
    return [name or f"Unnamed: {number}" for number, name in enumerate(names)]
