"""What the README tells a person to type works, on a small text and for a few steps."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import seqloom
from seqloom.cli import main
from seqloom.runs.config import TrainingConfig
from seqloom.tasks.classify.task import Classify
from seqloom.tasks.generate.task import DataConfig, ModelConfig
from seqloom.training import train as train_module

README = (Path(__file__).parents[1] / "README.md").read_text()
FEW_STEPS = ["training.max_steps=3", "model.hidden_size=16"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any training is short here."""
    train = train_module.train

    def short(*arguments: Any, settings: Any = (), resume: bool = False, **named: Any) -> Any:
        given = [f"{k}={v}" for k, v in settings.items()] if isinstance(settings, dict) else list(settings)
        cut = ["training.max_steps=6"] if resume else FEW_STEPS
        return train(*arguments, settings=[*given, *cut], resume=resume, **named)

    monkeypatch.setattr(train_module, "train", short)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("your.txt", "tinyshakespeare.txt"):
        (tmp_path / name).write_text("Once upon a time there was a fox, and it slept.\n" * 200)
    (tmp_path / "reviews").mkdir()
    Classify().write_toy_data(tmp_path / "reviews", 0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 0, command


def test_commands(place: Path, few_steps: None, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [line.split("   #")[0] for line in lines if "seqloom " in line and not line.startswith("make")]
    assert len(commands) == 13
    shutil.rmtree(place / "reviews")  # one of them makes it
    for command in commands:
        text, _, piped = command.rpartition("|")
        if text:
            monkeypatch.setattr(sys, "stdin", io.StringIO(shlex.split(text)[1] + "\n"))
        run(piped.strip(), monkeypatch)
    runs = {"tinyshakespeare", "your", "words", "reviews", "pairs"}
    assert {path.name for path in (place / "runs").iterdir()} == runs


@pytest.mark.parametrize("block", blocks("python"))
def test_python(block: str, place: Path, few_steps: None, capsys: pytest.CaptureFixture[str]) -> None:
    run_block: Callable[..., None] = exec
    scope: dict[str, Any] = {}
    run_block(compile(block, "README.md", "exec"), scope)
    assert scope["seqloom"] is seqloom
    assert bool(capsys.readouterr().out.strip()) == ("print(" in block)


def test_settings_are_the_defaults() -> None:
    defaults = {
        f"{part}.{key}": field.default
        for part, schema in (("data", DataConfig), ("model", ModelConfig), ("training", TrainingConfig))
        for key, field in schema.model_fields.items()
    }
    lines = [line for line in README.splitlines() if re.match(r"\| `(data|model|training)\.", line)]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert len(rows) > 10
    for _, keys, values, *_ in rows:
        names = [name.rstrip(".") for name in re.findall(r"`([a-z_.]+)`", keys)]
        assert names
        assert set(names) <= set(defaults)
        told = [yaml.safe_load(value.strip("` ") or "null") for value in values.split(", ")]
        told = told if len(told) == len(names) else told * len(names)
        if values == "20 epochs":  # that of no limit at all, which tests/training/test_config.py holds
            told = [None] * len(names)
        assert [float(v) if isinstance(v, str) and v[0].isdigit() else v for v in told] == [
            defaults[name] for name in names
        ]
