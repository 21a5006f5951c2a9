"""`report.html` after a training: what it shows of each task, and that it can cost no training."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import seqloom
from seqloom.errors import RunError
from seqloom.files import cannot_write
from seqloom.inspection.diagnosis.history import History, read_history
from seqloom.inspection.report import writing
from seqloom.inspection.report.findings import describe_course
from seqloom.inspection.report.scores import draw_confusion, draw_details
from seqloom.pages import tiles
from seqloom.runs.run_folder import REPORT
from seqloom.tasks import TASKS

TINY = {"model.hidden_size": 8, "model.num_layers": 1, "training.log_every": 1}
SMALL = ("classify", "translate")
"""Tasks whose data is a few rows in these tests; toy data of the others takes longer."""
USUAL = ("How good it is", "Verdict", "The course of the training", "What was trained")
ALSO = {
    "generate": ("An example",),
    "classify": ("Confusion", "Worst mistakes", "Examples"),
    "tag": ("By type", "Examples"),
    "translate": ("Worst translations", "Examples", "Attention"),
    "compose": (),
    "forecast": ("Forecasts",),
}
ELSEWHERE = {"caption", "transcribe"}
"""Their own tests train a model anyway."""


@pytest.fixture
def classify(train_once: Callable[[str], tuple[Path, list[str]]]) -> Path:
    return train_once("classify")[0]


def test_every_task_is_asked_for() -> None:
    assert set(ALSO) | ELSEWHERE == set(TASKS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SMALL else pytest.mark.slow) for name in ALSO]
)
def test_it_shows_what_each_task_has(name: str, train_once: Callable[[str], tuple[Path, list[str]]]) -> None:
    folder, lines = train_once(name)
    assert [line for line in lines if REPORT in line] == []
    page = (folder / REPORT).read_text(encoding="utf-8")
    assert {*USUAL, *ALSO[name]} <= set(re.findall(r"<h2>(.*?)</h2>", page))
    assert len(page) < 500_000
    assert REPORT in (folder / "README.md").read_text()


def test_it_is_sound_in_a_browser(classify: Path, look_at: Callable[[Path], list[str]]) -> None:
    assert look_at(classify / REPORT) == []


def test_the_report_is_in_it_as_json(classify: Path) -> None:
    page = (classify / REPORT).read_text(encoding="utf-8")
    content = re.search(r'<script type="application/json" id="report">(.*?)</script>', page)
    assert content is not None
    report = json.loads(content[1])
    assert report["task"] == "classify"
    assert report["details"]["confusion"]


def test_a_page_that_cannot_be_written_loses_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(finished: Any) -> str:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(writing, "draw_report", fail)
    (tmp_path / "a.csv").write_text("text,label\n" + "a fine film,good\na dull film,bad\n" * 20)
    lines: list[str] = []
    settings = {**TINY, "training.max_steps": 1}
    model = seqloom.train(tmp_path / "a.csv", settings=settings, out=tmp_path / "run", log=lines.append)
    path = tmp_path / "run" / REPORT
    assert f"{path} was not written: ZeroDivisionError: two\\nlines" in lines
    assert not path.exists()
    assert model.predict(["a fine film"])[0].text in ("good", "bad")
    assert REPORT not in (tmp_path / "run" / "README.md").read_text()


def test_a_page_that_found_no_room_is_written_when_the_training_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: str) -> None:
        raise cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))

    (tmp_path / "a.csv").write_text("text,label\n" + "a fine film,good\na dull film,bad\n" * 20)
    run, lines = tmp_path / "a run", list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_atomically", refuse)
        settings = {**TINY, "training.max_steps": 1}
        seqloom.train(tmp_path / "a.csv", settings=settings, out=run, log=lines.append)
    (line,) = (line for line in lines if REPORT in line)
    assert "Got No space left on device" in line
    assert f"for its page: seqloom train --out '{run}' --resume" in line
    seqloom.train(out=run, resume=True)
    assert REPORT in (run / "README.md").read_text()
    with pytest.raises(RunError, match="expected a training that is not over"):
        seqloom.train(out=run, resume=True)


def test_a_training_of_no_use_is_named(tmp_path: Path) -> None:
    rows = "".join(f"a fine film {number},good\na dull film {number},bad\n" for number in range(100))
    (tmp_path / "a.csv").write_text(f"text,label\n{rows}")
    settings = {**TINY, "training.max_steps": 2, "training.learning_rate": 1e-6}
    seqloom.train(tmp_path / "a.csv", settings=settings, out=tmp_path / "run")
    page = (tmp_path / "run" / REPORT).read_text(encoding="utf-8")
    assert "<h3>not better than the baseline</h3>" in page


def test_what_was_not_recorded_is_not_said_to_fall(tmp_path: Path) -> None:
    assert "too short to say" in nothing_bad(read_history(tmp_path))
    record = '{"split": "train", "step": %d, "loss_nats_per_row": %g}\n'
    (tmp_path / "metrics.jsonl").write_text(record % (1, 0.75) + record % (2, 0.5))
    page = nothing_bad(read_history(tmp_path))
    assert "The losses went: training from 0.750 to 0.500 nats." in page


def nothing_bad(history: History) -> str:
    return tiles([describe_course(history)])


def test_many_labels_show_the_most_frequent_mistakes() -> None:
    labels = [f"label {number}" for number in range(20)]
    counts = {label: {label: 5, labels[0]: place} for place, label in enumerate(labels)}
    page = draw_confusion(counts)
    assert "The most frequent mistakes" in page
    assert page.index("label 19") < page.index("label 18")
    assert "7 more rows" in page


def test_details_are_shown_by_their_form() -> None:
    page = "".join(
        draw_details(
            {
                "by_type": {"PER": {"f1": 0.5, "count": 3}},
                "worst": ["one <line>", "x" * 1000],
                "distinct": 0.25,
                "captions": [{"file": "a.png", "references": ["a dog", "a cat"]}],
            }
        )
    )
    assert "<h2>By type</h2>" in page
    assert "one &lt;line&gt;" in page
    assert "Texts above 280 characters lose their middle." in page
    assert "a dog / a cat" in page
    assert "<td>0.250</td>" in page or '<td class="n">0.250</td>' in page
