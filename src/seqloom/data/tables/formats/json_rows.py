"""Rows of JSON: an object a line, or a list of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from seqloom.data.tables.formats.file import MAX_LINE, TOO_LONG, Row, TableFile, bounded_lines
from seqloom.errors import DataError

CHUNK_CHARACTERS = 1 << 18
MAX_VALUE_CHARACTERS = MAX_LINE
"""A value of a list that has no end by then has none."""
MAX_DEPTH = 64
"""Of lists and objects within one another"""
CONTAINERS = frozenset({dict, list})
DELIMITER = re.compile(r"\s*(\S)\s*")


def read_jsonl(file: TableFile) -> Iterator[Row]:
    """The rows of a file with an object a line."""
    with file.open_text() as text:
        for number, line in enumerate(bounded_lines(text), 1):
            place = f"{file.path}, line {number}"
            if line is None:
                yield Row(place, {}, DataError(place, TOO_LONG))
                continue
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                check(line, value)
            except (ValueError, RecursionError) as error:
                yield Row(place, {}, DataError(place, "expected a JSON object", got=str(error)))
            else:
                yield _row(place, value)


def read_json(file: TableFile) -> Iterator[Row]:
    """The rows of a list of objects; a file that does not begin with `[` has an object a line.

    Raises:
        DataError: the list is damaged.
    """
    first = next((line.strip() for line in file.first_lines() if line.strip()), "")
    if not first.startswith("["):
        yield from read_jsonl(file)
        return
    with file.open_text() as text:
        for number, (source, value) in enumerate(_values_of_list(file, text), 1):
            place = f"{file.path}, row {number}"
            try:
                check(source, value)
            except ValueError as error:
                yield Row(place, {}, DataError(place, "expected a JSON object", got=str(error)))
            else:
                yield _row(place, value)


def _row(place: str, value: Any) -> Row:
    if isinstance(value, dict):
        return Row(place, value)
    return Row(place, {}, DataError(place, "expected a JSON object", got=type(value).__name__))


def check(source: str, value: Any) -> None:
    """Refuse values that would be errors later: half of a surrogate pair is valid JSON, but no character.

    Raises:
        ValueError: there are such, or values that are nested too deeply.
    """
    if source.count("[") + source.count("{") > MAX_DEPTH and _is_deep(value):
        raise ValueError("values that are nested too deeply")
    if "\\u" in source:
        json.dumps(value, ensure_ascii=False).encode("utf-8")


def _is_deep(value: Any) -> bool:
    """Whether lists and objects are nested more than `MAX_DEPTH` deep; level by level, as rows are long."""
    level = [value]
    for _ in range(MAX_DEPTH):
        parts = (part.values() if type(part) is dict else part for part in level)
        level = [part for values in parts for part in values if type(part) in CONTAINERS]
        if not level:
            return False
    return True


def _values_of_list(file: TableFile, text: TextIO) -> Iterator[tuple[str, Any]]:
    """The values of a list with their JSON, one by one: never more than one and a chunk are in memory."""
    decoder = json.JSONDecoder()
    buffer, position, size, is_ended, expected = "", 0, CHUNK_CHARACTERS, False, "["
    while True:
        problem = "the end of the file"
        delimiter = DELIMITER.match(buffer, position)
        if delimiter is not None and delimiter[1] == "]" and expected == ",":
            return
        if delimiter is not None and delimiter[1] != expected:
            raise _no_list(file, f"{delimiter[1]!r} where {expected!r} or ']' must be")
        if delimiter is not None:
            start = delimiter.end()
            if expected == "[" and buffer.startswith("]", start):
                return
            try:
                value, end = decoder.raw_decode(buffer, start)
            except RecursionError:
                raise _no_list(file, "values that are nested too deeply") from None
            except ValueError as error:
                problem = str(error)
            else:
                if end < len(buffer) or is_ended:  # a number may go on
                    yield buffer[start:end], value
                    position, expected, size = end, ",", CHUNK_CHARACTERS
                    continue
        if is_ended or len(buffer) - position > MAX_VALUE_CHARACTERS:
            raise _no_list(file, problem)
        more = text.read(size)
        is_ended, buffer, position, size = not more, buffer[position:] + more, 0, 2 * size


def _no_list(file: TableFile, got: str) -> DataError:
    return DataError(file.path, "expected a list of JSON objects", got=got, hint="Is the file complete?")
