"""What a person sees of a training where there is no terminal to draw on."""

from __future__ import annotations

import pytest

from seqloom.training.callbacks import QUIET_SECONDS, Terminal


def train_record(step: int) -> dict[str, object]:
    return {
        "step": step,
        "seconds": 1.0,
        "split": "train",
        "loss_nats_per_word": 5.5,
        "words_per_second": 1234.5,
    }


def test_now_and_then_a_line_with_loss_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([100.0, 120.0, 121.0])
    monkeypatch.setattr("seqloom.training.callbacks.time.monotonic", lambda: next(times))
    terminal = Terminal()
    terminal.step(0.0, seconds=0.0)
    terminal.record(train_record(50))
    terminal.step(0.25, seconds=QUIET_SECONDS)
    terminal.step(0.26, seconds=QUIET_SECONDS + 1)  # too soon for another line
    terminal.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines == [" 25%  1 min 00 s left   step 50   loss 5.500 nats per word   1,234 words/s"]


def test_every_validation_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.record({"step": 1000, "seconds": 65.0, "split": "validation", "loss_nats_per_word": 4.25})
    terminal.close()
    assert capsys.readouterr().err == "step 1,000 after 1 min 05 s: validation 4.2500 nats per word\n"
