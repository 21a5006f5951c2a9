"""One trainer a run folder, and nothing left of those that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

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
