r"""A part of the frame that is followed, such as eyes and nose, so that the crop moves with a head.

It is found where its correlation with the frame is largest, each at mean 0 and norm 1 (Lewis, 1995, "Fast
normalized cross-correlation"):

.. math:: \gamma_{uv} = \frac{\sum_{ij} (x_{u+i,v+j} - \bar x_{uv}) (a_{ij} - \bar a)}
    {\lVert x_{uv} - \bar x_{uv} \rVert \, \lVert a - \bar a \rVert}

first in the mean frame of the clip, near where it lies on average, then around there in every frame. Lips
move by a few pixels, and a head by as many: without this, most of what a model of lips sees is how the head
moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy

from seqloom.data.video.crop import Crop
from seqloom.errors import ConfigError

MIN_CORRELATION = 0.5
"""With less, a clip, or a frame, does not have the part"""
MIN_DEVIATION = 1.0
"""Grey levels: a part with less has nothing to see"""
MAX_LOST = 0.5
"""Share of a clip's frames in which it may not be found"""
ROUNDS = 3
"""Of looking for the mean of what was found"""
SMOOTHING = numpy.array([1, 4, 6, 4, 1], dtype=numpy.float32) / 16
"""Of places over frames: a head does not jump by half a pixel and back"""


class Anchor(NamedTuple):
    """What is looked for.

    Fields:
        top: the row in which the crop of the settings expects it.
        left: the column.
        pixels: grey levels of its h rows of w pixels.
    """

    top: int
    left: int
    pixels: tuple[tuple[int, ...], ...]


class Place(NamedTuple):
    """Where in a frame the anchor lies, in pixels, between them too, and its correlation there."""

    top: float
    left: float
    correlation: float


class Track(NamedTuple):
    """Where the anchor is in the frames of a clip.

    Fields:
        moved: (T, 2) rows and columns from where the settings expect it, smoothed over time.
        lost: frames in which it was not found; it is taken to be between where it was before and after.
    """

    moved: numpy.ndarray
    lost: int


def fit_anchor(frames: Sequence[numpy.ndarray], part: Crop) -> Anchor:
    """The mean look of a part of frames, once each is moved to where it is alike.

    Args:
        frames: (H, W) each, of one size: the mean frames of clips.
        part: where it lies on average.

    Raises:
        ConfigError: there is nothing to see in the part, or it differs from frame to frame.

    >>> frame = numpy.zeros((8, 8))
    >>> frame[2:4, 3] = 200
    >>> fit_anchor([frame], Crop(1, 2, 3, 3)).pixels
    ((0, 0, 0), (0, 200, 0), (0, 200, 0))
    """
    cuts = [part.cut(frame) for frame in frames]
    assert part.top is not None
    assert part.left is not None
    for _ in range(ROUNDS):
        template = numpy.mean(cuts, axis=0)
        if template.std() < MIN_DEVIATION:
            expected = "must be a part of the frame with something to see, such as eyes and nose"
            raise ConfigError("data.anchor", expected, got="one that is all alike")
        places = [find(frame, template, (part.top, part.left)) for frame in frames]
        found = [
            (frame, place)
            for frame, place in zip(frames, places, strict=True)
            if place.correlation >= MIN_CORRELATION
        ]
        if len(found) < MAX_LOST * len(frames):
            expected = "must be a part of the frame that all clips have"
            got = f"one that {len(found):,} of {len(frames):,} clips have"
            raise ConfigError("data.anchor", expected, got=got)
        cuts = [
            part._replace(top=round(place.top), left=round(place.left)).cut(frame) for frame, place in found
        ]
    levels = numpy.rint(numpy.mean(cuts, axis=0)).astype(int)
    return Anchor(part.top, part.left, tuple(tuple(row) for row in levels.tolist()))


