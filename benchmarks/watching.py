"""A training in a process of its own, and the memory that it holds until its last step or its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

POLL_SECONDS = 0.1


class Watched(NamedTuple):
    """What was seen of a training.

    Fields:
        seconds_to_first_step: from the start of the process.
        seconds_to_last_step: likewise.
        seconds: until it ended, or was ended after the last step.
        kib_at_last_step: the most KiB of memory that one of its processes held until then, files included.
        kib: likewise, until the end.
        own_kib_at_last_step: the most KiB of its own, without pages of files, that was seen until then.
    """

    seconds_to_first_step: float
    seconds_to_last_step: float
    seconds: float
    kib_at_last_step: int
    kib: int
    own_kib_at_last_step: int


def watch_training(
    data: Path, settings: Mapping[str, object], steps: int, folder: Path, task: str, with_report: bool
) -> Watched:
    """Run `seqloom train` with an empty cache, and look at it every tenth of a second.

    Args:
        data: a file or folder.
        settings: of `--set`, beside the steps.
        steps: after which it ends.
        folder: for the run, the cache and what it said.
        task: its name.
        with_report: whether to wait for the report; else the process is ended after its last step.

    Raises:
        SystemExit: it ended before its last step was seen, or its report failed; with what it said.
    """
    run = folder / "run"
    # Without a report there is a step more, so that the last one is written down.
    last = {"training.max_steps": steps + (not with_report), "training.validate_every": 1_000_000}
    command = [sys.executable, "-m", "seqloom.cli", "train", str(data), "--task", task, "--out", str(run)]
    for key, value in {**last, "training.log_every": 1, **settings}.items():
        command += ["--set", f"{key}={value}"]
    environment = {**os.environ, "SEQLOOM_CACHE": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    started, first, trained, most, own, at_last = time.perf_counter(), 0.0, 0.0, 0, 0, (0, 0)
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment)
        metrics = run / "metrics.jsonl"
        while process.poll() is None:
            most, own = max(most, _kib(process.pid, "VmHWM:")), max(own, _kib(process.pid, "RssAnon:"))
            text = metrics.read_text() if metrics.exists() else ""
            first = first or (time.perf_counter() - started if text else 0.0)
            if not trained and f'"step": {steps},' in text:
                trained, at_last = time.perf_counter() - started, (most, own)
                if not with_report:
                    process.kill()
                    process.wait()
            time.sleep(POLL_SECONDS)
    if not trained or (with_report and process.returncode):
        raise SystemExit((folder / "said.txt").read_text()[-3000:])
    return Watched(first, trained, time.perf_counter() - started, at_last[0], most, at_last[1])


def _kib(process: int, field: str) -> int:
    """A field of /proc/PID/status, of a process and its children the most; 0 of one that has just ended."""
    most = 0
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for number in (process, *children):
            lines = Path(f"/proc/{number}/status").read_text().splitlines()
            most = max(most, *(int(line.split()[1]) for line in lines if line.startswith(field)))
    except (FileNotFoundError, ProcessLookupError, TypeError):
        return most
    return most
