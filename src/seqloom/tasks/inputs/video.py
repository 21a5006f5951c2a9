"""Clips of video as input: frames, read by convolutions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Self, TypeVar, final

import numpy
import torch
from pydantic import Field, model_validator
from torch import Tensor

from seqloom.data.audio.recordings import recording_path
from seqloom.data.tables.formats.media import VIDEO_SUFFIXES, has_files
from seqloom.data.tables.records import EncodedExamples, Records
from seqloom.data.video.anchor import Anchor
from seqloom.data.video.augmentation import ClipAugmentation
from seqloom.data.video.clip_cache import ClipCache, StoredClip
from seqloom.data.video.components import fit_components
from seqloom.data.video.config import MAX_RATE, CropText, VideoConfig
from seqloom.data.video.files import MAX_PIXELS, ClipOptions
from seqloom.data.video.first import first_options
from seqloom.models.component_encoder import ComponentEncoder
from seqloom.models.frame_encoder import FrameEncoder, FrameEncoderConfig
from seqloom.progress import phase
from seqloom.stored import Number, StoredValue, mistake, read_stored
from seqloom.tasks.inputs.base import Front, TargetReader, encode_rows, read_rows
from seqloom.tasks.rows import EncodedRow

T = TypeVar("T")

CLIPS = "clips.json"
KERNEL_FRAMES = {"conv3d": 3, "conv2d": 1}
BASELINE_PIXELS = 12
"""Rows and columns of a frame that a baseline sees, at most"""


@final
class _StoredAnchor(StoredValue):
    """`Anchor` in a run folder."""

    top: Annotated[int, Field(ge=0, le=MAX_PIXELS)]
    left: Annotated[int, Field(ge=0, le=MAX_PIXELS)]
    pixels: list[list[Annotated[int, Field(ge=0, le=255)]]]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({len(row) for row in self.pixels}) != 1 or not self.pixels[0]:
            raise mistake("an anchor whose rows differ in length")
        return self


@final
class _StoredOptions(StoredValue):
    """`ClipOptions` in a run folder."""

    frames_per_second: Annotated[float, Field(gt=0, le=MAX_RATE)]
    height: Annotated[int, Field(ge=1, le=MAX_PIXELS)]
    width: Annotated[int, Field(ge=1, le=MAX_PIXELS)]
    crop: CropText | None
    downsampling: Annotated[int, Field(ge=1, le=MAX_PIXELS)]
    color: bool
    anchor: _StoredAnchor | None = None

    def options(self) -> ClipOptions:
        """As clips are read with them."""
        anchor = self.anchor and Anchor(
            self.anchor.top, self.anchor.left, tuple(tuple(row) for row in self.anchor.pixels)
        )
        return ClipOptions(**{**self.model_dump(), "anchor": anchor})


class _StoredClips(StoredValue):
    """What `files` writes."""

    options: _StoredOptions
    components: list[list[Number]] | None

    @model_validator(mode="after")
    def _check(self) -> Self:
        options, rows = self.options, self.components
        pixels = options.height * options.width
        if pixels > MAX_PIXELS:
            raise mistake(f"frames of more than {MAX_PIXELS:,} pixels")
        size = pixels * (3 if options.color else 1)
        if rows is not None and {len(row) for row in rows} != {size}:
            raise mistake("components that are not as long as a frame")
        return self


@final
class VideoInput:
    """Clips as frames (T, H, W, C) uint8, in the cache.

    Args:
        cache: reads files.
        augmentation: what is varied in training.
        components: (K, H W C) principal components of frames; None: convolutions read pixels.
    """

    kind: ClassVar[str] = "video"
    column: ClassVar[str] = "file"
    nouns: ClassVar[str] = "clips"
    example: ClassVar[str] = "clip.mp4"
    can_be_transcribed: ClassVar[bool] = True
    pipeline_tags: ClassVar[Mapping[str, str]] = MappingProxyType({"classify": "video-classification"})

    def __init__(
        self, cache: ClipCache, augmentation: ClipAugmentation, components: numpy.ndarray | None = None
    ) -> None:
        self.cache, self.augmentation, self.components = cache, augmentation, components
        self.options = cache.options

    @classmethod
    def recognizes(cls, data: Records) -> bool:
        """Files with the ending of a video."""
        return has_files(data, VIDEO_SUFFIXES)

    @classmethod
    def fit(
        cls, data: Records, config: VideoConfig, targets: TargetReader[T]
    ) -> tuple[VideoInput, Sequence[T]]:
        """Read the training rows, at the rate of the settings or of the first clip."""
        fitted = cls(ClipCache(first_options(data, config)), config.clip_augmentation())
        clips, values = read_rows(data, cls.column, fitted.read, targets)
        if config.components is None:
            return fitted, values
        with phase("finding components", total=len(clips)) as finding:
            components = fit_components(finding.count(clips), config.components)
        return cls(fitted.cache, fitted.augmentation, components), values

    @classmethod
    def load(cls, folder: Path, config: VideoConfig) -> VideoInput:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: the file is missing or damaged.
        """
        stored = read_stored(folder / CLIPS, _StoredClips, "expected options of clips")
        rows = stored.components
        components = None if rows is None else numpy.array(rows, dtype=numpy.float32)
        options = stored.options.options()
        return cls(ClipCache(options), config.clip_augmentation(), components)

    def read(self, value: Any, where: str, is_stored: bool = True) -> StoredClip | numpy.ndarray:
        """The frames (T, H, W, C) uint8 of a clip, in the cache where it is one of a data set.

        Raises:
            DataError: no path, or no usable clip there.
        """
        path = recording_path(value, where, "clip")
        return self.cache.load(path, where) if is_stored else self.cache.extract(path)

    def normalize(self, steps: Any, speaker: str | None = None) -> Any:
        """Frames are as they are: a model makes them of mean 0 and deviation 1."""
        return steps

    def encode_rows(
        self, data: Records, split: str, targets: TargetReader[numpy.ndarray]
    ) -> EncodedExamples[EncodedRow]:
        """The good rows of a split."""
        return encode_rows(self, data, split, targets)

    def augment(self, values: Tensor, lengths: Tensor, least: Tensor | int = 1) -> tuple[Tensor, Tensor]:
        """Clips mirrored and shifted, with frames dropped and doubled, as `data.*` says."""
        return self.augmentation.apply(values, lengths, least)

    def front(self, config: Any) -> Front:
        """Convolutions over frames, and over time too where `model.front=conv3d`; or components of frames."""
        if self.components is not None:
            shape = (self.options.height, self.options.width, self.options.channels)
            components = torch.from_numpy(self.components)
            front = ComponentEncoder(shape, components, config.front_channels[-1], config.front_dropout)
            return Front(front.output_size, module=front)
        layers = FrameEncoderConfig(
            tuple(config.front_channels),
            KERNEL_FRAMES[config.front],
            config.subtract_mean_frame,
            config.front_dropout,
        )
        encoder = FrameEncoder(self.options.height, self.options.width, self.options.channels, layers)
        return Front(encoder.output_size, module=encoder)

    def vectors_of(self, steps: Any) -> numpy.ndarray:
        """The frames, small, (T, F)."""
        frames = numpy.asarray(steps)
        factors = [-(-size // BASELINE_PIXELS) for size in frames.shape[1:3]]
        H, W = (size // factor for size, factor in zip(frames.shape[1:3], factors, strict=True))
        cut = frames[:, : H * factors[0], : W * factors[1]]
        squares = cut.reshape(len(frames), H, factors[0], W, factors[1], -1)
        return squares.mean((2, 4), dtype=numpy.float32).reshape(len(frames), -1) / 255

    def vectors_name(self) -> str:
        """What a baseline of `vectors_of` reads."""
        return "mean, deviation of small pixels"

    def files(self) -> dict[str, str]:
        """How clips become frames."""
        components = None if self.components is None else self.components.tolist()
        anchor = None if self.options.anchor is None else self.options.anchor._asdict()
        options = {**self.options._asdict(), "anchor": anchor}
        return {CLIPS: json.dumps({"options": options, "components": components})}

    def describe(self) -> str:
        """For example `frames of 24 x 16 pixels, grey, 25 a second`."""
        options = self.options
        colors = "in color" if options.color else "grey"
        size = f"{options.width} x {options.height}"
        components = "" if self.components is None else f", by {len(self.components)} components"
        moves = "" if options.anchor is None else ", which move with an anchor"
        return f"frames of {size} pixels{moves}, {colors}, {options.frames_per_second:g} a second{components}"

    def summarize(self, value: Any, where: str) -> str:
        """The name of a clip."""
        return value.name if isinstance(value, Path) else str(value)

    def name_steps(self, value: Any, count: int) -> list[str]:
        """The time of each frame."""
        return [f"{number / self.options.frames_per_second:.2f} s" for number in range(count)]
