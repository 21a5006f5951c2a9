"""Callbacks: no-op defaults, and the metrics file."""

from __future__ import annotations

import json
from pathlib import Path

from seqloom.training.monitoring.callbacks import Callback, MetricsFile
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
    assert metrics.written_bytes() == 3
    metrics.close()
