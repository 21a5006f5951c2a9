"""Files are written whole or not at all."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from seqloom.errors import RunError
from seqloom.files import remove_partial, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["text with ü\n", b"\x00\xff"])
def test_content_is_written_and_replaced(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "before")
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_crash_in_the_middle_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "before")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, function, crash)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "after")
    assert path.read_text() == "before"
    assert names(tmp_path) == ["a.json"]


def test_a_killed_process_keeps_the_old_file_and_its_remains_can_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "before")
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from seqloom.files import write_atomically\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(Path(sys.argv[1]), 'after')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "before"
    partial, _ = names(tmp_path)
    assert re.fullmatch(r"\.a\.json\.[0-9a-f]{8}\.partial", partial)
    write_atomically(path, "after")
    assert path.read_text() == "after"
    remove_partial(tmp_path)
    assert names(tmp_path) == ["a.json"]


def test_a_full_disk_is_one_line_and_keeps_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: both fail in the same write."""
    path = tmp_path / "a.json"
    write_atomically(path, "before")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(RunError) as raised:
            write_atomically(path, "x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(raised.value) == (
        f"{path}: cannot be written. Got File too large. "
        "What was there before is untouched; make room or name another folder with --out."
    )
    assert path.read_text() == "before"
    assert names(tmp_path) == ["a.json"]


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"a\.json: cannot be written\. Got No such file or directory\."):
        write_atomically(tmp_path / "missing" / "a.json", "text")


def test_a_reader_sees_the_old_content_or_the_new_and_nothing_between(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    contents = ["a" * 300_000, "b" * 200_000]
    write_atomically(path, contents[0])
    done = threading.Event()
    wrong: list[int] = []
    reads = 0

    def read() -> None:
        nonlocal reads
        while not done.is_set():
            content = path.read_text()
            reads += 1
            if content not in contents:
                wrong.append(len(content))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        write_atomically(path, contents[number % 2])
    done.set()
    reader.join()
    assert wrong == []
    assert reads > 1


def test_two_writers_and_a_reader_never_see_a_torn_file(tmp_path: Path) -> None:
    """Two processes write contents of their own, of 5 MB, as fast as they can."""
    path = tmp_path / "a.bin"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from seqloom.files import write_atomically\n"
        "content = sys.argv[2].encode() * 5_000_000\n"
        "while not Path(sys.argv[1]).with_name('stop').exists():\n"
        "    write_atomically(Path(sys.argv[1]), content)\n"
    )
    write_atomically(path, b"a" * 5_000_000)
    writers = [subprocess.Popen([sys.executable, "-c", program, str(path), letter]) for letter in "ab"]
    contents = [letter * 5_000_000 for letter in (b"a", b"b")]
    seen, reads = [0, 0], int(os.environ.get("SEQLOOM_READS", "150"))
    deadline = time.monotonic() + 60  # on a busy machine 150 reads may be over before a writer has started
    try:
        while sum(seen) < reads or (min(seen) == 0 and time.monotonic() < deadline):
            seen[contents.index(path.read_bytes())] += 1
    finally:
        (tmp_path / "stop").touch()
        codes = [writer.wait() for writer in writers]
    assert codes == [0, 0]
    assert min(seen) > 0
    assert names(tmp_path) == ["a.bin", "stop"]


def test_new_files_have_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.json", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640
