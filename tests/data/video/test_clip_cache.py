"""Clips in the cache: decoded once, read from disk, and made again where the cache was deleted."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy
import pytest

pytest.importorskip("av")

from seqloom.data.digest import compute_digest
from seqloom.data.padding import pad
from seqloom.data.video.clip_cache import ClipCache
from seqloom.data.video.files import ClipOptions
from seqloom.data.video.writing import write_clip

from .clips import pictures

OPTIONS = ClipOptions(25.0, 32, 48)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_clip_is_decoded_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, pictures(6))
    clips = ClipCache(OPTIONS)
    expected = clips.extract(path)
    assert not cache.exists()
    stored = clips.load(path)
    assert len(stored) == 6
    assert stored.shape == expected.shape
    numpy.testing.assert_array_equal(numpy.asarray(stored), expected)
    monkeypatch.setattr("seqloom.data.video.clip_cache.read_clip", None)
    again = ClipCache(OPTIONS).load(path)
    numpy.testing.assert_array_equal(numpy.asarray(again), expected)
    assert isinstance(ClipCache(OPTIONS).open(path, again._key), numpy.memmap)


def test_a_file_is_hashed_piece_by_piece(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "clip.mp4", pictures(6))
    monkeypatch.setattr(Path, "read_bytes", None)
    assert len(ClipCache(OPTIONS).load(tmp_path / "clip.mp4")) == 6


def test_a_deleted_cache_is_filled_again(tmp_path: Path, cache: Path) -> None:
    write_clip(tmp_path / "clip.mp4", pictures(6))
    stored = ClipCache(OPTIONS).load(tmp_path / "clip.mp4")
    expected = numpy.array(stored)
    shutil.rmtree(cache)
    numpy.testing.assert_array_equal(numpy.asarray(stored), expected)


def test_another_file_or_other_options_are_another_clip(tmp_path: Path, cache: Path) -> None:
    for name, count in (("a.mp4", 6), ("b.mp4", 6), ("c.mp4", 7)):
        write_clip(tmp_path / name, pictures(count))
    a, b, c = (ClipCache(OPTIONS).load(tmp_path / name) for name in ("a.mp4", "b.mp4", "c.mp4"))
    halved = ClipCache(OPTIONS._replace(downsampling=2, height=16, width=24)).load(tmp_path / "a.mp4")
    assert repr(a) == repr(b)  # moved, or copied
    assert len({compute_digest([clip]) for clip in (a, b, c, halved)}) == 3
    batch = pad([a, c])  # type: ignore[list-item]
    assert batch.shape == (2, 7, 32, 48, 1)
    assert not batch[0, 6].any()


def test_a_conversion_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in "ab":
        write_clip(tmp_path / f"{name}.mp4", pictures(6))
    clips = ClipCache(OPTIONS._replace(frames_per_second=12.5))
    with caplog.at_level(logging.WARNING, "seqloom"):
        clips.extract(tmp_path / "a.mp4")
        clips.extract(tmp_path / "b.mp4")
    (message,) = caplog.messages
    assert message == "sampled from 25 to 12.5 frames a second (first in a.mp4; not repeated for other files)"
