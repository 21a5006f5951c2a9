"""Writing frames as a clip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy

from seqloom.optional import import_optional


def write_clip(path: Path, frames: numpy.ndarray, frames_per_second: int = 25, codec: str = "mpeg4") -> None:
    """Write a clip; the same frames always give the same bytes.

    Args:
        path: its ending decides on the container.
        frames: (T, H, W, 3) uint8, of even height and width.
        frames_per_second: the rate.
        codec: as FFmpeg names it.

    Raises:
        ConfigError: av is not installed.
    """
    av = import_optional("av", "video")
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(codec, rate=Fraction(frames_per_second))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.bit_rate, stream.thread_count = "yuv420p", 1_000_000, 1
        for pixels in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
