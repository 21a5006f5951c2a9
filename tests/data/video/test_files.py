"""Clips: frames at a set rate by their timestamps, crops, and everything that may be wrong with a file."""

from __future__ import annotations

import re
import struct
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

pytest.importorskip("av")

from seqloom.data.video.files import ClipOptions, read_clip, read_shape, sample_frames
from seqloom.data.video.writing import write_clip
from seqloom.errors import ConfigError, DataError

from .clips import pictures, raw_jpegs, write_at

OPTIONS = ClipOptions(25.0, 32, 48)


def levels(frames: numpy.ndarray) -> list[int]:
    """The mean grey of each frame."""
    return frames.mean((1, 2, 3)).round().astype(int).tolist()


@pytest.mark.parametrize("ending", ["mp4", "avi", "mkv", "mov"])
def test_any_container(tmp_path: Path, ending: str) -> None:
    frames = pictures(10)
    write_clip(tmp_path / f"clip.{ending}", frames)
    assert read_shape(tmp_path / f"clip.{ending}") == (32, 48, 25.0)
    clip = read_clip(tmp_path / f"clip.{ending}", OPTIONS)
    assert clip.frames.shape == (10, 32, 48, 1)
    assert clip.frames.dtype == numpy.uint8
    assert clip.conversions == ()
    # a lossy codec, of levels 20 apart
    assert numpy.abs(numpy.array(levels(clip.frames)) - frames[:, 0, 0, 0]).max() <= 4


@pytest.mark.parametrize(("rate", "count"), [(12.5, 10), (25.0, 20), (50.0, 39), (10.0, 8)])
def test_frames_are_sampled_at_a_set_rate(tmp_path: Path, rate: float, count: int) -> None:
    write_clip(tmp_path / "clip.mp4", pictures(20))
    clip = read_clip(tmp_path / "clip.mp4", OPTIONS._replace(frames_per_second=rate))
    assert len(clip.frames) == count
    shown = levels(clip.frames)
    assert shown == sorted(shown)
    said = () if rate == 25 else (f"sampled from 25 to {rate:g} frames a second",)
    assert clip.conversions == said


def test_a_frame_is_shown_until_the_next_one(tmp_path: Path) -> None:
    """Frames of unequal duration: at 10 a second, the second is there for four steps."""
    write_at(tmp_path / "clip.mkv", pictures(4), [0, 100, 500, 600])
    clip = read_clip(tmp_path / "clip.mkv", OPTIONS._replace(frames_per_second=10.0))
    shown = levels(clip.frames)
    assert [shown.count(level) for level in dict.fromkeys(shown)] == [1, 4, 1, 1]


def test_the_first_timestamp_is_the_beginning() -> None:
    assert sample_frames([7.0, 7.5, 8.0], 2.0) == [0, 1, 2]
    rounded = [0.0, 0.033, 0.067, 0.1, 0.133, 0.167]  # 30 a second, as containers of milliseconds have it
    assert sample_frames(rounded, 30.0) == [0, 1, 2, 3, 4, 5]


def test_timestamps_that_do_not_grow_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqloom.data.video import files

    write_clip(tmp_path / "clip.mp4", pictures(6))
    decode = files._decode

    def without_times(*arguments: object) -> object:
        for frame in decode(*arguments):  # type: ignore[arg-type]
            yield frame._replace(seconds=None)

    monkeypatch.setattr(files, "_decode", without_times)
    clip = read_clip(tmp_path / "clip.mp4", OPTIONS)
    assert len(clip.frames) == 6
    assert clip.conversions == ("timestamps do not grow: frames taken by their order, 25 a second",)


def test_crops_and_colors(tmp_path: Path) -> None:
    frames = pictures(5)
    frames[:, 20:28, 30:42] = (250, 20, 20)
    write_clip(tmp_path / "clip.mp4", frames)
    options = OPTIONS._replace(crop="20,30,8,12", height=4, width=6, downsampling=2, color=True)
    red = read_clip(tmp_path / "clip.mp4", options).frames
    assert red.shape == (5, 4, 6, 3)
    inner = red[:, 1:-1, 1:-1].mean((0, 1, 2))
    assert inner[0] > 200
    assert inner[1:].max() < 80


