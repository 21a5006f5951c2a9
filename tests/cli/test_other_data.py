"""Data of another kind than the task or the model reads: one line, whichever verb."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import seqloom


@pytest.mark.parametrize(("task", "data"), [("tag", "text.txt"), ("generate", "reviews.csv")])
def test_data_of_another_kind_is_one_line(tmp_path: Path, task: str, data: str) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox.\n" * 60)
    (tmp_path / "reviews.csv").write_text("text,label\n" + "a fine film,good\na dull film,bad\n" * 20)
    small = ["--set", "training.max_steps=1", "--set", "model.hidden_size=4", "--set", "training.window=8"]
    small += ["--set", "training.batch_size=2", "--out", "run"]
    done = seqloom("train", data, "--task", task, *small, cwd=tmp_path)
    kinds = {
        "text.txt": "the task tag takes columns tokens and tags, as CoNLL files have. Got plain text.",
        "reviews.csv": "the task generate takes plain text. Got a table with columns text, label.",
    }
    expected = f"seqloom: {data}: {kinds[data]}\n"
    assert (done.returncode, done.stderr) == (2, expected)
    other = "reviews.csv" if data == "text.txt" else "text.txt"
    assert seqloom("train", other, *small, cwd=tmp_path).returncode == 0
    for arguments in (["evaluate", "run", data], ["train", data, "--out", "run", "--resume"]):
        done = seqloom(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith(f"seqloom: {data}: the task ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [("toy-data", "tag"), ("train",), ("evaluate", "run")])
def test_a_name_that_is_too_long_is_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "reviews.csv").write_text("text,label\n" + "a fine film,good\na dull film,bad\n" * 20)
    small = ["--set", "training.max_steps=1", "--set", "model.hidden_size=4", "--out", "run"]
    assert seqloom("train", "reviews.csv", *small, cwd=tmp_path).returncode == 0
    name = "x" * 5000
    done = seqloom(*arguments, name, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("xxx: File name too long.\n")
    assert done.stderr.count("\n") == 1
