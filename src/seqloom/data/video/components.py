"""Principal components of frames: of lips, the eigenlips of Bregler and Konig (1994)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy

from seqloom.errors import ConfigError

MAX_PIXELS = 4096
"""Numbers of a frame of which the covariance still fits in memory and time"""
MIN_DEVIATION = 1e-3
"""Of a clip: one of a single color is not amplified to noise"""
MIN_SHARE = 1e-6
"""Of the variance: a component with less is none, as where all frames are alike"""


def center_frames(frames: numpy.ndarray) -> numpy.ndarray:
    """A clip of deviation 1, less its mean frame: a frame keeps its contrast, which an open mouth changes.

    Args:
        frames: (T, H, W, C).

    Returns:
        (T, H W C) float32.

    >>> center_frames(numpy.arange(12, dtype="uint8").reshape(2, 2, 3, 1)).shape
    (2, 6)
    """
    flat = frames.reshape(len(frames), -1).astype(numpy.float32)
    return (flat - flat.mean(0)) / max(float(flat.std()), MIN_DEVIATION)


def fit_components(clips: Iterable[numpy.ndarray], count: int) -> numpy.ndarray:
    """The directions in which frames differ most from the mean frame of their clip; one clip is in memory.

    Args:
        clips: frames (T, H, W, C) each.
        count: components wanted; there may be fewer where frames are small or alike.

    Returns:
        (K, H W C) float32, of deviation 1 on average over components: they keep their proportions, since the
        last ones are mostly noise.

    Raises:
        ConfigError: frames are too large.
    """
    products, num_frames = None, 0
    for clip in clips:
        centered = center_frames(numpy.asarray(clip))
        size = centered.shape[1]
        if size > MAX_PIXELS:
            expected = f"frames must have at most {MAX_PIXELS:,} numbers"
            hint = "Set data.crop or data.downsampling"
            raise ConfigError("data.components", expected, got=f"{size:,}", hint=hint)
        products = numpy.zeros((size, size)) if products is None else products
        products += centered.T @ centered
        num_frames += len(centered)
    assert products is not None
    variances, directions = numpy.linalg.eigh(products / num_frames)
    order = numpy.argsort(variances)[::-1][:count]
    order = order[variances[order] > MIN_SHARE * max(variances.sum(), MIN_SHARE)]
    order = order if len(order) else numpy.array([len(variances) - 1])
    scale = numpy.sqrt(numpy.maximum(variances[order], MIN_SHARE)).mean()
    directions = directions[:, order]
    # The sign of a direction is arbitrary: its largest number is positive, on every machine.
    largest = directions[numpy.abs(directions).argmax(0), numpy.arange(len(order))]
    return (directions * numpy.sign(largest) / scale).T.astype(numpy.float32)
