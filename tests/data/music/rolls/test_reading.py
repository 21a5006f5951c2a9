"""Piano rolls of .mat, .npz and .json: layouts, splits, and what is wrong with a bad one."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy
import pytest
import scipy.io

from seqloom.data.music.rolls.reading import contains_rolls, read_rolls
from seqloom.errors import DataError

RANDOM = numpy.random.default_rng(0)


def _roll(steps: int) -> numpy.ndarray:
    return (RANDOM.random((steps, 88)) < 0.05).astype(numpy.uint8)


def _cells(rolls: list[Any]) -> numpy.ndarray:
    cells = numpy.empty((1, len(rolls)), dtype=object)
    cells[0] = [None] * len(rolls)
    for number, roll in enumerate(rolls):
        cells[0, number] = roll
    return cells


def _numbers(roll: numpy.ndarray) -> list[list[int]]:
    return [(frame.nonzero()[0] + 21).tolist() for frame in roll]


ROLLS = {"train": [_roll(5), _roll(7), _roll(4)], "valid": [_roll(3)], "test": [_roll(6), _roll(2)]}
MAT = {f"{name}data": _cells(rolls) for name, rolls in ROLLS.items()}
SPLITS = {"train": "train", "validation": "valid", "test": "test"}


def _write(path: Path) -> Path:
    if path.suffix == ".mat":
        scipy.io.savemat(path, MAT, do_compression=True)
    elif path.suffix == ".npz":
        arrays = {f"{name}_{number}": roll for name in ROLLS for number, roll in enumerate(ROLLS[name])}
        numpy.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    else:
        values = {name: [_numbers(roll) for roll in rolls] for name, rolls in ROLLS.items()}
        data = json.dumps(values).encode()
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["rolls.mat", "rolls.npz", "rolls.json", "rolls.json.gz"])
def test_every_format_gives_the_same_rolls(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / name)
    assert contains_rolls(path)
    data = read_rolls(path)
    assert data.kind == "frames"
    assert list(data.splits) == ["train", "validation", "test"]
    for split, raw in data.splits.items():
        rolls = [roll.check() for roll in raw]
        assert all(roll.frames.dtype == numpy.uint8 for roll in rolls)
        for roll, expected in zip(rolls, ROLLS[SPLITS[split]], strict=True):
            numpy.testing.assert_array_equal(roll.frames, expected)
            assert roll.place.startswith(str(path))
    assert data.describe() == "train 3 tunes, validation 1 tunes, test 2 tunes"


def test_splits_by_the_names_of_files(tmp_path: Path) -> None:
    for name, rolls in ROLLS.items():
        for number, roll in enumerate(rolls):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{number}.json").write_text(json.dumps(_numbers(roll)))
    (tmp_path / "README.md").write_text("about")
    data = read_rolls(tmp_path)
    assert {split: len(rolls) for split, rolls in data.splits.items()} == {
        "train": 3,
        "validation": 1,
        "test": 2,
    }
    assert data.remarks == ("passed over 1: README.md",)


def test_a_tenth_is_held_out_where_no_split_is_named(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", tunes=numpy.zeros((20, 4, 88), dtype=bool))
    data = read_rolls(tmp_path / "a.npz")
    assert {split: len(rolls) for split, rolls in data.splits.items()} == {"train": 18, "validation": 2}


def test_one_roll_alone_is_cut(tmp_path: Path) -> None:
    roll = _roll(20)
    numpy.savez(tmp_path / "a.npz", roll)
    data = read_rolls(tmp_path / "a.npz")
    parts = [data.splits[split][0].check().frames for split in ("train", "validation")]
    assert [len(part) for part in parts] == [18, 2]
    numpy.testing.assert_array_equal(numpy.concatenate(parts), roll)


def test_unnamed_rolls_beside_named_ones_are_ignored_aloud(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", train_1=_roll(3), train_2=_roll(3), other=_roll(3))
    data = read_rolls(tmp_path / "a.npz")
    assert data.remarks == (f"ignored, since others are named train: {tmp_path}/a.npz, other",)


@pytest.mark.parametrize(
    ("content", "is_roll"),
    [
        ('[{"text": "a", "label": "b"}]', False),
        ('{"text": "a"}', False),
        ("[[60, 64], [62]]", True),
        (' { "train" : [ [ [60], [] ] ] }', True),
        ('{"text": ["a", "b"]}', False),
        ('[["a", "b"]]', False),
    ],
)
def test_json_tables_are_no_rolls(content: str, is_roll: bool, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(content)
    assert contains_rolls(tmp_path / "a.json") == is_roll
    assert contains_rolls(tmp_path) == is_roll


def test_a_folder_of_tables_stays_one(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "vectors.npz", _roll(3))
    (tmp_path / "train.csv").write_text("text,label\na,b\n")
    assert not contains_rolls(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (numpy.zeros((3, 128)), r"a piano roll must be \(steps, 88\)\. Got \(3, 128\)\."),
        (
            numpy.zeros((88, 30)),
            r"a piano roll must be \(steps, 88\)\. Got \(88, 30\)\. "
            r"Is it turned around\? Its rows are steps\.",
        ),
        (numpy.zeros(88), r"a piano roll must be \(steps, 88\)\. Got \(88,\)\."),
        (numpy.zeros((0, 88)), r"a piano roll must have at least one step\. Got none\."),
        (numpy.full((2, 88), "x"), r"a piano roll must be of numbers\. Got <U1\."),
        (
            numpy.pad([[0, 64.0]], ((1, 0), (0, 86))),
            r"a piano roll must be of 0 and 1\. Got 64\.0 at step 2, key 2\.",
        ),
        (
            numpy.full((1, 88), numpy.nan),
            r"a piano roll must be of 0 and 1\. Got nan at step 1, key 1\.",
        ),
    ],
)
def test_bad_arrays(values: numpy.ndarray, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    numpy.savez(path, train_1=_roll(4), train_2=_roll(4), train_bad=values)
    data = read_rolls(path)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}, train_bad: {message}$"):
        [roll.check() for split in data.splits.values() for roll in split]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([[60], [20]], r", roll 1, step 2: must be MIDI numbers from 21 to 108\. Got 20\."),
        ([[60], [60.5]], r", roll 1, step 2: must be MIDI numbers from 21 to 108\. Got 60\.5\."),
        ([[60], [True]], r", roll 1, step 2: must be MIDI numbers from 21 to 108\. Got True\."),
        ([[60], "C"], r", roll 1, step 2: expected a list of MIDI numbers\. Got 'C'\."),
        ([[60], 7], r", roll 1, step 2: expected a list of MIDI numbers\. Got 7\."),
        ([], r", roll 1: expected a list of steps\. Got \[\]\."),
    ],
)
def test_bad_numbers(steps: list[Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([steps, [[60]], [[61]]]))
    data = read_rolls(path)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}{message}$"):
        [roll.check() for split in data.splits.values() for roll in split]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mat", b"", r": expected piano rolls\. Got an empty file\."),
        (
            "a.mat",
            b"MATLAB 5.0 of a kind" + b"\x00" * 200,
            r": expected a \.mat file of version 5 to 7\. Got something else\. Save it with -v7\.",
        ),
        (
            "a.mat",
            b"\x89HDF" + b"\x00" * 200,
            r": expected a \.mat file of version 5 to 7\. Got version 7\.3\. Save it with -v7\.",
        ),
        (
            "a.npz",
            b"PK\x03\x04 cut off",
            r": expected a \.npz file of arrays of numbers\. Got BadZipFile: .*",
        ),
        (
            "a.npz",
            b"\x80\x04\x95 a pickle",
            r": expected a \.npz file of arrays of numbers\. Got BadZipFile: .*",
        ),
        ("a.json", b"[[60], [62]", r": expected JSON\. Got .*\. Is the file complete\?"),
        ("a.json", b'{"train": [[[60]]], "valid": 3}', r", valid: expected a list of rolls\. Got 3\."),
        ("a.json", b'{"valid": [[[60]]]}', r": expected at least one piano roll to train on\. Got none\."),
        ("a.json", b"[[60]]", r": one roll alone must have at least 2 steps\. Got 1\."),
    ],
)
def test_bad_files(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(tmp_path / name))}{message}$"):
        read_rolls(tmp_path / name)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", train=_cells([_roll(3), _roll(4)]))
    message = (
        r": expected a \.npz file of arrays of numbers\. Got Python objects, which are never unpickled\. "
        r"Save one array for each roll\."
    )
    with pytest.raises(DataError, match=message):
        read_rolls(tmp_path / "a.npz")


def test_an_archive_that_grows_too_much_is_refused(tmp_path: Path) -> None:
    numpy.savez_compressed(tmp_path / "a.npz", numpy.zeros((1_000_000, 88), dtype=numpy.uint8))
    with pytest.raises(DataError, match=r"must unpack to at most 67,108,864 bytes\. Got 88,000,\d+\."):
        read_rolls(tmp_path / "a.npz")


def test_a_damaged_file_among_others_is_one_bad_roll(tmp_path: Path) -> None:
    for name in ("train-0", "train-1", "train-2", "valid"):
        numpy.savez(tmp_path / f"{name}.npz", _roll(4))
    (tmp_path / "train-2.npz").write_bytes(b"no zip")
    (*good, bad) = read_rolls(tmp_path).splits["train"]
    assert all(len(roll.check().frames) == 4 for roll in good)
    with pytest.raises(DataError, match=r"train-2\.npz: expected a \.npz file"):
        bad.check()
    with pytest.raises(DataError, match=r"train-2\.npz: expected a \.npz file"):
        read_rolls(tmp_path, strict=True)
