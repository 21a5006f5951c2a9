"""Bits that flip and files that are cut off: the same answer, or one line that says it."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seqloom.errors import SeqloomError
from seqloom.training import checkpoint
from seqloom.training.train import train

from .damage import EXAMPLES, answer, flipped, time_limit
from .runs import KINDS, SmallRun
from .test_faults import make_training

MAX_GROWTH_KIB = 1 << 20
"""Of the memory of this process"""


def files_of(folder: Path) -> list[Path]:
    """Those from which a run is read."""
    names = ("README.md", "lock")
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in names)


def peak_kib(*, anew: bool = False) -> int:
    """The most memory that this process held; anew: from now on, whatever came before."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1])


def damages(folder: Path, seed: str, few: int) -> list[tuple[Path, random.Random]]:
    """Which file is damaged in each example: each of them in turn; and what chooses how."""
    files = files_of(folder)
    count = -(-EXAMPLES // len(KINDS)) if EXAMPLES else few
    return [(files[number % len(files)], random.Random(f"{seed} {number}")) for number in range(count)]


def _hold(mebibytes: int) -> None:
    assert len(b"x" * (mebibytes << 20)) == mebibytes << 20


def test_the_peak_of_memory_is_that_of_the_test() -> None:
    _hold(300)  # a test before
    before = peak_kib(anew=True)
    _hold(200)
    assert 150 << 10 < peak_kib() - before < 250 << 10


def test_a_model_answers_the_same_or_says_why_not(small_run: SmallRun, tmp_path: Path) -> None:
    copy = small_run.copy(tmp_path / "run")
    expected, before = answer(copy), peak_kib(anew=True)
    for file, choice in damages(copy.folder, "answer", 4):
        content = file.read_bytes()
        damaged, name = flipped(content, choice)
        file.write_bytes(damaged)
        try:
            result = answer(copy)
            assert result == expected or result.startswith("error: ")
        except BaseException as error:
            error.add_note(f"{name} in {file.name}")
            raise
        file.write_bytes(content)
    assert peak_kib() - before < MAX_GROWTH_KIB
    assert answer(copy) == expected


def resume(folder: Path) -> dict[str, torch.Tensor] | str:
    """The weights of two more steps, or the line that says why there are none."""
    try:
        with time_limit():
            train(out=folder, resume=True, settings=["training.max_steps=5"])
        return checkpoint.load(folder).model
    except SeqloomError as error:
        return str(error)


def check_resumed(name: str, few: int, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    work: Callable[[Path], None] = make_training(name, tmp_path / "source")
    (tmp_path / "first").mkdir()
    work(tmp_path / "first")
    run = tmp_path / "copy"

    def copied() -> Path:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(tmp_path / "first" / "run", run)
        return run

    expected = resume(copied())
    assert not isinstance(expected, str), expected
    for file, choice in damages(copied(), f"resume {name}", few):
        copied()
        damaged, note = flipped(file.read_bytes(), choice)
        file.write_bytes(damaged)
        try:
            resumed = resume(run)
            is_same = not isinstance(resumed, str) and all(
                torch.equal(resumed[key], tensor) for key, tensor in expected.items()
            )
            assert is_same or (isinstance(resumed, str) and resumed.isprintable())
        except BaseException as error:
            error.add_note(f"{note} in {file.relative_to(run)}")
            raise


def test_a_training_resumes_to_the_same_or_says_why_not(tmp_path: Path) -> None:
    check_resumed("generate", 6, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in KINDS if name != "generate"])
def test_trainings_of_every_task_resume_to_the_same_or_say_why_not(name: str, tmp_path: Path) -> None:
    check_resumed(name, 8, tmp_path)
