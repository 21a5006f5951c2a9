"""An anchor: found in every frame, its look from several clips, and a crop that moves with it."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

pytest.importorskip("av")

from seqloom.data.video.anchor import Anchor, correlate, cut_at, find, fit_anchor, follow
from seqloom.data.video.crop import Crop
from seqloom.data.video.files import ClipOptions, mean_frame, read_clip
from seqloom.data.video.writing import write_clip
from seqloom.errors import ConfigError, DataError

H, W = 48, 64


def head(down: float = 0.0, right: float = 0.0) -> numpy.ndarray:
    """A frame (H, W, 3) with two eyes and a mouth, whose place may lie between pixels."""
    rows, columns = numpy.mgrid[:H, :W]
    frame = numpy.full((H, W), 60.0)
    for row, column, size in ((14, 24, 3.0), (14, 38, 3.0), (30, 31, 4.0)):
        frame += 160 * numpy.exp(-((rows - row - down) ** 2 + (columns - column - right) ** 2) / size**2)
    return numpy.repeat(numpy.clip(frame, 0, 255)[:, :, None], 3, 2).astype(numpy.uint8)


def anchor() -> Anchor:
    return fit_anchor([head()[:, :, 0]], Crop(8, 18, 12, 28))


def test_correlation_is_that_of_numpy() -> None:
    generator = numpy.random.default_rng(0)
    frame, template = generator.random((9, 11)), generator.random((4, 3))
    expected = [
        [numpy.corrcoef(frame[i : i + 4, j : j + 3].ravel(), template.ravel())[0, 1] for j in range(9)]
        for i in range(6)
    ]
    # Sums by Fourier transforms, of float64.
    numpy.testing.assert_allclose(correlate(frame, template), expected, rtol=0, atol=1e-9)


def test_what_is_flat_correlates_with_nothing() -> None:
    frame = numpy.full((6, 6), 200.0)
    assert not correlate(frame, numpy.eye(3)).any()
    assert not correlate(numpy.eye(6), numpy.full((3, 3), 9.0)).any()


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -4), (1.5, 0.25), (-2.75, 2.5)])
def test_it_is_found_between_pixels(down: float, right: float) -> None:
    place = find(head(down, right)[:, :, 0], numpy.array(anchor().pixels), (8, 18))
    # Eyes of 3 pixels, drawn to 1/255 of a grey level: the vertex of the parabola is off by less than 1/10.
    assert abs(place.top - 8 - down) < 0.1
    assert abs(place.left - 18 - right) < 0.1
    assert place.correlation > 0.95


def test_the_look_of_an_anchor_is_the_mean_of_what_was_found() -> None:
    frames = [head(down, right)[:, :, 0] for down, right in ((0, 0), (3, 2), (-3, -2), (2, -3))]
    template = numpy.array(fit_anchor(frames, Crop(8, 18, 12, 28)).pixels)
    place = find(head()[:, :, 0], template, (8, 18))
    assert place.correlation > 0.999  # sharp, as no mean of frames that were not moved is
    # It lies where it does on average: the frames half a pixel off, a blurred mean a little more.
    assert abs(place.top - 8) < 2
    assert abs(place.left - 18) < 2
    blurred = numpy.mean([frame[8:20, 18:46] for frame in frames], 0)
    assert find(head()[:, :, 0], blurred, (8, 18)).correlation < 0.98


def test_a_crop_moves_with_a_head(tmp_path: Path) -> None:
    still = numpy.stack([head()] * 12)
    moving = numpy.stack([head(number / 3, 2 + number / 4) for number in range(12)])
    write_clip(tmp_path / "still.mp4", still)
    write_clip(tmp_path / "moving.mp4", moving)
    options = ClipOptions(25.0, 14, 20, "23,21,14,20")
    usual = read_clip(tmp_path / "still.mp4", options).frames.astype(int)
    followed = read_clip(tmp_path / "moving.mp4", options._replace(anchor=anchor())).frames.astype(int)
    lost = read_clip(tmp_path / "moving.mp4", options).frames.astype(int)
    assert followed.shape == usual.shape == (12, 14, 20, 1)
    # A lossy codec, and halves of pixels; a mouth is 160 brighter than what is around it.
    assert numpy.abs(followed - usual).mean() < 5
    assert numpy.abs(lost - usual).mean() > 15


def test_colors_are_followed_as_grey(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numpy.stack([head(number / 3) for number in range(9)]))
    options = ClipOptions(25.0, 14, 20, "23,21,14,20", anchor=anchor())
    grey = read_clip(tmp_path / "clip.mp4", options).frames.astype(int)
    color = read_clip(tmp_path / "clip.mp4", options._replace(color=True)).frames.astype(int)
    assert color.shape == (9, 14, 20, 3)
    assert numpy.abs(color - grey).max() <= 8  # the codec's conversion of colors


def test_a_frame_goes_on_beyond_its_edge() -> None:
    frame = numpy.arange(6.0).reshape(2, 3, 1)
    assert cut_at(frame, -1, 2, (3, 2))[..., 0].tolist() == [[2, 2], [2, 2], [5, 5]]


def test_places_are_smoothed_over_time() -> None:
    frames = [head(2.0 * (number % 2))[:, :, 0] for number in range(40)]
    start = find(numpy.mean(frames, 0), numpy.array(anchor().pixels), (8, 18))
    track = follow(frames, start, anchor())
    # 1, 4, 6, 4, 1 sixteenths of 0, 2, 0, 2, 0 is 1.
    assert numpy.abs(track.moved[2:-2, 0] - 1).max() < 0.1
    assert track.moved.shape == (40, 2)
    assert track.lost == 0


def test_frames_without_the_anchor_lie_between_those_around_them(tmp_path: Path) -> None:
    frames = numpy.stack([head(number / 4) for number in range(16)])
    frames[6:9] = 0  # someone stands before the lens
    track = follow(
        list(frames[:, :, :, 0]), find(head(2)[:, :, 0], numpy.array(anchor().pixels), (8, 18)), anchor()
    )
    assert track.lost == 3
    assert numpy.abs(track.moved[1:-1, 0] - numpy.arange(1, 15) / 4).max() < 0.15
    write_clip(tmp_path / "clip.mp4", frames)
    options = ClipOptions(25.0, 14, 20, "23,21,14,20", anchor=anchor())
    (said,) = read_clip(tmp_path / "clip.mp4", options).conversions
    assert said == "anchor: not found in 3 of 16 frames, where it is interpolated"
    frames[3:] = 0
    write_clip(tmp_path / "clip.mp4", frames)
    with pytest.raises(DataError, match=r"the part of data\.anchor is found\. Got one "):
        read_clip(tmp_path / "clip.mp4", options)


def test_what_looks_alike_further_away_is_not_found() -> None:
    frame = numpy.zeros((40, 120))
    frame[10:14, 12:15] = frame[10:14, 72:75] = 200
    template = fit_anchor([frame], Crop(6, 66, 12, 16))
    place = find(frame, numpy.array(template.pixels), (template.top, template.left))
    assert (round(place.top), round(place.left)) == (6, 66)


def test_a_crop_that_leaves_the_frame_is_said_or_refused(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numpy.stack([head(5)] * 6))
    (said,) = read_clip(
        tmp_path / "clip.mp4", ClipOptions(25.0, 8, 20, "38,21,8,20", anchor=anchor())
    ).conversions
    assert said == "crop: partly beyond the frame in 6 of 6 frames, which go on there"
    with pytest.raises(
        DataError, match=r"the crop stays within the frame\. Got one in which it moves by up to 5"
    ):
        read_clip(tmp_path / "clip.mp4", ClipOptions(25.0, 4, 20, "44,21,4,20", anchor=anchor()))


def test_an_anchor_must_be_something_that_clips_have() -> None:
    with pytest.raises(
        ConfigError, match=r"data\.anchor: .* with something to see.*Got one that is all alike"
    ):
        fit_anchor([numpy.full((20, 30), 7.0)], Crop(2, 2, 8, 8))
    generator = numpy.random.default_rng(0)
    noise = [generator.integers(0, 255, (40, 60)) for _ in range(9)]
    with pytest.raises(ConfigError, match=r"that all clips have\. Got one that \d of 9 clips have"):
        fit_anchor(noise, Crop(10, 20, 12, 16))


def test_frames_are_sampled_and_made_smaller_after_they_are_followed(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4", numpy.stack([head(number / 4) for number in range(20)]))
    options = ClipOptions(25.0, 14, 20, "23,21,14,20", anchor=anchor())
    whole = read_clip(tmp_path / "clip.mp4", options).frames
    small = read_clip(
        tmp_path / "clip.mp4", options._replace(frames_per_second=12.5, downsampling=2, height=7, width=10)
    ).frames
    assert small.shape == (10, 7, 10, 1)
    expected = whole[::2].reshape(10, 7, 2, 10, 2, 1).mean((2, 4))
    assert numpy.abs(small - expected).max() <= 1  # rounding


def test_a_clip_without_the_anchor_is_one_line(tmp_path: Path) -> None:
    noise = numpy.random.default_rng(0).integers(0, 255, (6, H, W, 3), dtype=numpy.uint8)
    write_clip(tmp_path / "noise.mp4", noise)
    options = ClipOptions(25.0, 14, 20, "23,21,14,20", anchor=anchor())
    message = (
        r"expected a clip in which the part of data\.anchor is found\. Got one with a correlation of 0\.\d+"
    )
    with pytest.raises(DataError, match=message):
        read_clip(tmp_path / "noise.mp4", options)
    write_clip(tmp_path / "small.mp4", noise[:, :10, :20])
    with pytest.raises(DataError, match=r"expected frames that hold data\.crop=23,21,14,20"):
        read_clip(tmp_path / "small.mp4", options)
    with pytest.raises(DataError, match=r"expected frames that hold data\.anchor, 28 x 12\. Got 20 x 10"):
        read_clip(tmp_path / "small.mp4", ClipOptions(25.0, 4, 4, "0,0,4,4", anchor=anchor()))


def test_the_mean_frame_of_a_clip(tmp_path: Path) -> None:
    frames = numpy.stack([head(), head(4.0)])
    write_clip(tmp_path / "clip.mp4", frames)
    assert numpy.abs(mean_frame(tmp_path / "clip.mp4") - frames.mean(0)[:, :, 0]).mean() < 3  # a lossy codec
