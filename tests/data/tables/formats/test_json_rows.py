"""Rows of JSON: lists of objects, an object a line, nested translations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.tables.formats import json_rows
from seqloom.data.tables.formats.table import read_table
from seqloom.data.tables.reader import TableReader
from seqloom.errors import DataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab\\"]},[{\n é'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=8,
)


def fields(path: Path) -> list[Any]:
    rows = list(read_table(path))
    assert [row.error for row in rows if row.error] == []
    return [row.fields for row in rows]


@given(
    st.lists(st.dictionaries(st.text("abc", min_size=1), VALUES), min_size=1),
    st.sampled_from([None, 1, "\t"]),
    st.sampled_from([1, 7, 1 << 18]),
)
def test_a_list_of_objects_is_its_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], indent: Any, chunk: int
) -> None:
    """However it is written, and wherever a chunk of it ends."""
    file = tmp_path_factory.mktemp("json") / "a.json"
    file.write_text("\ufeff \n" * (chunk == 7) + json.dumps(rows, indent=indent, ensure_ascii=False))
    before, json_rows.CHUNK_CHARACTERS = json_rows.CHUNK_CHARACTERS, chunk
    try:
        assert fields(file) == rows
    finally:
        json_rows.CHUNK_CHARACTERS = before


def test_json_with_an_object_a_line(tmp_path: Path) -> None:
    for name in ("a.json", "a.ndjson", "a.jsonl"):
        (tmp_path / name).write_text('{"text": "a"}\n\n{"text": "b"}\n')
        assert fields(tmp_path / name) == [{"text": "a"}, {"text": "b"}]


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ('[{"a": 1}, {"a": ', r"Expecting value"),
        ('[{"a": 1} {"a": 2}]', r"'\{' where ',' or '\]' must be"),
        ('[{"a": 1}', "the end of the file"),
        ("[" * 100_000, "values that are nested too deeply"),
        ('[{"a": nothing}]', "Expecting value"),
    ],
)
def test_a_damaged_list_is_refused(tmp_path: Path, content: str, got: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=rf"a\.json: expected a list of JSON objects\. Got {got}"):
        list(read_table(tmp_path / "a.json"))


def test_what_is_no_object_in_a_list_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a": 1}, 2, [3], {"a": "\\ud83d"}, {"a": 4}]')
    rows = list(read_table(tmp_path / "a.json"))
    assert [row.error is None for row in rows] == [True, False, False, False, True]
    assert str(rows[1].error).endswith("a.json, row 2: expected a JSON object. Got int.")


def test_an_empty_list_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(" [ ]\n")
    assert list(read_table(tmp_path / "a.json")) == []


def test_a_translation_by_language(tmp_path: Path) -> None:
    rows = [{"id": "1", "translation": {"de": "ein Hund", "en": "a dog"}}] * 2
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    reader = TableReader()
    assert [row.fields for row in reader.read(tmp_path / "a.jsonl")] == [
        {"id": "1", "source": "ein Hund", "target": "a dog"}
    ] * 2
    assert list(reader.remarks) == [
        "source is the column de, target is the column en "
        "(the other way round by --set data.columns.source=en)"
    ]
