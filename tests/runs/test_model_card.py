"""The model card of a run: its example runs, and it has the report."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

import seqloom
from seqloom.cli import main

SETTINGS = {"training.max_steps": 2, "training.warmup_steps": 0, "model.hidden_size": 8}


@pytest.fixture(scope="module", params=["text.txt", "reviews.csv"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of a language model, or of a classifier."""
    folder = tmp_path_factory.mktemp("card")
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog.\n" * 60)
    (folder / "reviews.csv").write_text("text,label\n" + "a fine film,good\na dull film,bad\n" * 20)
    settings = {**SETTINGS, "training.batch_size": 2, "training.window": 16}
    seqloom.train(folder / request.param, settings=settings, out=folder / "run")
    return folder / "run"


def code_block(card: str, language: str) -> str:
    match = re.search(f"```{language}\n(.*?)```", card, re.DOTALL)
    assert match is not None
    return match[1]


def test_its_python_runs(run: Path) -> None:
    block = code_block((run / "README.md").read_text(), "python")
    with contextlib.chdir(run.parent), contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(block, "README.md", "exec"), {})
    assert output.getvalue().strip()


def test_its_command_runs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, evaluation = code_block((run / "README.md").read_text(), "bash").splitlines()
    assert evaluation == "seqloom evaluate run DATA"
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with (
        contextlib.chdir(run.parent),
        contextlib.redirect_stdout(io.StringIO()) as output,
        pytest.raises(SystemExit) as leaving,
    ):
        main()
    assert not leaving.value.code
    assert output.getvalue().strip()


def test_it_has_data_metrics_and_verdict(run: Path) -> None:
    card = (run / "README.md").read_text()
    assert re.search(r"trained with seqloom .* on\n`(text\.txt|reviews\.csv)`", card)
    assert re.search(r"\| loss_nats_per_\w+ \| \d+\.\d{4} \[\d+\.\d{4}, \d+\.\d{4}\] \|", card)
    assert re.search(r"The model is (not )?better than the baseline", card)
