"""Standard streams that are closed, full, or read no longer; and files that may not be read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqloom.data.read import read
from seqloom.errors import DataError
from seqloom.inference.inputs import inputs_of
from seqloom.training import train as training

from .damage import time_limit
from .runs import SmallRun

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a shell says of a command, in which `seqloom` is this one."""
    program = f'seqloom() {{ {sys.executable} -m seqloom.cli "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", program], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def folder(runs: Callable[[str], SmallRun]) -> Path:
    return runs("classify").folder.parent


def test_a_closed_input_is_an_empty_one(folder: Path) -> None:
    done = shell("seqloom predict run <&-", folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_reader_that_goes_ends_it_with_0(folder: Path) -> None:
    lines = "yes 'a film' | head -5000 | seqloom predict run | head -1; exit ${PIPESTATUS[2]}"
    done = shell(lines, folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "bad\n", "")


def test_a_full_disk_under_the_report_loses_nothing_and_says_so(folder: Path, tmp_path: Path) -> None:
    command = f"seqloom train reviews.csv --out {tmp_path}/run --set training.max_steps=1 > /dev/full"
    done = shell(command, folder)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "seqloom: standard output: No space left on device. "
        f"Nothing is lost: the run is in {tmp_path}/run, and its report in {tmp_path}/run/README.md."
    )
    assert (tmp_path / "run" / "README.md").exists()


FOR_REPORT = "the model is trained and saved; for its report: seqloom train --out {} --resume"


def interrupt(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("stage", "note", "is_there"),
    [
        ("Trainer", "there is no run folder yet", False),
        (
            "make_report",
            FOR_REPORT,
            True,
        ),
        (
            "write_card",
            FOR_REPORT,
            True,
        ),
    ],
)
def test_an_interruption_says_what_is_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, note: str, is_there: bool
) -> None:
    run = tmp_path / "run"
    settings = {"training.max_steps": 1, "model.hidden_size": 2}
    with monkeypatch.context() as patched:
        patched.setattr(training, stage, interrupt)
        with pytest.raises(KeyboardInterrupt) as raised:
            training.train(folder / "reviews.csv", out=run, settings=settings)
    assert raised.value.__notes__[-1] == note.format(run)
    assert run.exists() == is_there
    if is_there:
        training.train(out=run, resume=True)
        assert (run / "README.md").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root may not change who it is")
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.conll"])
def test_a_file_that_may_not_be_read_is_said_to_be_that(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("text,label\na,b\n")
    path.chmod(0)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    os.seteuid(65534)
    try:
        message = rf"{name}: expected a file that can be read\. Got Permission denied"
        with pytest.raises(DataError, match=message):
            read(path)
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("suffix", ["csv", "txt", "conll", "wav", "mid"])
def test_a_pipe_by_the_name_of_a_file_is_not_waited_for(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    os.mkfifo(path)
    with time_limit(5):
        with pytest.raises(DataError, match=r"Got a pipe or a device\."):
            read(path)
        with pytest.raises(DataError, match=r"expected a file\. Got a pipe or a device\."):
            inputs_of(str(path), "text")
