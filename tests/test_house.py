"""The rules of the house (CONTRIBUTING.md), as tests that can fail."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import seqloom

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_LINES = 400
HEAVY = ("torch", "numpy", "accelerate", "pandas", "transformers", "pyarrow")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_are_sources() -> None:
    assert len(SOURCES) > 10


def test_no_file_is_longer_than_400_lines() -> None:
    assert names([path for path in SOURCES if len(path.read_text().splitlines()) > MAX_LINES]) == []


def test_no_file_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "util.py", "helpers.py", "misc.py", "common.py"}
    assert names([path for path in SOURCES if path.name in drawers or path.parent.name == "utils"]) == []


def test_every_module_says_what_it_is() -> None:
    def has_docstring(path: Path) -> bool:
        return path.read_text().lstrip().startswith(('"""', 'r"""'))

    assert names([path for path in SOURCES if not has_docstring(path)]) == []


def test_no_pickle() -> None:
    calls = ("import pickle", "torch.load(", "torch.save(", "allow_pickle=True")

    def unpickles(line: str) -> bool:
        return any(call in line for call in calls) and not (
            "torch.load(" in line and "weights_only=True" in line
        )

    assert names([path for path in SOURCES if any(map(unpickles, path.read_text().splitlines()))]) == []


def test_nothing_inside_uses_the_public_root() -> None:
    """The root reaches every layer: using it goes around the direction of imports. Its version is free."""
    inside = {path.stem for path in (ROOT / "src/seqloom").iterdir()} | {"__version__"}

    def names_from_root(path: Path) -> set[str]:
        used: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "seqloom":
                used |= {alias.name for alias in node.names}
            elif (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "seqloom"
            ):
                used.add(node.attr)
        return used - inside

    assert {path.name: names for path in SOURCES if (names := names_from_root(path))} == {}


def test_the_version_is_one() -> None:
    assert seqloom.__version__ == version("seqloom")


@pytest.mark.parametrize("module", ["seqloom", "seqloom.cli"])
def test_import_is_light(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_help_is_light() -> None:
    program = (
        "import sys\n"
        "from seqloom.cli import main\n"
        "sys.argv = ['seqloom', '--help']\n"
        "try: main()\n"
        "except SystemExit as leaving: code = leaving.code\n"
        "else: code = 0\n"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.split() == []
    assert "train" in done.stdout


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder."""
    folder = tmp_path_factory.mktemp("classifier")
    rows = "text,label\n" + "a fine film,good\na dull film,bad\n" * 20
    (folder / "reviews.csv").write_text(rows)
    settings = {"training.max_steps": 1, "model.hidden_size": 4}
    seqloom.train(folder / "reviews.csv", settings=settings, out=folder / "run")
    return folder / "run"


NOT_FOR_PREDICTION = (
    *("accelerate", "sklearn", "scipy", "sacrebleu", "yaml", "rich", "soundfile", "pyarrow", "tensorboard"),
    *("torch._dynamo", "torch._inductor", "torch.utils.tensorboard", "sympy"),
    *("seqloom.training", "seqloom.evaluation.report", "seqloom.tasks.transcribe.task"),
)


def test_a_prediction_imports_nothing_that_it_does_not_use(classifier: Path) -> None:
    program = (
        "import sys\n"
        "from seqloom.cli import main\n"
        f"sys.argv = ['seqloom', 'predict', {str(classifier)!r}, 'a fine film']\n"
        "try: main()\n"
        "except SystemExit as leaving: assert not leaving.code, leaving.code\n"
        f"print(*sorted(set({NOT_FOR_PREDICTION!r}) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("good", "bad")
    assert done.stderr.split() == []


@pytest.mark.parametrize("name", seqloom.__all__)
def test_public_names_are_documented(name: str) -> None:
    value = getattr(seqloom, name)
    if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
        return
    text = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    assert text, f"seqloom.{name} has no docstring of its own"
    assert not text.startswith(f"{name}("), f"seqloom.{name} has the docstring that a dataclass makes up"
    if inspect.isclass(value) or inspect.isroutine(value):
        assert value.__module__.startswith("seqloom"), f"seqloom.{name} comes from {value.__module__}"