def follow(frames: Iterable[numpy.ndarray], start: Place, anchor: Anchor) -> Track:
    """Where the anchor is in every frame, within an eighth of its height and width of where it starts.

    Args:
        frames: (H, W) each, of a clip.
        start: where it lies in their mean.
        anchor: what is looked for.
    """
    template = numpy.array(anchor.pixels, dtype=numpy.float32)
    h, w = template.shape
    places = [find(frame, template, (start.top, start.left), (h // 8 + 1, w // 8 + 1)) for frame in frames]
    numbers = numpy.arange(len(places))
    found = numpy.array([place.correlation >= MIN_CORRELATION for place in places])
    moved = numpy.array(
        [(place.top - anchor.top, place.left - anchor.left) for place in places], dtype=numpy.float32
    )
    if found.any():
        known = [numpy.interp(numbers, numbers[found], column[found]) for column in moved.T]
        padded = [numpy.pad(column, len(SMOOTHING) // 2, mode="edge") for column in known]
        moved = numpy.stack([numpy.convolve(column, SMOOTHING, mode="valid") for column in padded], axis=1)
    return Track(moved, int((~found).sum()))


def find(
    frame: numpy.ndarray,
    template: numpy.ndarray,
    around: tuple[float, float],
    reach: tuple[int, int] | None = None,
) -> Place:
    """Where a template (h, w) correlates most with a frame (H, W), to a fraction of a pixel.

    Args:
        frame: grey levels.
        template: what is looked for.
        around: where it is expected, row and column.
        reach: how many rows and columns away it may be; None: half its height and width.
    """
    h, w = template.shape
    rows, columns = reach or (max(h // 2, 1), max(w // 2, 1))
    top, left = max(int(around[0]) - rows, 0), max(int(around[1]) - columns, 0)
    window = frame[top : int(around[0]) + rows + h + 1, left : int(around[1]) + columns + w + 1]
    correlations = correlate(window, template)
    row, column = numpy.unravel_index(correlations.argmax(), correlations.shape)
    return Place(
        float(top + row + _vertex(correlations[:, column], int(row))),
        float(left + column + _vertex(correlations[row], int(column))),
        float(correlations[row, column]),
    )


def correlate(frame: numpy.ndarray, template: numpy.ndarray) -> numpy.ndarray:
    """The correlation of a template (h, w) with every part of a frame (H, W): (H - h + 1, W - w + 1).

    Where all pixels of a part are alike, it is 0.

    >>> correlate(numpy.eye(3), numpy.eye(2)).round(2)
    array([[ 1.  , -0.58],
           [-0.58,  1.  ]])
    """
    (H, W), (h, w) = frame.shape, template.shape
    x, a = frame.astype(numpy.float64) - frame.mean(), template - template.mean(dtype=numpy.float64)
    products = numpy.fft.rfft2(x) * numpy.fft.rfft2(a, (H, W)).conj()
    inner = numpy.fft.irfft2(products, (H, W))[: H - h + 1, : W - w + 1]
    sums, squares = _sums(x, h, w), _sums(x * x, h, w)
    norms = numpy.sqrt(numpy.maximum(squares - sums * sums / (h * w), 0) * (a * a).sum())
    is_flat = norms <= 1e-6 * h * w
    return numpy.where(is_flat, 0, inner / numpy.where(is_flat, 1, norms))


def cut_at(frame: numpy.ndarray, top: float, left: float, size: tuple[int, ...]) -> numpy.ndarray:
    """A part (h, w) of a frame (H, W, C) at a place between pixels; beyond the frame its edge goes on.

    >>> cut_at(numpy.arange(12.0).reshape(3, 4, 1), 0.5, 1, (2, 2))[..., 0]
    array([[3., 4.],
           [7., 8.]], dtype=float32)
    """
    for axis, (start, length) in enumerate(zip((top, left), size, strict=True)):
        first = int(numpy.floor(start))
        share = numpy.float32(start - first)
        places = numpy.clip(first + numpy.arange(length + 1), 0, frame.shape[axis] - 1)
        taken = frame.take(places, axis).astype(numpy.float32)
        before, after = (taken.take(range(k, k + length), axis) for k in (0, 1))
        frame = before * (1 - share) + after * share
    return frame


def _sums(x: numpy.ndarray, h: int, w: int) -> numpy.ndarray:
    """The sum of every part (h, w) of x (H, W)."""
    sums = numpy.zeros((x.shape[0] + 1, x.shape[1] + 1))
    sums[1:, 1:] = x.cumsum(0).cumsum(1)
    return sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]


def _vertex(values: numpy.ndarray, place: int) -> float:
    """How far from the largest value the vertex of the parabola through it and its neighbors lies."""
    if not 0 < place < len(values) - 1:
        return 0.0
    before, here, after = values[place - 1 : place + 2]
    bend = before - 2 * here + after
    return float((before - after) / (2 * bend)) if bend < 0 else 0.0
