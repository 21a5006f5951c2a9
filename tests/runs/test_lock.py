"""One trainer a run folder, and nothing left of those that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import seqloom
from seqloom.errors import RunError
from seqloom.runs.lock import RunLock, remove_abandoned

HOLD = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from seqloom.runs.lock import RunLock\n"
    "lock = RunLock(Path(sys.argv[1]))\n"
    "print('locked', flush=True)\n"
    "time.sleep(60)\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run" / "resume").mkdir(parents=True)
    return tmp_path / "run"


def hold(folder: Path) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder.stdout as output:
        assert output.readline() == b"locked\n"
    return holder


def test_a_second_trainer_is_refused_in_a_line_that_names_the_first(folder: Path) -> None:
    holder = hold(folder)
    try:
        with pytest.raises(RunError) as raised:
            RunLock(folder)
        assert str(raised.value) == (
            f"{folder}: is being trained by another process. "
            f"Got process {holder.pid} on {os.uname().nodename}. "
            "Wait until it is done, stop it, or name another folder with --out."
        )
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    RunLock(folder).release()  # death releases it


def test_a_lock_is_released_and_taken_again(folder: Path) -> None:
    first = RunLock(folder)
    with pytest.raises(RunError, match=f"process {os.getpid()} "):
        RunLock(folder)
    first.release()
    RunLock(folder).release()


def test_a_folder_that_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / "resume" / "lock").mkdir()  # as good as without permission, which root always has
    with pytest.raises(RunError, match=r"lock: cannot be written\. Got Is a directory\."):
        RunLock(folder)


def test_a_new_training_says_what_it_removes_of_a_killed_one(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox jumps over the lazy dog.\n" * 40)
    abandoned = Path(tempfile.mkdtemp(dir=tmp_path, prefix=".run."))
    (abandoned / "resume").mkdir()
    RunLock(abandoned).release()
    lines: list[str] = []
    settings = {
        "training.max_steps": 1,
        "model.hidden_size": 4,
        "training.batch_size": 2,
        "training.window": 8,
    }
    seqloom.train(tmp_path / "text.txt", settings=settings, out=tmp_path / "run", log=lines.append)
    assert not abandoned.exists()
    assert (
        f"removed {abandoned}, which a training has left that was killed before it could be resumed" in lines
    )


def test_who_has_the_lock_removes_what_a_killed_writer_left(folder: Path) -> None:
    left = [folder / ".config.json.0123abcd.partial", folder / "resume" / ".checkpoint.x.partial"]
    for path in left:
        path.write_text("half")
    (folder / "config.json").write_text("{}")
    RunLock(folder).release()
    assert not any(path.exists() for path in left)
    assert (folder / "config.json").exists()


def test_folders_that_a_killed_process_was_making_are_removed_and_no_others(tmp_path: Path) -> None:
    def make(name: str) -> Path:
        made = Path(tempfile.mkdtemp(dir=tmp_path, prefix=f".{name}."))
        (made / "resume").mkdir()
        return made

    abandoned, in_use, another, fresh = make("run"), make("run"), make("run.b"), make("run")
    RunLock(abandoned).release()
    RunLock(another).release()
    lock = RunLock(in_use)
    own = tmp_path / ".run.notes"
    own.mkdir()
    assert remove_abandoned(tmp_path / "run") == [abandoned]
    assert all(path.exists() for path in (in_use, another, fresh, own))
    os.utime(fresh, (0, 0))  # without a lock it is another's that is just being made, unless it is old
    assert remove_abandoned(tmp_path / "run") == [fresh]
    lock.release()