def test_the_part_that_moves_most_is_searched_below_the_middle(tmp_path: Path) -> None:
    frames = numpy.full((8, 64, 96, 3), 60, dtype=numpy.uint8)
    for number, frame in enumerate(frames):
        frame[5:15, 4 * number : 4 * number + 20] = 255  # moves more, but above the middle
        frame[44:52, 50:62] = 60 + 20 * number
    write_clip(tmp_path / "clip.mp4", frames)
    crop = read_clip(tmp_path / "clip.mp4", ClipOptions(25.0, 8, 12, "auto,8,12")).frames
    assert numpy.abs(crop.mean((1, 2, 3)) - frames[:, 47, 55, 0]).max() <= 6  # a lossy codec
    usual = read_clip(tmp_path / "clip.mp4", ClipOptions(25.0, 16, 32, "auto"))
    assert usual.frames.shape == (8, 16, 32, 1)


def write_text(path: Path) -> None:
    path.write_text("a text, not a clip\n" * 20)


def write_sound(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))


def write_truncated(path: Path, ending: str = "avi", codec: str = "mpeg4") -> None:
    noise = numpy.random.default_rng(0).integers(0, 255, (30, 32, 48, 3), numpy.uint8)
    write_clip(path.with_suffix(f".{ending}"), noise, codec=codec)
    content = path.with_suffix(f".{ending}").read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_damaged(path: Path, width: int) -> None:
    """A clip with so many wrong bytes in the middle."""
    write_clip(path, numpy.random.default_rng(0).integers(0, 255, (30, 32, 48, 3), numpy.uint8))
    content = bytearray(path.read_bytes())
    middle = len(content) // 3
    content[middle : middle + width] = bytes(byte ^ 0x5A for byte in content[middle : middle + width])
    path.write_bytes(content)


