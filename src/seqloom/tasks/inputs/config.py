"""The settings of all kinds of inputs, which every task has that reads them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from seqloom.data.audio.config import AudioConfig
from seqloom.data.images.config import ImageConfig
from seqloom.data.video.config import VideoConfig
from seqloom.settings import PositiveInt, Probability, StrictConfig

InputKind: TypeAlias = Literal["image", "video", "audio", "series", "text"]


class InputConfig(AudioConfig, ImageConfig, VideoConfig):
    """The `data.*` keys of inputs; a task may have defaults of its own."""

    input: InputKind | None = None
    """What is read: `text`, `audio`, `series`, `image` or `video`. None: by the columns of the data and the
    endings of its files."""


class FrontConfig(StrictConfig):
    """The `model.*` keys of what is between an input and the recurrent layers."""

    front: Literal["conv3d", "conv2d"] = "conv3d"
    """How frames of clips are read: `conv3d`, with kernels of 3 frames x 5 x 5 pixels; `conv2d`, each by
    itself."""
    front_channels: list[PositiveInt] = Field(default=[16, 32], min_length=1)
    """Channels of each layer of convolutions; the first one quarters the height and the width of a frame,
    each other one halves them. With `data.components` the last number alone counts: features of a step."""
    front_dropout: Probability = 0.0
    """Of channels of a clip, after each layer of convolutions. With `data.components`, of features
    of a step."""
    subtract_mean_frame: bool = False
    """Whether the mean frame of a clip is subtracted, which leaves what moves."""
