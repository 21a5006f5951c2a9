"""Arguments of the command line: a text, or the content of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.errors import DataError
from seqloom.inference.inputs import inputs_of, text_of


def test_an_argument_that_names_no_file_is_a_text() -> None:
    assert inputs_of("a film. Not a file", "text") == ["a film. Not a file"]
    assert inputs_of("x" * 5000, "text") == ["x" * 5000]
    for text in ("good", "and/or", "3.5/5", "so so.", "U.S.A", "v1.2", "What a film.Great", "a\0b", "", " "):
        assert inputs_of(text, "text") == [text]


@pytest.mark.parametrize(
    "argument",
    [
        *("missing.txt", "missing.json", "missing.TXT", "reviews.dat", "my reviews.csv", "a.wav", "b.conllu"),
        *("./reviews", "../reviews", "/data/reviews", "~/reviews", "reviews/", "data/reviews"),
    ],
)
def test_what_looks_like_a_path_and_is_none_is_refused(
    argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"expected a file\. Got no such file\. If it is a text, .*--text\.$"):
        inputs_of(argument, "text")
    assert text_of(argument) == argument


@pytest.mark.parametrize("name", ["data", "my data", "data.txt", "."])
@pytest.mark.parametrize("column", ["text", "file"])
def test_a_folder_is_refused(name: str, column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"expected a file\. Got a folder\. Name files"):
        inputs_of(name, column)


def test_a_file_of_an_unsupported_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.PDF").write_bytes(b"%PDF-1.4")
    with pytest.raises(DataError, match=r"Got a \.pdf file\. Save its text as \.txt\."):
        inputs_of(str(tmp_path / "a.PDF"), "text")


def test_a_file_is_read_by_its_kind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a", "b"]}\n')
    (tmp_path / "a.wav").touch()
    assert inputs_of(str(tmp_path / "a.txt"), "text") == ["one", "two"]
    assert inputs_of(str(tmp_path / "a.jsonl"), "tokens") == [["a", "b"]]
    assert inputs_of(str(tmp_path / "a.wav"), "file") == [tmp_path / "a.wav"]


def test_lines_of_a_text_file_end_at_lf_and_crlf_only(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\f\x85\u2028\rone\r\ntwo\n\nthree", newline="")
    assert inputs_of(str(tmp_path / "a.txt"), "text") == ["one\f\x85\u2028\rone", "two", "", "three"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_dropped(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_text("zwölf\n", encoding=encoding)
    assert inputs_of(str(tmp_path / "a.txt"), "text") == ["zwölf"]
    assert inputs_of("\ufeffa text", "text") == ["a text"]


def test_an_argument_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(DataError, match=r"the text must be UTF-8\. Got byte 0xfc\.$"):
        inputs_of(b"M\xfcller kam".decode("utf-8", "surrogateescape"), "text")


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("none.wav", "file", r"none\.wav: expected a file\. Got no such file\."),
        ("none.txt", "text", r"none\.txt: expected a file\. Got no such file\."),
        ("folder", "file", r"folder: expected a file\. Got a folder\. Name files"),
        ("folder.csv", "text", r"folder\.csv: expected a file\. Got a folder\. Name files"),
        ("a text", "file", r"a text: expected a file\. Got no such file\."),
        ("latin.txt", "text", r"latin\.txt: the text must be UTF-8\. Got byte 0xfc"),
        ("other.csv", "text", r"other\.csv, line 2: expected a column text\. Got label\."),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, column: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latin.txt").write_bytes("Müller".encode("latin-1"))
    (tmp_path / "other.csv").write_text("label\nx\n")
    argument = name if name == "a text" else str(tmp_path / name)
    with pytest.raises(DataError, match=message):
        inputs_of(argument, column)


def test_a_relative_file_of_a_table_is_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "table.csv").write_text("file\nsub/a.wav\n/tmp/b.wav\n")
    (folder / "metadata.csv").write_text("file_name\nc.wav\n")
    monkeypatch.chdir(tmp_path)
    paths = [(folder / "sub/a.wav").resolve(), Path("/tmp/b.wav")]
    for table in ("data/table.csv", str(folder / "table.csv")):
        assert inputs_of(table, "file") == paths
    assert inputs_of("data/metadata.csv", "file") == [(folder / "c.wav").resolve()]
