"""Reading CoNLL files: sentences, comments and document markers, and lines that cannot be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from seqloom.data.read import read
from seqloom.data.tables.formats.conll import read_conll
from seqloom.data.tables.formats.file import TableFile
from seqloom.data.tables.records import Records
from seqloom.errors import DataError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.conll"


def read_valid(file: Path, content: str) -> list[tuple[int, list[str], list[str]]]:
    """The sentences of a file without errors."""
    file.write_text(content, encoding="utf-8")
    sentences = list(read_conll(TableFile(file)))
    assert [sentence.error for sentence in sentences if sentence.error] == []
    return [sentence[:3] for sentence in sentences]


PAIR = [(1, ["Anna", "sang"], ["B-PER", "O"]), (4, ["Bob"], ["B-PER"])]


@pytest.mark.parametrize(
    "content",
    [
        "Anna B-PER\nsang O\n\nBob B-PER\n",
        "Anna B-PER\nsang O\n\nBob B-PER",
        "Anna\tB-PER\nsang\tO\n\nBob\tB-PER\n\n\n",
        "Anna  B-PER \nsang   O\n \t\nBob B-PER\n",
        "Anna B-PER\r\nsang O\r\n\r\nBob B-PER\r\n",
        "\ufeffAnna B-PER\nsang O\n\nBob B-PER\n",
        "Anna NNP B-NP B-PER\nsang VBD B-VP O\n\nBob NNP B-NP B-PER\n",
    ],
    ids=["spaces", "no last newline", "tabs", "more spaces", "Windows", "byte order mark", "four columns"],
)
def test_the_first_column_is_the_token_and_the_last_its_tag(file: Path, content: str) -> None:
    assert read_valid(file, content) == PAIR


def test_document_markers_and_comments_are_skipped(file: Path) -> None:
    content = "-DOCSTART- -X- -X- O\n\nAnna NNP x B-PER\n\n#begin document (a); part 0\n# a comment\n#\n"
    content += "Bob NNP x B-PER\n#end document\n-DOCSTART- -X- -X- O\nCarl NNP x B-PER\n"
    assert read_valid(file, content) == [
        (3, ["Anna"], ["B-PER"]),
        (8, ["Bob"], ["B-PER"]),
        (11, ["Carl"], ["B-PER"]),
    ]


def test_a_token_may_begin_with_a_hash(file: Path) -> None:
    assert read_valid(file, "#music O\n# O\n\n#\tO\n") == [
        (1, ["#music", "#"], ["O", "O"]),
        (4, ["#"], ["O"]),
    ]


def test_with_tabs_a_token_may_contain_spaces(file: Path) -> None:
    assert read_valid(file, "New York\tB-LOC\n10\u00a0000\tO\n") == [
        (1, ["New York", "10\u00a0000"], ["B-LOC", "O"])
    ]


def test_unicode_spaces_are_part_of_a_token(file: Path) -> None:
    assert read_valid(file, "10\u00a0000 O\na\u2028b O\n") == [(1, ["10\u00a0000", "a\u2028b"], ["O", "O"])]


def test_a_sentence_may_be_long(file: Path) -> None:
    assert [len(tokens) for _, tokens, _ in read_valid(file, "a O\n" * 20_000)] == [20_000]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sang", r"expected 2 columns, the token first and its tag last\. Got 'sang'\."),
        ("New York B-LOC", r"expected 2 columns, .*\. Got 'New York B-LOC'\."),
        ("New York\t", r"expected 2 columns, .*\. Got 'New York\\t'\."),
        ("\tO", r"expected 2 columns, .*\. Got '\\tO'\."),
        (b"\xdcber O", r"the line must be UTF-8\. Got byte 0xdc .*\. Convert it, as with: iconv -f WIND.*"),
    ],
)
def test_a_bad_line_makes_only_its_sentence_unusable(file: Path, line: Any, message: str) -> None:
    bad = line if isinstance(line, bytes) else line.encode()
    file.write_bytes(b"Anna B-PER\n\nand O\n" + bad + b"\nsang O\nlong\n\nBob B-PER\n")
    first, second, third = read_conll(TableFile(file))
    assert (first.error, third.error) == (None, None)
    assert (first.tokens, third.tokens) == (["Anna"], ["Bob"])
    assert second.line == 3
    with pytest.raises(DataError, match=rf"^{re.escape(str(file))}, line 4: {message}$"):
        raise second.error  # type: ignore[misc]


def test_the_first_line_may_be_bad(file: Path) -> None:
    file.write_text("title\n\nAnna NNP B-PER\n\nBob NNP B-PER\n")
    assert [sentence.error is None for sentence in read_conll(TableFile(file))] == [False, True, True]


def test_records_name_lines_and_skip_bad_sentences(file: Path) -> None:
    file.write_text("Anna B-PER\n\nBob\n\nCarl B-PER\nsang O\n")
    data = read(file)
    assert isinstance(data, Records)
    assert data.columns == ("tokens", "tags")
    rows = {example.place: dict(example.fields) for example in data.examples("all")}
    assert rows == {
        f"{file}, line 1": {"tokens": ["Anna"], "tags": ["B-PER"]},
        f"{file}, line 5": {"tokens": ["Carl", "sang"], "tags": ["B-PER", "O"]},
    }
    assert data.skipped == {
        "train": (f"{file}, line 3: expected 2 columns, the token first and its tag last. Got 'Bob'.",)
    }
    with pytest.raises(DataError, match=rf"^{re.escape(str(file))}, line 3: expected 2 columns"):
        read(file, strict=True)
