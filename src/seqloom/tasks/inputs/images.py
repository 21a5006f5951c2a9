"""Pictures as input: as a map of features, which is pooled; or, as a sequence, by rows or by pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, final

import numpy
import torch
from torch import Tensor

from seqloom.data.images.config import ImageAs, ImageConfig
from seqloom.data.images.feature_cache import FeatureCache, pixel_extractor
from seqloom.data.images.pictures import first_picture, names_pictures, picture_path, picture_paths
from seqloom.data.images.preprocessing import Preprocessing
from seqloom.data.tables.records import EncodedExamples, Records
from seqloom.models.image_encoders.encoder import ImageFormat
from seqloom.models.image_encoders.fronts import FeatureFront, PixelFront, as_column
from seqloom.models.image_encoders.loading import TRAINED
from seqloom.models.image_encoders.small_cnn import SmallCNN
from seqloom.stored import read_stored
from seqloom.tasks.inputs.base import Front, TargetReader, encode_rows, read_rows
from seqloom.tasks.inputs.stored_pictures import StoredPicture, arrange, channels_last_to_first
from seqloom.tasks.pictures import EncodedPictures
from seqloom.tasks.rows import EncodedRow

T = TypeVar("T")

FILE = "preprocessing.json"
MAX_MEASURED = 2000
"""Pictures that mean and deviation are measured on"""
MAX_SIZE = 64
"""Height and width that pictures of unknown size are read with, at most, without a pretrained encoder"""
MIN_DEVIATION = 0.01
BASELINE_SIZE = 14
"""Rows and columns of a picture that a baseline sees, at most"""


@final
class ImageInput:
    """Pictures, read once and stored in the cache.

    Args:
        cache: of pixels, or of the features of a pretrained encoder.
        preprocessing: with mean and deviation of the training pictures.
        config: how pictures are read, and varied in training.
        encoded: the pretrained encoder; None: a model reads pixels.
    """

    kind: ClassVar[str] = "image"
    column: ClassVar[str] = "file"
    nouns: ClassVar[str] = "pictures"
    example: ClassVar[str] = "picture.jpg"
    can_be_transcribed: ClassVar[bool] = False
    pipeline_tags: ClassVar[Mapping[str, str]] = MappingProxyType({"classify": "image-classification"})

    def __init__(
        self,
        cache: FeatureCache,
        preprocessing: Preprocessing,
        config: ImageConfig,
        encoded: EncodedPictures | None = None,
    ) -> None:
        self.cache, self.preprocessing, self.config, self.encoded = cache, preprocessing, config, encoded
        self.read_as: ImageAs = config.image_as

    @classmethod
    def recognizes(cls, data: Records) -> bool:
        """Files with the ending of a picture, or pictures of idx files."""
        return names_pictures(data)

    @classmethod
    def fit(
        cls, data: Records, config: ImageConfig, targets: TargetReader[T]
    ) -> tuple[ImageInput, Sequence[T]]:
        """Read the training pictures, and measure them where no pretrained encoder says how they are read."""
        config.check()
        if config.image_as == "map" and config.encoder != TRAINED:
            encoded = EncodedPictures.from_config(config)
            fitted = cls(encoded.cache, encoded.preprocessing, config, encoded)
            fitted._add(data, "train")
        else:
            preprocessing = _choose(data, config)
            fitted = cls(FeatureCache(preprocessing, pixel_extractor(preprocessing)), preprocessing, config)
            fitted._add(data, "train")
        pictures, values = read_rows(data, cls.column, fitted.read, targets)
        if fitted.encoded is None:
            fitted = cls(fitted.cache, _measure(fitted.preprocessing, pictures), config)
        return fitted, values

    @classmethod
    def load(cls, folder: Path, config: ImageConfig) -> ImageInput:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: a file is missing or damaged.
        """
        if config.image_as == "map" and config.encoder != TRAINED:
            encoded = EncodedPictures.load(folder, config, prefix="front.encoder.")
            return cls(encoded.cache, encoded.preprocessing, config, encoded)
        expected = "expected the preprocessing of pictures"
        preprocessing = read_stored(folder / FILE, Preprocessing, expected)
        return cls(FeatureCache(preprocessing, pixel_extractor(preprocessing)), preprocessing, config)

    @property
    def is_sequence(self) -> bool:
        """Whether rows or pixels follow one another."""
        return self.read_as != "map"

    def read(self, value: Any, where: str, is_stored: bool = True) -> Any:
        """The features (K, C') of a picture, its pixels (C, H, W), or a sequence of them (T, F).

        Raises:
            DataError: no path, or no usable picture there.
        """
        path = picture_path(value, where)
        if is_stored:
            return StoredPicture(self.cache, self.cache.number(path, where), self.read_as)
        return arrange(self.cache.extract(path), self.read_as)

    def normalize(self, steps: Any, speaker: str | None = None) -> Any:
        """As they are: a model makes them of mean 0 and deviation 1."""
        return steps

    def encode_rows(
        self, data: Records, split: str, targets: TargetReader[numpy.ndarray]
    ) -> EncodedExamples[EncodedRow]:
        """The good rows of a split."""
        self._add(data, split)
        return encode_rows(self, data, split, targets)

    def augment(self, values: Tensor, lengths: Tensor, least: Tensor | int = 1) -> tuple[Tensor, Tensor]:
        """Pictures mirrored and shifted, as `data.*` says; features are as they are."""
        augmentation = self.config.image_augmentation()
        if augmentation is None or self.encoded is not None:
            return values, lengths
        if self.read_as == "map":
            return augmentation.apply(values), lengths
        varied = augmentation.apply(channels_last_to_first(values, self.preprocessing.shape))
        return varied.movedim(1, -1).reshape(values.shape), lengths

    def front(self, config: Any) -> Front:
        """The encoder, whose map is pooled; or none, where recurrent layers read rows or pixels."""
        mean, deviation = self.preprocessing.mean, self.preprocessing.deviation
        if self.encoded is not None:
            width = self.encoded.shape[1]
            return Front(width, module=FeatureFront(self.encoded.encoder), is_sequence=False)
        if self.read_as == "map":
            encoder = SmallCNN(ImageFormat(self.preprocessing.size, mean, deviation))
            module = PixelFront(as_column(mean), as_column(deviation), encoder)
            return Front(encoder.num_channels, module=module, is_sequence=False)
        pixels = self.preprocessing.size[1] if self.read_as == "rows" else 1
        means, deviations = (torch.tensor(part, device="cpu").repeat(pixels) for part in (mean, deviation))
        return Front(pixels * len(mean), module=PixelFront(means, deviations))

    def vectors_of(self, steps: Any) -> numpy.ndarray:
        """The features, averaged over the map, or the picture, small: (1, F)."""
        values = numpy.asarray(steps)
        if self.encoded is not None:
            return values.mean(0, dtype=numpy.float32)[None]
        C, H, W = self.preprocessing.shape
        pixels = values if self.read_as == "map" else values.reshape(H, W, C).transpose(2, 0, 1)
        rows, columns = (-(-size // BASELINE_SIZE) for size in (H, W))
        cut = pixels[:, : H // rows * rows, : W // columns * columns]
        squares = cut.reshape(C, H // rows, rows, W // columns, columns)
        return squares.mean((2, 4), dtype=numpy.float32).reshape(1, -1) / 255

    def vectors_name(self) -> str:
        """What a baseline of `vectors_of` reads."""
        return "small pixels" if self.encoded is None else "mean features"

    def files(self) -> dict[str, str]:
        """How pictures are read."""
        if self.encoded is not None:
            return self.encoded.files()
        return {FILE: self.preprocessing.model_dump_json()}

    def describe(self) -> str:
        """For example `pictures of 28 x 28 pixels in gray, by rows`."""
        if self.encoded is not None:
            return self.encoded.describe()
        by = "" if self.read_as == "map" else f", by {self.read_as}"
        return f"pictures of {self.preprocessing.describe()}{by}"

    def summarize(self, value: Any, where: str) -> str:
        """The name of a picture."""
        return value.name if isinstance(value, Path) else str(value)

    def name_steps(self, value: Any, count: int) -> list[str]:
        """Rows or pixels by number, from 1."""
        return [f"{self.read_as.removesuffix('s')} {number + 1}" for number in range(count)]

    def _add(self, data: Records, split: str) -> None:
        self.cache.add(picture_paths(data, split), f"pictures of {split}")


def _choose(data: Records, config: ImageConfig) -> Preprocessing:
    """As `data.*` says, or else as the first training picture is."""
    first = None
    if config.image_size is None or config.image_color is None:
        first = first_picture(data)
    size = (config.image_size,) * 2 if first is None or config.image_size else _shrink(first.size)
    color = first.is_colored if config.image_color is None and first is not None else config.image_color
    middle = (0.5,) * (3 if color else 1)
    return Preprocessing(size=size, crop=config.image_crop, mean=middle, deviation=middle)  # type: ignore[arg-type]


def _shrink(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of at most 64 pixels, in the same proportion."""
    factor = min(MAX_SIZE / max(size), 1)
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def _measure(preprocessing: Preprocessing, pictures: Sequence[StoredPicture]) -> Preprocessing:
    """With the mean and the deviation of each channel over the training pictures, or some of them."""
    step = -(-len(pictures) // MAX_MEASURED)
    sample = (picture.pixels() / 255.0 for picture in pictures[::step])
    moments = [(pixels.mean((1, 2)), (pixels**2).mean((1, 2))) for pixels in sample]
    total, squares = (numpy.stack(part).mean(0) for part in zip(*moments, strict=True))
    deviation = numpy.sqrt((squares - total**2).clip(min=MIN_DEVIATION**2))
    mean, spread = (tuple(round(float(value), 6) for value in part) for part in (total, deviation))
    return preprocessing.model_copy(update={"mean": mean, "deviation": spread})
