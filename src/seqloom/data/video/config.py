"""The settings of video, which every task has that reads clips."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from seqloom.data.video.augmentation import ClipAugmentation
from seqloom.data.video.crop import EXPECTED, parse_crop
from seqloom.settings import PositiveInt, StrictConfig

MAX_RATE = 1000
"""Frames a second"""


def _check_crop(text: str) -> str:
    if parse_crop(text) is None:
        raise PydanticCustomError("crop", EXPECTED)
    return text


CropText: TypeAlias = Annotated[str, AfterValidator(_check_crop)]


def _check_anchor(text: str) -> str:
    part = parse_crop(text)
    if part is None or part.top is None:
        raise PydanticCustomError("anchor", "must be top,left,height,width in pixels")
    return text


AnchorText: TypeAlias = Annotated[str, AfterValidator(_check_anchor)]


class VideoConfig(StrictConfig):
    """The `data.*` keys of clips; a task may have defaults of its own."""

    frames_per_second: Annotated[float, Field(gt=0, le=MAX_RATE)] | None = None
    """Clips of another rate are sampled at this one. None: the rate of the first training clip."""
    crop: CropText | None = None
    """`top,left,height,width` in pixels; `auto`, the part of each clip below the middle that moves most, a
    quarter of the frame high and a third wide; or `auto,height,width`. None: the whole frame."""
    anchor: AnchorText | None = None
    """A part of the frame that keeps its looks, such as eyes and nose: `top,left,height,width` in pixels, as
    it lies on average. It is looked for in every frame, and the crop moves with it. None: the crop stays."""
    downsampling: PositiveInt = 1
    """So many pixels by so many become one, their mean."""
    color: bool = False
    """Whether frames have colors, not shades of grey."""
    components: PositiveInt | None = None
    """How many principal components of the training frames (eigenlips) take the place of pixels, which some
    hundred clips are too few to learn. None: convolutions read the pixels."""
    mirrored_clips: bool = False
    """Whether half of the clips are mirrored in training, left and right. It helps where both sides mean the
    same, as for lips; where a label or a word says left or right, it must be off."""
    shifted_pixels: Annotated[int, Field(ge=0)] = 0
    """Most pixels, after downsampling, by which a clip is shifted in training."""
    jittered_frames: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of frames that are dropped in training, and of frames that are doubled; the others stay."""

    def clip_augmentation(self) -> ClipAugmentation:
        """What is varied in training."""
        return ClipAugmentation(self.mirrored_clips, self.shifted_pixels, self.jittered_frames)
