"""The settings of all kinds of inputs, which every task has that reads them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from seqloom.data.audio.config import AudioConfig
from seqloom.data.images.config import ImageConfig
from seqloom.settings import StrictConfig

InputKind: TypeAlias = Literal["audio", "image", "series", "text"]


class InputConfig(AudioConfig, ImageConfig):
    """The `data.*` keys of inputs; a task may have defaults of its own."""

    input: InputKind | None = None
    """What is read. None: by the columns of the data, and by the endings of its files."""


class FrontConfig(StrictConfig):
    """The `model.*` keys of what is between an input and the recurrent layers."""
