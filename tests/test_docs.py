"""The pages that are generated, and those that the site copies from elsewhere in the repository."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from seqloom.runs.config import READING_KEYS, resolve
from seqloom.tasks import TASKS, all_tasks

from .test_contributing import apply

ROOT = Path(__file__).parents[1]


def load_hook(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of docs/hooks, as MkDocs finds it."""
    monkeypatch.syspath_prepend(str(ROOT / "docs/hooks"))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def test_the_settings_page_has_every_key_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_hook("settings", monkeypatch)
    common, *tasks = settings.page().split("\n## ")[1:]
    assert [section.partition("\n")[0] for section in tasks] == list(TASKS)
    for task, section in zip(all_tasks(), tasks, strict=True):
        for part, values in resolve(task, []).to_dict().items():
            if part == "task":
                continue
            for key, value in values.items():
                own = part == "training" or (part == "data" and key in READING_KEYS)
                if part == "training" and key in task.training_defaults:
                    assert f"| `training.{key}` | {settings.code(value)} |" in section
                elif part == "training" and key == "max_epochs":
                    assert "| `max_epochs` | `null` |" in common
                else:
                    assert f"| `{key}` | {settings.code(value)} |" in (common if own else section)


def test_every_setting_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    page = load_hook("settings", monkeypatch).page()
    assert [line for line in page.splitlines() if line.startswith("| `") and line.endswith("|  |")] == []


def test_links_to_files_become_links_to_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mkdocs")
    pages = load_hook("pages", monkeypatch)
    text = "[a](docs/guide.md#data) [b](recipes/README.md) [c](LICENSE) ![d](docs/kernels.svg) `[e](LICENSE)`"
    expected = "[a](guide.md#data) [b](recipes.md) `c` ![d](kernels.svg) `[e](LICENSE)`"
    assert pages.site_links(text, "README.md", Path("index.md")) == expected
    above = pages.site_links("[a](../../CONTRIBUTING.md)", "docs/tutorials/tag.md", Path("tutorials/tag.md"))
    assert above == "[a](../contributing.md)"


def test_the_worked_changes_are_shown_on_pages_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mkdocs")
    pages = load_hook("pages", monkeypatch)
    text = "# C\n\n## A\n\na\n\n## How to add a cell\n\ncell\n\n## How to add a task\n\ntask\n\n## Z\n\nz\n"
    rest, sections = pages.without_sections(text)
    assert sections == {"add-a-cell.md": "cell", "add-a-task.md": "task"}
    assert rest == (
        "# C\n\n## A\n\na\n\n## How to add a cell\n\nWorked through: [how to add a cell](add-a-cell.md).\n\n"
        "## How to add a task\n\nWorked through: [how to add a task](add-a-task.md).\n\n## Z\n\nz\n"
    )
    for page in sections:
        assert (ROOT / "docs" / page).read_text().count(pages.MARK) == 1


@pytest.mark.parametrize("top", ["src/seqloom", "csrc"])
def test_the_design_says_what_every_folder_is(top: str) -> None:
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/design.md").read_text(), flags=re.MULTILINE)
    named = set(re.findall(r"`([\w/]+)/`", " ".join(rows)))
    folders = [path for path in (ROOT / top).rglob("*") if path.is_dir() and path.name != "__pycache__"]
    assert {str(path.relative_to(ROOT / top)) for path in folders} <= named


@pytest.mark.slow
def test_a_native_cell_is_a_header_and_a_line(tmp_path: Path) -> None:
    """docs/add-a-cell.md shows what would remove the plain RNN; without it the rest still compiles."""
    compiler = next((name for name in ("g++", "clang++") if shutil.which(name)), None)
    if compiler is None:
        pytest.skip("no C++ compiler")
    for folder in ("csrc", "src"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "fuzz")
        )
    (diff,) = re.findall(
        r"^```diff\n(.*?)^```$", (ROOT / "docs/add-a-cell.md").read_text(), re.DOTALL | re.MULTILINE
    )
    apply(diff, tmp_path)
    (tmp_path / "csrc/cells/rnn.h").unlink()
    left = [path for path in (tmp_path / "csrc").rglob("*.*") if re.search(r"Rnn|RNN_", path.read_text())]
    assert left == []
    options = [
        "-std=gnu++17",
        "-fsyntax-only",
        "-DSEQLOOM_VARIANT=portable",
        "-DSEQLOOM_BEST_TARGET=0",
        "-Icsrc",
    ]
    for source in (tmp_path / "csrc").rglob("*.cpp"):
        done = subprocess.run(
            [compiler, *options, source], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert "native_id=0" not in (tmp_path / "src/seqloom/cells/spec.py").read_text()
