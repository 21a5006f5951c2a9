"""The cache: what is used stays, whatever happens; what is not used is deleted once there is too much."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from seqloom.data import cache
from seqloom.data.cache import cached_folder

LONG_AGO = time.time() - 40 * 86_400


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "MAX_BYTES", 250)
    return tmp_path / "cache"


def write(folder: Path) -> None:
    (folder / "values").write_bytes(bytes(100))


def make(number: int) -> Path:
    return cached_folder("kind", f"{number:032x}", write)


def numbers(root: Path) -> list[int]:
    return sorted(int(path.name, 16) for path in (root / "kind").iterdir())


def age(path: Path) -> None:
    os.utime(path, (LONG_AGO, LONG_AGO))


def test_what_is_not_used_for_a_month_is_deleted_beyond_a_size(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(4):
        age(make(number))
    make(0)  # is used
    make(4)
    assert numbers(root) == [0, 1, 2, 3, 4]  # it is cleaned once a day
    age(root / "lock")
    with (root / "kind" / f"{1:032x}" / "values").open("rb") as opened:
        make(5)
        assert len(opened.read()) == 100  # whoever reads it reads on
    assert numbers(root) == [0, 4, 5]
    assert caplog.messages == [
        f"the cache {root} has 0.0 GB, and may be deleted whenever no training reads it; "
        "3 of its folders are deleted, 0.0 GB that nothing used for 30 days"
    ]
    assert (make(1) / "values").read_bytes() == bytes(100)


@pytest.mark.parametrize("is_used", [True, False])
def test_a_large_cache_is_said_and_only_what_is_seqlooms_is_deleted(
    root: Path, caplog: pytest.LogCaptureFixture, is_used: bool
) -> None:
    """Of a folder that was there before, or of what is used."""
    if not is_used:
        root.mkdir()
    for number in range(4):
        path = make(number)
        if not is_used:
            age(path)
    age(root / "lock")
    make(4)
    assert numbers(root) == [0, 1, 2, 3, 4]
    (line,) = caplog.messages
    assert line.endswith("and may be deleted whenever no training reads it")


def test_other_folders_stay(root: Path) -> None:
    for number in range(4):
        age(make(number))
    others = [root / "kind" / "my-notes", root / "other" / "data"]
    for path in others:
        path.mkdir(parents=True)
        write(path)
        age(path)
    age(root / "lock")
    make(4)
    assert all(path.exists() for path in others)
    assert len(list((root / "kind").iterdir())) == 3


def test_a_small_cache_keeps_all(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    age(make(0))
    make(0)
    age(root / "kind" / f"{0:032x}")
    age(root / "lock")
    make(1)
    assert numbers(root) == [0, 1]
    assert not caplog.messages


def test_what_is_asked_for_is_there_while_another_deletes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for a folder has it, made anew or not, however often it is about to be deleted."""
    monkeypatch.setattr(cache, "MAX_BYTES", -1)
    monkeypatch.setattr(cache, "SECONDS_BETWEEN_CLEANINGS", -1.0)
    monkeypatch.setattr(cache.log, "warning", lambda *_: None)
    is_over = threading.Event()

    def delete() -> None:
        while not is_over.is_set():
            cache._clean(root)

    thread = threading.Thread(target=delete)
    made = []
    make(0)
    thread.start()
    try:
        for _ in range(100):
            folder = cached_folder("kind", f"{1:032x}", lambda folder: (made.append(folder), write(folder)))
            assert (folder / "values").read_bytes() == bytes(100)
            age(folder)
            time.sleep(0.001)
    finally:
        is_over.set()
        thread.join()
    assert len(made) > 1


def test_a_cache_that_may_only_be_read_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(0)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert make(0) == folder
