"""What a person sees of a training, on a terminal and where there is none to draw on."""

from __future__ import annotations

import os
import pty
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from seqloom.progress import listen, phase
from seqloom.training.monitoring.progress import SECONDS_BETWEEN_LINES, ProgressBar
from seqloom.training.monitoring.records import Record


def record(split: str, step: int, loss: float, primary_metric: str = "", **scores: float) -> Record:
    """With the loss first, in the middle or last: the order of scores must not matter."""
    loss_name = "loss_nats_per_word"
    scores = {**scores, loss_name: loss, "bits_per_word": 1.44 * loss}
    details = {"words_per_second": 1234.5} if split == "train" else {}
    return Record(step, 0, 65.0, split, "word", scores, primary_metric or loss_name, details)


def test_without_a_terminal_there_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 120.0, 121.0])
    monkeypatch.setattr("seqloom.training.monitoring.progress.monotonic", lambda: next(times))
    progress = ProgressBar()
    progress.on_step(0.0, seconds=0.0)
    progress.on_record(record("train", 50, 5.5))
    progress.on_step(0.25, seconds=SECONDS_BETWEEN_LINES)
    progress.on_step(0.26, seconds=SECONDS_BETWEEN_LINES + 1)  # too soon for another line
    progress.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [" 25%  1 min 00 s left   step 50   loss 5.500 nats per word   1,234 words/s"]


@pytest.mark.parametrize(
    ("scores", "primary_metric", "shown"),
    [
        ({}, "", ""),
        ({"macro_f1": 0.5, "accuracy": 0.75}, "accuracy", ", accuracy 0.7500"),
        ({"accuracy": 0.75, "macro_f1": 0.5}, "accuracy", ", accuracy 0.7500"),
        ({"cer": 0.1}, "wer", ""),
    ],
)
def test_a_validation_shows_its_loss_and_primary_metric(
    capsys: pytest.CaptureFixture[str], scores: dict[str, float], primary_metric: str, shown: str
) -> None:
    progress = ProgressBar()
    progress.on_record(record("validation", 1000, 4.25, primary_metric, **scores))
    progress.close()
    line = "step 1,000 after 1 min 05 s: validation 4.2500 nats per word"
    assert capsys.readouterr().err == f"{line}{shown}\n"


@pytest.fixture
def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets what rich goes by, and the width."""

    def prepare(columns: int) -> None:
        for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", str(columns))

    return prepare


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (160, "left   step 50   loss 5.500 nats per word   validation 4.250   1,234 words/s"),
        (96, "left   step 50   loss 5.500 nats per word   validation 4.250"),
        (60, "left   step 50   loss 5.500 nats per word"),
        (40, "left   step 50"),
    ],
)
def test_a_narrow_terminal_drops_the_last_figures_and_never_the_percentage(
    terminal_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, columns: int, shown: str
) -> None:
    terminal_of(columns)
    master, slave = pty.openpty()
    with ThreadPoolExecutor() as executor, os.fdopen(slave, "w") as terminal:
        reading = executor.submit(read_all, master)
        monkeypatch.setattr(sys, "stderr", terminal)
        progress = ProgressBar()
        progress.on_record(record("train", 50, 5.5))
        progress.on_record(record("validation", 50, 4.25))
        progress.on_step(0.0, seconds=1.0)
        progress.on_step(0.25, seconds=2.0)
        progress.close()
        terminal.close()
        output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", reading.result())
    line = output.replace("\r", "\n").rstrip().splitlines()[-1].rstrip()
    assert line.startswith(" 25 %")
    assert line.endswith(shown)
    assert len(line) <= columns
    assert ("━" in line) == (columns >= 80)


def test_work_within_a_training_is_shown_where_its_figures_are(
    terminal_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqloom.training.monitoring.progress.QUIET_SECONDS", 0.0)
    terminal_of(100)
    master, slave = pty.openpty()
    with ThreadPoolExecutor() as executor, os.fdopen(slave, "w") as terminal:
        reading = executor.submit(read_all, master)
        monkeypatch.setattr(sys, "stderr", terminal)
        progress = ProgressBar()
        with listen(progress), phase("measuring the model", total=2) as measuring:
            measuring.advance()
            time.sleep(0.3)  # long enough for the bar to be redrawn
        progress.close()
        terminal.close()
        output = reading.result()
    assert "measuring the model   50 %" in output


def test_a_terminal_has_a_bar_and_keeps_every_validation(
    terminal_of: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal_of(160)
    master, slave = pty.openpty()
    with ThreadPoolExecutor() as executor, os.fdopen(slave, "w") as terminal:
        reading = executor.submit(read_all, master)
        monkeypatch.setattr(sys, "stderr", terminal)
        progress = ProgressBar()
        progress.on_record(record("train", 50, 5.5))
        progress.on_step(0.0, seconds=1.0)
        progress.on_step(0.25, seconds=2.0)
        time.sleep(0.5)  # long enough for the bar to be redrawn
        progress.on_record(record("validation", 60, 4.25, "accuracy", accuracy=0.75))
        progress.on_step(0.5, seconds=3.0)
        progress.close()
        terminal.close()
        output = reading.result()
    assert "━" in output  # the bar
    assert "25 %" in output
    assert "50 %" in output
    assert "step 50   loss 5.500 nats per word   1,234 words/s" in output
    assert "left   step 50" in output
    line = "step 60 after 1 min 05 s: validation 4.2500 nats per word, accuracy 0.7500"
    assert line in output
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")  # the cursor is shown again at the end


def read_all(terminal: int) -> str:
    """What is written to a pseudo-terminal until its other end is closed."""
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()
