"""Arguments of the command line: a text, or the content of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.errors import DataError
from seqloom.inference.inputs import inputs_of


def test_an_argument_that_names_no_file_is_a_text() -> None:
    assert inputs_of("a film. Not a file", "text") == ["a film. Not a file"]
    assert inputs_of("x" * 5000, "text") == ["x" * 5000]
    assert inputs_of("what is in notes.txt", "text") == ["what is in notes.txt"]
    assert inputs_of("a null \0", "text") == ["a null \0"]
    assert inputs_of("/", "text") == ["/"]  # a folder has no lines


def test_a_file_is_read_by_its_kind(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "a.jsonl").write_text('{"tokens": ["a", "b"]}\n')
    (tmp_path / "a.wav").touch()
    assert inputs_of(str(tmp_path / "a.txt"), "text") == ["one", "two"]
    assert inputs_of(str(tmp_path / "a.jsonl"), "tokens") == [["a", "b"]]
    assert inputs_of(str(tmp_path / "a.wav"), "file") == [tmp_path / "a.wav"]


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
