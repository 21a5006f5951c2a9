"""The list of tasks: found by name, inferred from data, and imported only when they are asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import seqloom
from seqloom.data.read import read
from seqloom.errors import ConfigError
from seqloom.tasks import TASKS, all_tasks, infer, task_named
from seqloom.tasks.base import Task
from seqloom.training.train import train


def modules_after(program: str) -> set[str]:
    """The modules that a program has imported at its end."""
    program += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_every_task_has_the_name_that_it_is_listed_by() -> None:
    assert [task.name for task in all_tasks()] == list(TASKS)
    assert all(isinstance(task, Task) for task in all_tasks())
    assert task_named("tag") is task_named("tag")


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^task: unknown task `clasify`\. Did you mean `classify`\?$"):
        task_named("clasify")


def test_a_task_is_inferred_from_columns(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("text\tlabel\n" + "a\tx\nb\ty\n" * 10)
    assert infer(read(tmp_path / "a.tsv")) == [
        (task_named("classify"), "records with columns text and label")
    ]
    (tmp_path / "b.tsv").write_text("title\tprice\n" + "a\tx\nb\ty\n" * 10)
    assert infer(read(tmp_path / "b.tsv")) == []


def test_the_list_of_tasks_is_light() -> None:
    assert not modules_after("import seqloom.tasks") & {"torch", "numpy", "pydantic"}


def test_a_loaded_classifier_imports_no_other_task_and_no_trainer(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + "good film\tyes\nbad film\tno\n" * 20)
    settings = ["training.max_steps=1", "model.hidden_size=4"]
    train(tmp_path / "train.tsv", settings=settings, out=tmp_path / "run")
    loaded = modules_after(f"import seqloom; seqloom.load({str(tmp_path / 'run')!r}).predict(['a film'])")
    assert {module.split(".")[2] for module in loaded if module.startswith("seqloom.tasks.")} & set(
        TASKS
    ) == {"classify"}
    assert not loaded & {"sklearn", "sacrebleu", "jiwer", "soundfile", "accelerate", "seqloom.training"}


def test_no_task_imports_another_one() -> None:
    """What two tasks share is in neither's folder; the shared modules know no task."""
    root = Path(seqloom.tasks.__file__).parent
    for file in root.rglob("*.py"):
        folder = file.relative_to(root).parts[0]
        imports = re.findall(r"seqloom\.tasks\.(\w+)", file.read_text())
        if file != root / "__init__.py":  # which lists them
            assert set(imports) & set(TASKS) <= {folder}, file
