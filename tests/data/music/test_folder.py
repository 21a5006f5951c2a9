"""Folders of MIDI files: which files count, which split they belong to, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.data.music.dataset import Music
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.errors import DataError

from .midi_files import NOTE, midi_file


def write(folder: Path, *names: str, same: bool = False) -> None:
    for number, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(midi_file(NOTE.replace(b"\x3c", bytes([60 if same else 40 + number]))))


def read_music(folder: Path) -> Music:
    data = read(folder)
    assert isinstance(data, Music)
    assert data.kind == "events"
    return data


def names(data: Music) -> dict[str, list[str]]:
    return {split: [file.name for file in files] for split, files in data.splits.items()}


def test_splits_are_named_by_folders(tmp_path: Path) -> None:
    write(tmp_path, "train/a.mid", "train/more/b.MIDI", "valid/c.mid", "test/d.midi", "e.mid")
    data = read_music(tmp_path)
    assert names(data) == {"train": ["a.mid", "b.MIDI"], "validation": ["c.mid"], "test": ["d.midi"]}
    assert data.describe() == (
        "train 2 tunes, validation 1 tunes, test 1 tunes; ignored, since others are named train: e.mid"
    )


def test_a_tenth_is_held_out_and_copies_stay_together(tmp_path: Path) -> None:
    write(tmp_path, *(f"{number:02d}.mid" for number in range(30)))
    write(tmp_path, *(f"copies/{number}.mid" for number in range(9)), same=True)
    data = read_music(tmp_path)
    assert names(data) == names(read_music(tmp_path))
    digests = {split: {file.read_bytes() for file in files} for split, files in data.splits.items()}
    assert len(digests["validation"]) == 3
    assert not digests["train"] & digests["validation"]
    assert f"held out for validation: {len(data.splits['validation'])} files" in data.remarks


def test_copies_in_other_splits_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "train/a.mid", "test/b.mid", same=True)
    write(tmp_path, "train/x.mid", "test/y.mid", "validation/z.mid")
    assert "1 of 2 files of test are copies of training files" in read_music(tmp_path).remarks


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "train/a.mid", "train/b.mid", "validation/c.mid")
    (tmp_path / "tunes.csv").write_text("file,composer\na.mid,nobody\n")
    (tmp_path / "LICENSE.txt").write_text("free\n")
    assert "passed over 2: LICENSE.txt, tunes.csv" in read_music(tmp_path).remarks


def test_a_tune_among_tables_is_no_music(tmp_path: Path) -> None:
    write(tmp_path, "a.mid")
    (tmp_path / "train.csv").write_text("text,label\na film,good\n" * 3)
    assert isinstance(read(tmp_path), Records)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.mid"], r"expected two different MIDI files or more\. Got 1\."),
        (["test/a.mid", "validation/b.mid"], "Got files for validation and test only"),
    ],
)
def test_too_few_files_are_refused(tmp_path: Path, files: list[str], expected: str) -> None:
    write(tmp_path, *files)
    with pytest.raises(DataError, match=expected):
        read(tmp_path)


def test_a_single_file_is_music_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_text("a text")
    with pytest.raises(DataError, match=r"a\.mid: expected two different MIDI files or more"):
        read(tmp_path / "a.mid")
