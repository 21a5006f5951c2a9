"""Small clips: a bright square on a dark ground, frame by frame."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy


def pictures(count: int, height: int = 32, width: int = 48) -> numpy.ndarray:
    """Frames (T, H, W, 3), each brighter than the one before."""
    levels = numpy.linspace(40, 220, count).astype(numpy.uint8)
    frames = numpy.empty((count, height, width, 3), dtype=numpy.uint8)
    frames[:] = levels[:, None, None, None]
    return frames


def write_at(path: Path, frames: numpy.ndarray, milliseconds: list[int]) -> None:
    """A clip whose frames have these timestamps."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for pixels, time in zip(frames, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def raw_jpegs(path: Path, *parts: numpy.ndarray) -> None:
    """Pictures one after the other, without a container and without timestamps, of any sizes."""
    content = b""
    for frames in parts:
        file = io.BytesIO()
        with av.open(file, "w", format="mjpeg") as container:
            stream: Any = container.add_stream("mjpeg", rate=25)
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuvj420p"
            for pixels in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())
        content += file.getvalue()
    path.write_bytes(content)
