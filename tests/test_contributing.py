"""The changes that CONTRIBUTING.md works through apply to the code as it is, and pass their own tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

# An editable installation finds seqloom before sys.path does: here the changed copy must be found.
RUN = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if not type(finder).__name__.startswith("ScikitBuild")]
sys.path.insert(0, "src")
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


def section(title: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def apply(diff: str, folder: Path) -> None:
    """Apply a unified diff by its text, wherever the lines now stand."""
    for name, hunks in re.findall(
        r"^--- a/(\S+)\n\+\+\+ b/\S+\n(.*?)(?=^--- a/|\Z)", diff, re.DOTALL | re.MULTILINE
    ):
        path = folder / name
        text = path.read_text()
        for hunk in re.split(r"^@@.*\n", hunks, flags=re.MULTILINE)[1:]:
            lines = [line or " " for line in hunk.splitlines()]
            old, new = ("\n".join(line[1:] for line in lines if line[0] != other) for other in "+-")
            assert text.count(old) == 1, f"CONTRIBUTING.md changes lines that {name} hasn't (once):\n{old}"
            text = text.replace(old, new)
        path.write_text(text)


class Change(NamedTuple):
    """A worked change: its section, the files of its Python blocks but the last, and what its tests are."""

    title: str
    files: tuple[str, ...]
    passed: int
    contract: str = ""
    """The case of the contract's tests that holds it"""


CHANGES = (
    Change("How to add a cell", ("src/seqloom/cells/mgu.py",), 6),
    Change(
        "How to add a task",
        ("src/seqloom/tasks/rate/__init__.py", "src/seqloom/tasks/rate/task.py"),
        22,
        contract="rate",
    ),
)
MAX_TASK_LINES = 80


@pytest.mark.parametrize("change", CHANGES, ids=[change.title for change in CHANGES])
def test_a_worked_change_applies_and_passes_its_tests(tmp_path: Path, change: Change) -> None:
    text = section(change.title)
    *sources, test = blocks(text, "python")
    (diff,) = blocks(text, "diff")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, code in zip(change.files, sources, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    apply(diff, tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_worked.py").write_text(test)
    selection = ["tests/test_worked.py", *change.files]
    if change.contract:
        shutil.copy(ROOT / "tests/contracts/test_tasks.py", tmp_path / "tests")
        selection.append("tests/test_tasks.py")
        selection += ["-k", f"test_worked or [{change.contract}]"]
    command = [sys.executable, "-c", RUN, *selection]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{change.passed} passed" in done.stdout
    assert "skipped" not in done.stdout


def test_the_worked_task_is_short() -> None:
    *sources, _ = blocks(section("How to add a task"), "python")
    assert sum(len(code.splitlines()) for code in sources) <= MAX_TASK_LINES