def write_half(path: Path) -> None:
    write_clip(path, pictures(20))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def write_playlist(path: Path) -> None:
    write_clip(path.with_name("secret.avi"), pictures(6))
    path.write_text("ffconcat version 1.0\nfile secret.avi\n")


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "zero": (lambda path: path.write_bytes(b""), r"expected a video file\. Got zero bytes"),
    "text": (
        write_text,
        r"expected a video file\. Got 380 bytes that are no complete one \(Invalid data.*\)",
    ),
    "sound": (write_sound, r"expected a clip with frames\. Got none"),
    "half": (write_half, r"expected a complete clip\. Got [\d,]+ bytes without any stream"),
    "truncated": (write_truncated, r"expected a complete clip\. Got one truncated after \d+ of 30 frames"),
    "truncated mkv": (
        lambda path: write_truncated(path, "mkv"),
        r"expected a complete clip\. Got one truncated after 0\.\d+ of 1\.2 s",
    ),
    "truncated webm": (
        lambda path: write_truncated(path, "webm", "libvpx"),
        r"expected a complete clip\. Got one truncated after 0\.\d+ of 1\.2 s",
    ),
    "truncated flv": (
        lambda path: write_truncated(path, "flv", "flv1"),
        r"expected a complete clip\. Got one truncated after 0\.\d+ of 1\.2 s",
    ),
    "playlist": (
        write_playlist,
        r"expected a video file\. Got a list of other files \(concat\)",
    ),
    "gap": (
        lambda path: write_at(path, pictures(10), [*range(0, 360, 40), 36_000_000]),
        r"expected timestamps without long gaps\. Got 10 frames over 36,000 s",
    ),
    "one frame": (
        lambda path: write_clip(path, pictures(1)),
        r"expected a clip of two frames or more\. Got one",
    ),
    "two sizes": (
        lambda path: raw_jpegs(path, pictures(3), pictures(3, 16, 24)),
        r"expected frames of one size, 48 x 32\. Got 24 x 16 at frame 4",
    ),
    "another size": (
        lambda path: write_clip(path, pictures(3, 16, 24)),
        r"expected frames of 48 x 32, as in training\. Got 24 x 16",
    ),
    "missing": (lambda path: None, r"expected a video file\. Got no such file\. Its path is .*clip\.mp4"),
    "folder": (lambda path: path.mkdir(), r"expected a video file\. Got a folder\. Its path is .*clip\.mp4"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_clips(tmp_path: Path, name: str) -> None:
    write, message = BAD[name]
    write(tmp_path / "clip.mp4")
    with pytest.raises(DataError) as caught:
        read_clip(tmp_path / "clip.mp4", OPTIONS, "metadata.csv, line 3")
    assert re.fullmatch(rf"metadata\.csv, line 3, clip\.mp4: {message}\.?", str(caught.value)), str(
        caught.value
    )


def test_another_size_is_seen_at_the_first_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seqloom.data.video import files

    write_clip(tmp_path / "clip.mp4", pictures(6, 64, 48))
    decode, seen = files._decode, []

    def counted(*arguments: object) -> object:
        for frame in decode(*arguments):  # type: ignore[arg-type]
            seen.append(frame)
            yield frame

    monkeypatch.setattr(files, "_decode", counted)
    for crop in (None, "auto,16,16"):
        with pytest.raises(DataError, match="as in training"):
            read_clip(tmp_path / "clip.mp4", OPTIONS._replace(crop=crop))
    assert len(seen) == 2


def test_all_frames_of_a_clip_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqloom.data.video.files.MAX_NUMBERS", 5 * 32 * 48)
    write_clip(tmp_path / "clip.mp4", pictures(6))
    message = r"expected a clip of at most 7,680 numbers\. Got 6 frames of 48 x 32, or more\. Cut it"
    with pytest.raises(DataError, match=message):
        read_clip(tmp_path / "clip.mp4", OPTIONS)
    write_clip(tmp_path / "clip.mp4", pictures(5))
    assert len(read_clip(tmp_path / "clip.mp4", OPTIONS).frames) == 5
    with pytest.raises(DataError, match="Got 9 frames of 48 x 32"):
        read_clip(tmp_path / "clip.mp4", OPTIONS._replace(frames_per_second=50.0))


def test_frames_that_are_damaged_missing_or_repeated_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqloom.data.video import files

    path = tmp_path / "clip.mp4"
    write_damaged(path, 400)
    (said,) = read_clip(path, OPTIONS).conversions
    assert said == "damaged: 1 of 30 frames, which the decoder mended"
    write_at(tmp_path / "clip.mkv", pictures(8), [*range(0, 240, 40), 480, 520])
    said = read_clip(tmp_path / "clip.mkv", OPTIONS).conversions[-1]
    assert said == "timestamps jump: 6 of 14 frames repeat the one before"
    write_clip(path, pictures(20))
    decode = files._decode
    monkeypatch.setattr(files, "_decode", lambda *arguments: list(decode(*arguments))[:-1])
    (said,) = read_clip(path, OPTIONS).conversions
    assert said == "missing: 1 of 20 frames that the container announces"


def test_frames_are_turned_as_they_are_displayed(tmp_path: Path) -> None:
    """As a phone writes a clip: its matrix turns frames by a quarter, clockwise."""
    frames = numpy.full((5, 32, 48, 3), 20, dtype=numpy.uint8)
    frames[:, :8, :8] = 240  # at the top, left: then at the top, right
    path = tmp_path / "clip.mp4"
    write_clip(path, frames)
    content = path.read_bytes()
    plain, turned = (
        struct.pack(">9i", *numbers, 0, 1 << 30)
        for numbers in ((1 << 16, 0, 0, 0, 1 << 16, 0, 0), (0, 1 << 16, 0, -1 << 16, 0, 0, 0))
    )
    before, after = content.rsplit(plain, 1)  # that of the track
    path.write_bytes(before + turned + after)
    assert read_shape(path) == (48, 32, 25.0)
    clip = read_clip(path, OPTIONS._replace(height=48, width=32)).frames
    assert clip[:, 1:7, 25:31].min() > 200
    assert clip[:, 10:].max() < 60
    assert clip[:, :, :22].max() < 60
    with pytest.raises(DataError, match=r"expected frames of 48 x 32, as in training\. Got 32 x 48"):
        read_clip(path, OPTIONS)


def test_a_crop_must_be_within_the_frame(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", pictures(3))
    for crop in ("20,0,16,16", "auto,20,16"):
        with pytest.raises(DataError, match=rf"expected frames that hold data\.crop={crop}\. Got 48 x 32"):
            read_clip(tmp_path / "clip.mp4", ClipOptions(25.0, 16, 16, crop))


def test_too_short_for_the_rate(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", pictures(3))
    with pytest.raises(DataError, match=r"expected two frames at 5 a second\. Got 3 frames of 0\.08 s"):
        read_clip(tmp_path / "clip.mp4", OPTIONS._replace(frames_per_second=5.0))


def test_av_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"av: this package is needed.*pip install 'seqloom\[video\]'"):
        read_clip(tmp_path / "clip.mp4", OPTIONS)
