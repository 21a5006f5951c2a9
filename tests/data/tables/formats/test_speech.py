"""Layouts of speech corpora: LJSpeech, Common Voice, metadata beside files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqloom.data.read import read
from seqloom.data.tables.records import Records, read_inputs
from seqloom.errors import DataError


def records(path: Path) -> Records:
    data = read(path)
    assert isinstance(data, Records)
    return data


def texts(data: Records) -> dict[str, str]:
    rows = (example.fields for example in data.examples("all"))
    return {str(row["file"].relative_to(data.path.resolve())): row["transcription"] for row in rows}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("wavs/LJ1.wav", "wavs/LJ2.wav", "clips/a.mp3", "clips/b.mp3", "c.wav", "d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize("name", ["metadata.csv", "METADATA.CSV"])
def test_ljspeech(folder: Path, name: str) -> None:
    (folder / name).write_text('LJ1|"In 1455," he said|"In fourteen fifty-five," he said\nLJ2|No.|Number\n')
    data = records(folder)
    assert texts(data) == {
        "wavs/LJ1.wav": '"In fourteen fifty-five," he said',
        "wavs/LJ2.wav": "Number",
    }
    assert data.remarks[0].startswith("metadata.csv has LJSpeech's layout: ")
    assert [example.fields["file"].name for example in read_inputs(folder / name, "file")] == [
        "LJ1.wav",
        "LJ2.wav",
    ]


def test_ljspeech_with_a_bad_row_and_names_of_files(folder: Path) -> None:
    (folder / "metadata.csv").write_text("LJ1.wav|one\nno columns\n\nLJ2.wav|two\n")
    data = records(folder)
    assert texts(data) == {"wavs/LJ1.wav": "one", "wavs/LJ2.wav": "two"}
    assert "line 2: expected 2 or 3 columns. Got 1." in data.skipped["train"][0]


def test_a_table_with_pipes_and_a_header_is_no_ljspeech(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name|transcription\nc.wav|one\nd.wav|two\n")
    assert texts(records(folder)) == {"c.wav": "one", "d.wav": "two"}


def test_common_voice(folder: Path) -> None:
    for name, file in (("train", "a"), ("dev", "b"), ("validated", "b")):
        rows = f"client_id\tpath\tsentence\tup_votes\n1\t{file}.mp3\tText of {file}\t2\n"
        (folder / f"{name}.tsv").write_text(rows)
    data = records(folder)
    assert texts(data) == {"clips/a.mp3": "Text of a", "clips/b.mp3": "Text of b"}
    assert data.remarks[0].startswith(
        "file is the column path, transcription is the column sentence (another"
    )
    assert data.remarks[1] == "ignored, since others are named train: validated.tsv"


@pytest.mark.parametrize("name", ["metadata.jsonl", "Metadata.JSONL", "METADATA.CSV"])
def test_metadata_beside_recordings(folder: Path, name: str) -> None:
    if name.endswith("CSV"):
        (folder / name).write_text("file_name,text\nc.wav,one\nd.wav,two\n")
    else:
        rows = [{"file_name": "c.wav", "text": "one"}, {"file_name": "d.wav", "text": "two"}]
        (folder / name).write_text("\n".join(map(json.dumps, rows)))
    data = records(folder)
    assert texts(data) == {"c.wav": "one", "d.wav": "two"}
    assert data.columns == ("file", "transcription")
    (folder / name).write_text(
        '{"text": "one"}\n{"text": "two"}\n' if "SON" in name.upper() else "text\na\nb\n"
    )
    with pytest.raises(DataError, match=r"expected a column file_name\. Got text\."):
        records(folder)
