"""Splits by name, and the rows held out for validation."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.data.splits import hold_out, infer_split


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("train.txt", "train"),
        ("train-00000-of-00002.parquet", "train"),
        ("valid.csv", "validation"),
        ("val/a.wav", "validation"),
        ("dev/speaker/a.wav", "validation"),
        ("test/notes.txt", "test"),
        ("notes.txt", None),
        ("training.txt", None),
    ],
)
def test_a_split_is_named_by_file_or_folder(file: str, split: str | None) -> None:
    assert infer_split(Path("data") / file, Path("data")) == split


@pytest.mark.parametrize(
    ("groups", "held_out"),
    [(0, 0), (1, 0), (2, 1), (5, 1), (14, 1), (16, 2), (100, 10), (20_000, 2000), (50_000, 2000)],
)
def test_a_tenth_is_held_out_at_least_one_and_at_most_2000(groups: int, held_out: int) -> None:
    rows = hold_out(range(groups))
    assert rows.dtype == bool
    assert (len(rows), rows.sum()) == (groups, held_out)


def test_rows_of_a_group_stay_together() -> None:
    groups = [f"speaker {number % 30}" for number in range(300)]
    rows = hold_out(groups)
    by_group = {
        name: {bool(out) for group, out in zip(groups, rows, strict=True) if group == name} for name in groups
    }
    assert all(len(outs) == 1 for outs in by_group.values())
    assert sum(outs == {True} for outs in by_group.values()) == 3
    assert rows.sum() == 30


def test_the_same_groups_are_split_the_same_way_every_time() -> None:
    groups = [f"file {number}" for number in range(100)]
    assert numpy.array_equal(hold_out(groups), hold_out(list(groups)))
    # These very rows: a run's validation split must not change from one version to the next.
    assert numpy.flatnonzero(hold_out(groups)).tolist() == [5, 16, 20, 36, 52, 72, 82, 90, 93, 94]
