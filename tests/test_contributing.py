"""The changes that CONTRIBUTING.md works through apply to the code as it is, and pass their own tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# An editable installation finds seqloom before sys.path does: here the changed copy must be found.
RUN = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if not type(finder).__name__.startswith("ScikitBuild")]
sys.path.insert(0, "src")
import pytest
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests", *sys.argv[1:]]))
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


@pytest.mark.parametrize(
    ("title", "module", "passed"),
    [
        ("How to add a cell", "src/seqloom/cells/mgu.py", 6),
        ("How to add a task", "src/seqloom/tasks/truecase.py", 1),
    ],
)
def test_the_worked_change_works(tmp_path: Path, title: str, module: str, passed: int) -> None:
    text = section(title)
    (code, test), (diff,) = blocks(text, "python"), blocks(text, "diff")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / module).write_text(code)
    apply(diff, tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_worked.py").write_text(test)
    command = [sys.executable, "-c", RUN, module]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{passed} passed" in done.stdout
