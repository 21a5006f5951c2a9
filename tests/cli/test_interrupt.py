"""Ctrl-C while data is read: one line, exit code 130, nothing half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def test_an_interrupted_reading_leaves_nothing(tmp_path: Path) -> None:
    with (tmp_path / "reviews.csv").open("w") as file:
        file.write("text,label\n")
        file.writelines(f"row {number} {'and so on ' * 9},{number % 2}\n" for number in range(300_000))
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "seqloom.cli", "train", "reviews.csv", "--out", "run"]
    environment = {**os.environ, "SEQLOOM_CACHE": str(cache)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + 120
        while (
            not list(cache.glob("tables/.partial-*/*")) and process.poll() is None and time.monotonic() < end
        ):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert out == ""
    lines = [line for line in errors.splitlines() if "%" not in line]
    assert lines == ["seqloom: interrupted while reading reviews.csv; there is no run folder yet"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "reviews.csv"]
    assert list((cache / "tables").iterdir()) == []
