"""What README.md and docs/ tell a person to type works, on a small text and for a few steps."""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

import seqloom
from seqloom.cli import app, main
from seqloom.data.text import python_help
from seqloom.runs.config import parse_settings, resolve
from seqloom.tasks import TASKS, all_tasks, task_named
from seqloom.training import train as train_module

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
FEW_STEPS = ["training.max_steps=3", "training.max_minutes=null", "model.hidden_size=16"]
TOY_DATA = {"reviews": "classify", "harbor": "tag", "pairs": "translate", "chords": "transcribe"}
TOY_DATA |= {"shops": "forecast", "tunes": "compose", "shapes": "caption"}
"""The data that the pages' Python reads, and whose it is."""

KEYS = {
    f"{part}.{key}"
    for task in all_tasks()
    for part, values in resolve(task, []).to_dict().items()
    if isinstance(values, dict)
    for key in values
}
"""The settings of all tasks."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], flags=re.DOTALL | re.MULTILINE)


def commands_of(page: str) -> list[str]:
    """The seqloom commands of a page, from `sh` blocks and after the `$ ` of `console` blocks."""
    console = re.findall(r"^\$ (.*)$", "\n".join(blocks(page, "console")), flags=re.MULTILINE)
    lines = [*"".join(blocks(page, "sh")).splitlines(), *console]
    return [line.split("   #")[0].strip() for line in lines if re.search(r"(^|\| )seqloom ", line)]


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any training is short here."""
    train = train_module.train

    def short(*arguments: Any, settings: Any = (), resume: bool = False, **named: Any) -> Any:
        asked = [f"{k}={v}" for k, v in settings.items()] if isinstance(settings, dict) else list(settings)
        cut = ["training.max_steps=6"] if resume else FEW_STEPS
        return train(*arguments, settings=[*asked, *cut], resume=resume, **named)

    monkeypatch.setattr(train_module, "train", short)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the texts and tables that the pages name."""
    text = "Once upon a time there was a fox, and it slept.\n" * 200
    for name in ("your.txt", "tinyshakespeare.txt"):
        (tmp_path / name).write_text(text)
    tables = {
        "feedback.csv": ("What was said,Mood\n", "a fine day,good\na dull day,bad\n"),
        "other.csv": ("comment,Mood\n", "a dull day,bad\na fine day,good\n"),
        "spam.csv": ("v1;v2\n", "ham;see you\nspam;buy for \u00a3 9\n"),
        "log.csv": ("", "good,1,it works\nbad,2,it fails\n"),
        "ner.jsonl": ("", '{"tokens": ["Anna", "sang"], "ner_tags": [1, 0]}\n'),
    }
    for name, (header, rows) in tables.items():
        encoding = "cp1252" if name == "spam.csv" else "utf-8"
        (tmp_path / name).write_text(header + rows * 10, encoding=encoding)
    monkeypatch.setattr(python_help, "python_help", lambda: text)
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 0, command


@pytest.mark.parametrize(
    ("page", "count", "runs"),
    [
        ("README.md", 3, {"demo", "tinyshakespeare"}),
        ("docs/guide.md", 16, {"your", "words", "reviews", "pairs", "feedback", "spam", "log", "ner"}),
    ],
)
def test_commands_run(
    page: str, count: int, runs: set[str], place: Path, few_steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = commands_of(page)
    assert len(commands) == count
    for command in commands:
        text, _, piped = command.rpartition("|")
        if text:
            monkeypatch.setattr(sys, "stdin", io.StringIO(shlex.split(text)[1] + "\n"))
        run(piped.strip(), monkeypatch)
    assert {path.name for path in (place / "runs").iterdir()} == runs


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)])
def test_commands_are_known(page: str) -> None:
    """Verbs, options and settings of every command; the trainings of the tutorials take minutes."""
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    whole = typer.Context(group)
    for command in commands_of(page):
        _, verb, *arguments = shlex.split(command.rpartition("| ")[2].split(" < ")[0])
        known = group.get_command(whole, verb)
        assert known is not None
        context = known.make_context(verb, arguments)
        nested = parse_settings(context.params.get("settings") or [])
        assert {f"{part}.{key}" for part, values in nested.items() for key in values} <= KEYS, command


@pytest.mark.parametrize(
    ("page", "block"), [(page, block) for page in PAGES for block in blocks(page, "python")]
)
def test_python_runs(
    page: str, block: str, place: Path, few_steps: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, task in TOY_DATA.items():
        if f'"{name}' in block:
            seqloom.toy_data(task, place / name)
    run_block: Callable[..., None] = exec
    scope: dict[str, Any] = {}
    run_block(compile(block, page, "exec"), scope)
    assert scope.get("seqloom", seqloom) is seqloom
    assert bool(capsys.readouterr().out.strip()) == ("print(" in block)


def test_the_pages_name_every_task() -> None:
    for name in TASKS:
        assert f"docs/tutorials/{name}.md" in PAGES["README.md"]
        assert f"seqloom toy-data {name} " in PAGES[f"docs/tutorials/{name}.md"]
        assert task_named(name).shape in PAGES["README.md"]


@pytest.mark.parametrize("page", sorted(set(PAGES) - {"docs/design.md"}))  # which names modules as well
def test_settings_that_pages_name_exist(page: str) -> None:
    parts = "|".join({key.split(".")[0] for key in KEYS})
    named = set(re.findall(rf"`((?:{parts})\.[a-z_]+)`", PAGES[page])) - {"model.safetensors"}
    assert named <= KEYS
