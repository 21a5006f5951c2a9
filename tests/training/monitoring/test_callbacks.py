"""Callbacks: no-op defaults, the metrics file, and TensorBoard's."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from seqloom.errors import RunError
from seqloom.training.monitoring import callbacks
from seqloom.training.monitoring.callbacks import Callback, MetricsFile, TensorBoard
from seqloom.training.monitoring.records import Record

RECORD = Record(50, 1, 9.5, "train", "word", {"loss_nats_per_word": 2.0}, "wer", {"learning_rate": 0.1})


def test_a_callback_overrides_only_what_it_needs() -> None:
    class Steps(Callback):
        count = 0

        def on_step(self, progress: float, seconds: float) -> None:  # noqa: ARG002
            self.count += 1

    steps = Steps()
    steps.on_step(0.5, 1.0)
    steps.on_record(RECORD)
    steps.close()
    assert (steps.count, steps.written_bytes()) == (1, 0)


def test_a_record_is_a_line_of_json_with_scores_and_details(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path / "metrics.jsonl")
    metrics.on_record(RECORD)
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()  # before it is closed
    place = {"step": 50, "epoch": 1, "seconds": 9.5, "split": "train"}
    assert json.loads(line) == {**place, "loss_nats_per_word": 2.0, "learning_rate": 0.1}
    assert metrics.written_bytes() == len(line) + 1
    metrics.close()


def test_lines_after_the_checkpoint_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("{}\n{}\n")
    metrics = MetricsFile(path, keep_bytes=3)
    metrics.on_record(RECORD)
    metrics.close()
    first, second = path.read_text().splitlines()
    assert first == "{}"
    assert json.loads(second)["step"] == 50


def test_a_file_shorter_than_the_checkpoint_says_is_not_padded(tmp_path: Path) -> None:
    """As after a power cut."""
    path = tmp_path / "metrics.jsonl"
    path.write_text("{}\n")
    metrics = MetricsFile(path, keep_bytes=100)
    assert (metrics.written_bytes(), metrics.missing_bytes) == (3, 97)
    metrics.close()


@pytest.mark.parametrize("torn", ['{"step": 1', '{"step": 1' + " " * 200_000])
@pytest.mark.parametrize(("whole", "size"), [("", 0), ("{}\n", 3)])
def test_what_is_left_of_a_torn_line_is_removed(tmp_path: Path, whole: str, size: int, torn: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(whole + torn)
    metrics = MetricsFile(path, keep_bytes=10**6)
    assert (metrics.written_bytes(), metrics.missing_bytes) == (size, 10**6 - size)
    metrics.on_record(RECORD)
    metrics.close()
    assert path.read_text().startswith(f'{whole}{{"step": 50')


def test_what_was_cut_off_is_not_counted_as_written(tmp_path: Path) -> None:
    """A checkpoint before the first record would say to keep lines that are written once more after it."""
    path = tmp_path / "metrics.jsonl"
    path.write_text("{}\n{}\n")
    metrics = MetricsFile(path, keep_bytes=3)
    assert metrics.written_bytes() == 3
    metrics.close()


@pytest.mark.parametrize("opened", [lambda folder: MetricsFile(folder / "metrics.jsonl"), TensorBoard])
def test_a_disk_that_refuses_is_one_line_and_leaves_no_file_open(tmp_path: Path, opened: Any) -> None:
    """Of a device that is always full."""
    device = io.FileIO("/dev/full", "a")
    full = mock.patch.object(callbacks, "_open_to_append", return_value=device)
    with full, pytest.raises(RunError, match=r"cannot be written\. Got (No space|Invalid)"):
        opened(tmp_path)
    assert device.closed


def test_a_folder_by_the_name_of_tensorboards_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(RunError, match=r"tensorboard: cannot be written\. Got File exists"):
        TensorBoard(tmp_path)
