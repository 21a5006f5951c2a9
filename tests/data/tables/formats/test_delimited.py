"""Tables of lines: separators, encodings, headers, compression."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from seqloom.data import compression
from seqloom.data.options import ReadOptions
from seqloom.data.tables.formats.table import read_table
from seqloom.errors import DataError


def table(path: Path, **options: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of a table, and what was recognized."""
    notes: list[str] = []
    rows = list(read_table(path, ReadOptions(**options), notes.append))
    assert [row.error for row in rows if row.error] == []
    return [row.fields for row in rows], notes


ROWS = [{"text": "one; two, or more", "label": "x"}, {"text": 'a "b"', "label": "y"}]


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.csv", 'text,label\n"one; two, or more",x\n"a ""b""",y\n', None),
        ("a.csv", 'text;label\n"one; two, or more";x\n"a ""b""";y\n', "semicolon"),
        ("a.csv", 'text|label\none; two, or more|x\n"a ""b"""|y\n', "pipe"),
        ("a.csv", 'text\tlabel\none; two, or more\tx\na "b"\ty\n', "tab"),
        ("a.tsv", 'text\tlabel\none; two, or more\tx\na "b"\ty\n', None),
        ("a.tsv", 'text,label\n"one; two, or more",x\n"a ""b""",y\n', "comma"),
    ],
)
def test_the_separator_is_known_by_the_first_line(
    tmp_path: Path, name: str, content: str, word: str | None
) -> None:
    (tmp_path / name).write_text(content)
    rows, notes = table(tmp_path / name)
    assert rows == ROWS
    said = f"columns are separated by {word} (another by --set data.separator=CHARACTER)"
    assert notes == ([said] if word else [])


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("Text, as it was;Label", ["Text, as it was", "Label"]),  # known names decide
        ("a,b;c,d", ["a", "b;c", "d"]),  # else the usual one
        ("a,b", ["a", "b"]),
        ("text", ["text"]),
    ],
)
def test_a_header_with_several_separators(tmp_path: Path, header: str, names: list[str]) -> None:
    (tmp_path / "a.csv").write_text(f"{header}\n" + (";" if ";L" in header else ",").join("x" * len(names)))
    assert [list(row) for row in table(tmp_path / "a.csv")[0]] == [names]


@pytest.mark.parametrize("separator", [":", "|", ";", "\t", " "])
def test_a_separator_may_be_set(tmp_path: Path, separator: str) -> None:
    (tmp_path / "a.csv").write_text(f"a,b{separator}c\n1{separator}2\n")
    assert table(tmp_path / "a.csv", separator=separator) == ([{"a,b": "1", "c": "2"}], [])


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_without_a_header_columns_are_numbered(tmp_path: Path, name: str) -> None:
    separator = "," if name == "a.csv" else "\t"
    (tmp_path / name).write_text(f"\nham{separator}see you\nspam{separator}buy now\n")
    rows, _ = table(tmp_path / name, header=False)
    assert rows == [{"1": "ham", "2": "see you"}, {"1": "spam", "2": "buy now"}]


def test_a_header_that_cannot_be_one_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("good,good\nbad,dull\n")
    message = (
        r"must name the columns, without repeats\. Got good, good\. If it is a row already: --set data\.head"
    )
    with pytest.raises(DataError, match=message):
        table(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.conll"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "UTF8", "utf-16-le", "gb18030"])
def test_an_encoding_may_be_set(tmp_path: Path, name: str, encoding: str) -> None:
    contents = {
        "a.csv": "text,label\nMüller,x\n",
        "a.tsv": "text\tlabel\nMüller\tx\n",
        "a.jsonl": '{"text": "Müller", "label": "x"}\n',
        "a.json": '[{"text": "Müller", "label": "x"}]\n',
        "a.conll": "Müller x\n",
    }
    expected = (
        {"tokens": ["Müller"], "tags": ["x"]} if name == "a.conll" else {"text": "Müller", "label": "x"}
    )
    (tmp_path / name).write_text(contents[name], encoding=encoding)
    assert table(tmp_path / name, encoding=encoding) == ([expected], [])


def test_another_encoding_is_refused_with_the_setting(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nMüller,x\n", encoding="cp1252")
    with pytest.raises(
        DataError, match=r"the table must be UTF-8\. .* --set data\.encoding=cp1252\. Convert"
    ):
        table(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"the table must be ascii\. Got byte 0xfc"):
        table(tmp_path / "a.csv", encoding="ascii")
    with pytest.raises(DataError, match=r"the table must be utf-16\. Got .*BOM"):
        table(tmp_path / "a.csv", encoding="utf-16")


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.conll", "a.conllu"])
def test_compressed_tables_are_what_they_hold(tmp_path: Path, name: str, suffix: str) -> None:
    contents = {
        "a.csv": "text,label\nMüller,x\n",
        "a.tsv": "text\tlabel\nMüller\tx\n",
        "a.jsonl": '{"text": "Müller", "label": "x"}\n',
        "a.json": '[{"text": "Müller", "label": "x"}]\n',
    }
    content = contents.get(name, "Müller x\n").encode()
    compress = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix]
    (tmp_path / name).write_bytes(content)
    (tmp_path / f"{name}{suffix}").write_bytes(compress(content))
    assert table(tmp_path / f"{name}{suffix}") == table(tmp_path / name)
    (tmp_path / f"{name}{suffix}").write_bytes(compress(content)[:-6])
    with pytest.raises(
        DataError, match=rf"{name}\{suffix}: expected a file compressed as \{suffix}\. Got .*"
    ):
        table(tmp_path / f"{name}{suffix}")


def test_a_compressed_table_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_SMALL_BYTES", 1 << 16)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"text,label\n" + b"a" * (1 << 20)))
    with pytest.raises(
        DataError, match=r"a\.csv\.gz: must unpack to at most 1\d\d,\d\d\d bytes, 100 times its"
    ):
        table(tmp_path / "a.csv.gz")
