"""What verbs print: brackets as they are, and characters that a terminal cannot show."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqloom.cli.terminal.output import print_json
from seqloom.cli.terminal.report import print_report
from seqloom.evaluation.report import Report
from seqloom.tasks.base import Metric
from seqloom.training.monitoring.progress import ProgressBar

BRACKETS = "a [/b] c [red] :smile: [link=x]"


def test_brackets_in_a_report_appear_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(
        task="classify",
        data=f"{BRACKETS}.csv",
        split="test",
        metrics={"f1 [/b]": 0.5},
        baseline_name="base [/b]",
        baseline={"f1 [/b]": 0.4},
        interval={"f1 [/b]": (0.45, 0.55)},
        primary_metric=Metric("f1 [/b]", higher_is_better=True),
        skipped=[f"{BRACKETS}.csv, line 2: expected a text. " + "long " * 40],
        details={"worst [/b]": [BRACKETS]},
    )
    print_report(report)
    output = capsys.readouterr().out
    assert f"{BRACKETS}.csv, test split, 1 row skipped\n" in output
    assert f"worst [/b]:\n  {BRACKETS}\n" in output
    assert "base [/b]" in output
    assert output.count("f1 [/b]") >= 1


def test_brackets_above_a_progress_bar_appear_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    bar = ProgressBar()
    bar._print(BRACKETS)
    bar._train = (BRACKETS,)
    bar.on_step(0.5, 1.0)
    bar.close()
    assert screen.getvalue().count(BRACKETS) >= 2


def test_a_character_that_the_terminal_cannot_show_is_escaped(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "import seqloom.cli\n"
        "seqloom.cli.app = lambda: (print('z\\xf6lf \\u65e5 \\udcfc'), print('\\u65e5', file=sys.stderr))\n"
        "seqloom.cli.main()\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"z\\xf6lf \\u65e5 \\udcfc\n"
    assert done.stderr == b"\\u65e5\n"


def test_what_is_printed_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no NaN and no infinity, though Python would write and read them."""
    print_json({"decay": float("nan"), "norms": [1.5, float("inf")]})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "decay": None,
        "norms": [1.5, None],
    }
