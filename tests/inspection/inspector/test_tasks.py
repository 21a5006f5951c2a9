"""An inspection of an input of every task, as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import seqloom
from seqloom.data.music.files import save_tune
from seqloom.inspection.inspector import inspect
from seqloom.inspection.inspector.page import draw_inspection
from seqloom.inspection.inspector.words import describe, to_json
from seqloom.runs.example import read_inputs
from seqloom.tasks import TASKS

SHOWN = {
    "generate": ("What it expects", "Told what came, and by itself"),
    "classify": (),
    "tag": ("What it expects",),
    "translate": ("What it expects", "Told what came, and by itself", "Attention"),
    "transcribe": ("Posteriors of CTC",),
    "caption": ("Attention",),
    "compose": (),
    "forecast": (),
}
QUICK = ("classify", "translate")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in TASKS]
)
def test_an_input_of_each_task(name: str, train_once: Callable[[str], tuple[Path, list[str]]]) -> None:
    run = seqloom.load(train_once(name)[0])
    data = run.config.task.divide(run.preparation, run.config.read(train_once(name)[0].parent / "data"))
    split = "test" if "test" in data.splits else "validation"
    value = next(iter(read_inputs(data, split, run.preparation.column)))
    result = inspect(run, value)
    assert result.connectivity is not None
    assert (result.connectivity.diagonal() > 0).all()
    assert json.loads(json.dumps(to_json(result), allow_nan=False))["task"] == name
    assert any(line.startswith("half of what a step depends on is") for line in describe(result))
    page = draw_inspection(result)
    assert len(page) < 500_000
    for title in ("What each step depends on", *SHOWN[name]):
        assert f"<h2>{title}</h2>" in page
    has_picture = result.unit is not None and ".reverse" not in result.unit[0]
    assert ("<h2>The cell, step by step</h2>" in page) is has_picture


def test_a_model_with_a_row_for_each_key_says_so(tmp_path: Path) -> None:
    chords = [[48, 64, 67], [53, 65, 69]] * 5
    (tmp_path / "rolls.json").write_text(json.dumps({"train": [chords] * 4, "test": [chords]}))
    sizes = {"model.key_hidden_size": 2, "training.max_steps": 1, "decoding.report_tunes": 1}
    run = seqloom.train(tmp_path / "rolls.json", task="compose", out=tmp_path / "run", settings=sizes)
    save_tune(run.compose(bars=1), tmp_path / "tune.mid")
    with pytest.raises(seqloom.RunError, match=r"as one row\. Got \d+ rows at once\. Trace it in Python"):
        inspect(run, tmp_path / "tune.mid")
