"""The part of a frame that is kept: named in pixels, or the part that moves most."""

from __future__ import annotations

from typing import NamedTuple

import numpy

AUTO = "auto"
EXPECTED = "must be top,left,height,width in pixels, auto, or auto,height,width"


class Crop(NamedTuple):
    """A part of a frame, in pixels. Without top and left it is searched; without a size, it has the usual."""

    top: int | None = None
    left: int | None = None
    height: int | None = None
    width: int | None = None

    def of_frame(self, height: int, width: int) -> Crop:
        """This crop with a size, for frames of that size."""
        if self.height is not None:
            return self
        return self._replace(height=max(height // 4, 1), width=max(width // 3, 1))

    def fits(self, height: int, width: int) -> bool:
        """Whether it is within a frame of that size; one that is searched must fit below the middle."""
        assert self.height is not None
        assert self.width is not None
        top = height // 2 if self.top is None else self.top
        return top + self.height <= height and (self.left or 0) + self.width <= width

    def cut(self, frame: numpy.ndarray) -> numpy.ndarray:
        """The part of a frame (H, W, C)."""
        assert self.top is not None
        assert self.left is not None
        return frame[self.top : self.top + (self.height or 0), self.left : self.left + (self.width or 0)]


def parse_crop(text: str | None) -> Crop | None:
    """A crop as `data.crop` has it; None where it is none.

    >>> parse_crop("86,50,36,58")
    Crop(top=86, left=50, height=36, width=58)
    >>> parse_crop("auto,32,48")
    Crop(top=None, left=None, height=32, width=48)
    >>> parse_crop("auto,0,48"), parse_crop("mouth")
    (None, None)
    """
    first, *rest = [part.strip() for part in (text or "").split(",")]
    is_auto = first == AUTO
    texts = rest if is_auto else [first, *rest]
    if len(texts) not in ((0, 2) if is_auto else (4,)) or not all(part.isdecimal() for part in texts):
        return None
    numbers = [int(part) for part in texts]
    if 0 in numbers[-2:]:
        return None
    return Crop(None, None, *numbers) if is_auto else Crop(*numbers)


class Motion:
    """How much each pixel of a clip changes from frame to frame, summed while frames pass by."""

    def __init__(self) -> None:
        self._last: numpy.ndarray | None = None
        self._sum: numpy.ndarray | None = None

    def add(self, frame: numpy.ndarray) -> None:
        """Take in the next frame (H, W, C) uint8."""
        if self._last is None:
            self._sum = numpy.zeros(frame.shape[:2], dtype=numpy.int64)
        else:
            change = numpy.maximum(frame, self._last) - numpy.minimum(frame, self._last)
            self._sum += change.sum(2, dtype=numpy.int64)
        self._last = frame

    def find(self, crop: Crop) -> Crop:
        """The place below the middle with the most change; the middle of that part if nothing moves.

        >>> motion = Motion()
        >>> for column in (2, 3):
        ...     frame = numpy.zeros((8, 8, 1), dtype="uint8")
        ...     frame[6, column] = 255
        ...     motion.add(frame)
        >>> motion.find(Crop(None, None, 1, 2))
        Crop(top=6, left=2, height=1, width=2)
        """
        assert self._sum is not None
        H, W = self._sum.shape
        h, w, middle = crop.height or 1, crop.width or 1, self._sum.shape[0] // 2
        sums = numpy.zeros((H + 1, W + 1), dtype=numpy.int64)
        sums[1:, 1:] = self._sum.cumsum(0).cumsum(1)
        inside = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
        inside = inside[middle:]
        if not inside.any():
            return crop._replace(top=middle + (H - middle - h) // 2, left=(W - w) // 2)
        row, column = numpy.unravel_index(inside.argmax(), inside.shape)
        return crop._replace(top=middle + int(row), left=int(column))


def downsample(frames: numpy.ndarray, factor: int) -> numpy.ndarray:
    """The means of squares of `factor` by `factor` pixels of frames (…, H, W, C); what fills none is cut.

    >>> downsample(numpy.arange(8, dtype="uint8").reshape(2, 4, 1), 2)[..., 0]
    array([[3, 5]], dtype=uint8)
    """
    if factor == 1:
        return frames
    *front, H, W, C = frames.shape
    cut = frames[..., : H // factor * factor, : W // factor * factor, :]
    squares = cut.reshape(*front, H // factor, factor, W // factor, factor, C)
    return (squares.mean((-4, -2)) + 0.5).astype(frames.dtype)
