"""A report on a terminal: of any width and encoding, whatever its names and texts hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from seqloom.cli.terminal.report import describe_row, print_report, shorten
from seqloom.evaluation.report import Report
from seqloom.tasks.base import Metric

from ..conftest import seqloom

NASTY = (
    "a [/b] b",
    "two\nlines",
    "日本語 " * 40,
    "\x1b[31mred",
    "\udcff byte",
    "[link=x]",
    "",
    "long " * 100,
)


def report(details: dict[str, Any], **changes: Any) -> Report:
    plain = Report(
        task="classify",
        data="reviews.csv",
        split="test",
        metrics={"accuracy": 0.5},
        baseline_name="majority",
        baseline={"accuracy": 0.4},
        interval={"accuracy": (0.45, 0.55)},
        primary_metric=Metric("accuracy", higher_is_better=True),
        details=details,
    )
    return plain._replace(**changes)


def printed(
    report: Report, capsys: pytest.CaptureFixture[str], monkeypatch: Any, width: int = 80
) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    print_report(report)
    return capsys.readouterr().out.splitlines()


def test_a_confusion_of_few_labels_is_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    confusion = {"cat": {"cat": 1200, "dog": 2}, "dog": {"dog": 7}}
    lines = printed(report({"confusion": confusion}), capsys, monkeypatch)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert ["cat", "1,200", "2"] in cells
    assert ["dog", "0", "7"] in cells
    header = next(line for line in lines if "confusion: actual" in line)
    assert header.index("as cat") < header.index("as dog")


def test_of_many_labels_it_shows_the_largest_confusions(
    capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    labels = [f"label {number}" for number in range(40)]
    confusion = {
        label: {label: 100, labels[(number + 1) % 40]: number + 1} for number, label in enumerate(labels)
    }
    lines = printed(report({"confusion": confusion}), capsys, monkeypatch)
    assert "confusion: actual, predicted, the 10 most frequent" in lines
    assert "  40 of 140  actual: label 39, predicted: label 0" in lines
    assert "  30 more pairs of labels, 465 rows" in lines
    assert len(lines) < 25


def test_a_table_that_does_not_fit_is_a_list(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    confusion = {f"a long label {n}": {f"a long label {n}": 5, "a long label 0": 3} for n in range(1, 8)}
    lines = printed(report({"confusion": confusion}), capsys, monkeypatch, width=40)
    assert any(line.startswith("  3 of 8  actual: a ") for line in lines)
    assert not any("as a long" in line for line in lines)


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    mistake = {"input": "word " * 500, "label": "good", "predicted": "bad", "nats": 3.14159}
    lines = printed(report({"worst_mistakes": [mistake]}), capsys, monkeypatch)
    line = lines[lines.index("worst_mistakes:") + 1]
    assert len(line) <= 80
    assert line.startswith("  input: word word")
    assert line.endswith("label: good, predicted: bad, nats: 3.142")
    assert "…" in line


@pytest.mark.parametrize("width", [20, 80, 200])
def test_nothing_breaks_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: Any, width: int) -> None:
    details = {
        "confusion": {label: dict.fromkeys(NASTY, 3) for label in NASTY},
        "by_type": {label: {"f1": 0.5, "expected": 3} for label in NASTY},
        "worst_mistakes": [{"input": text, "label": text, "nats": 1.0} for text in NASTY],
        "worst": list(NASTY),
        "signature [/b]\n": "nrefs:1",
    }
    path = "data\n[/b]\x07/reviews.csv"
    lines = printed(report(details, data=path, skipped=["x"]), capsys, monkeypatch, width)
    assert lines[0] == "data\\n[/b]\\x07/reviews.csv, test split, 1 row skipped"
    assert all(line.isprintable() for line in lines)
    unbounded = ("data", "The ", "signature", "by_type", "confusion", "worst", "  46 more pairs")
    assert [line for line in lines if cell_len(line) > width and not line.startswith(unbounded)] == []


def test_a_terminal_of_ascii_has_a_table_too(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.stdout.reconfigure(errors='backslashreplace')\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_report_values import REPORT, print_report\n"
        "print_report(REPORT)\n"
    )
    (tmp_path / "test_report_values.py").write_text(
        "from seqloom.cli.terminal.report import print_report\n"
        "from seqloom.evaluation.report import Report\n"
        "from seqloom.tasks.base import Metric\n"
        "REPORT = Report('classify', 'wölf.csv', 'test', {'f1': 0.5}, None, {}, {'f1': (0.4, 0.6)},\n"
        "    Metric('f1', True), details={'confusion': {'ä': {'ä': 1}}, 'worst': ['long ' * 100]})\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "COLUMNS": "40"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii")
    assert text.startswith("w\\xf6lf.csv, test split\n")
    assert "~" in text
    assert re.search(r"\| *f1 *\|", text)


def test_shortened_texts_fit() -> None:
    for text in NASTY:
        for width in range(1, 30):
            assert cell_len(shorten(text, width)) <= width
            assert cell_len(shorten(text, width, middle=True)) <= width
    assert describe_row({"a": "x" * 50, "b": "y" * 50}, 40) == "a: xxxxxxxx…xxxxxxx, b: yyyyyyyy…yyyyyyy"


def test_series_are_named_by_place_size_and_range(tmp_path: Path) -> None:
    rows = [
        {"values": [[n + k / 60 for k in range(60)] for n in range(30)], "label": str(n % 2)}
        for n in range(30)
    ]
    (tmp_path / "series.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = ["--set", "training.max_steps=1", "--set", "model.hidden_size=4", "--out", "run"]
    done = seqloom("train", "series.jsonl", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    mistakes = [line for line in done.stdout.splitlines() if "0 to 29.98, label" in line]
    assert mistakes
    assert all(len(line) <= 80 and line.startswith("  input: series.jsonl, li") for line in mistakes)


def test_evaluate_says_what_was_skipped_and_passed_over(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = "text,label\n" + "a fine film,good\na dull film,bad\n" * 20
    (data / "train.csv").write_text(rows)
    (data / "test.csv").write_text("text,label\na fine film,good\n,bad\na new film,good\n")
    (data / "notes.md").write_text("notes")
    options = ["--set", "training.max_steps=1", "--set", "model.hidden_size=4", "--out", "run"]
    assert seqloom("train", "data", *options, cwd=tmp_path).returncode == 0
    done = seqloom("evaluate", "run", "data", cwd=tmp_path)
    assert "; passed over 1: notes.md; 1 of 3 rows of test is in train too" in done.stderr
    assert "test: 1 row skipped, the first: " in done.stderr
    assert done.stdout.startswith("data, test split, 1 row skipped\n")
    assert "The baseline took " in done.stdout
    content = json.loads(seqloom("evaluate", "run", "data", "--json", cwd=tmp_path).stdout)
    assert "passed over 1: notes.md" in content["remarks"]
    assert content["skipped"]["rows"] == 1
    assert content["baseline"]["seconds"] >= 0
