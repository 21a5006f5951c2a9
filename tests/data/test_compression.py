"""Files by what they hold: compressed ones, and companions of macOS."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.data.compression import content_name, content_suffix, is_compressed
from seqloom.data.read import read
from seqloom.errors import DataError
from seqloom.inference.inputs import inputs_of

COMPANION = b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2"


@pytest.mark.parametrize(
    ("name", "content", "suffix"),
    [
        ("train.csv.gz", "train.csv", ".csv"),
        ("TRAIN.TSV.XZ", "TRAIN.TSV", ".tsv"),
        ("a.txt", "a.txt", ".txt"),
        ("a.gz", "a", ""),
        ("a.tar.gz", "a.tar.gz", ".gz"),
        ("a.zip", "a.zip", ".zip"),
    ],
)
def test_a_file_is_named_by_what_it_holds(name: str, content: str, suffix: str) -> None:
    path = Path("folder", name)
    assert (content_name(path).name, content_suffix(path)) == (content, suffix)
    assert is_compressed(path) == (content != name)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.tgz", "a.7z", "a.pdf.gz"])
def test_archives_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"Got a \.\w+ file\. (Unpack it first|Save its text as \.txt)\.$"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["._a.csv", "._a.txt", "._a.jsonl", "a.conll"])
def test_a_companion_of_macos_is_no_data(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(COMPANION)
    message = rf"{name}: expected data\. Got a companion file of macOS.* Is it {name.removeprefix('._')} that"
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)
    with pytest.raises(DataError, match=message):
        inputs_of(str(tmp_path / name), "text")
