"""Pictures as a captioner reads them: maps of a frozen encoder, or pixels for one that is trained with it."""

from __future__ import annotations

import copy
import json
import math
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, final

import numpy
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from seqloom.data.images.feature_cache import FeatureCache, pixel_extractor
from seqloom.data.images.pictures import first_picture
from seqloom.data.images.preprocessing import Preprocessing
from seqloom.data.tables.records import Records
from seqloom.models.image_encoders.encoder import ImageFormat
from seqloom.models.image_encoders.loading import TRAINED, build_encoder
from seqloom.models.image_encoders.small_cnn import SmallCNN
from seqloom.tasks.caption.config import DataConfig
from seqloom.tasks.pictures import FILE, EncodedPictures, read_pictures

SMALL_PIXELS = 64
"""Below this a picture has too little detail for networks that are trained on photos."""
MIDDLE = (0.5, 0.5, 0.5)
CHUNK = 256
"""Pictures that are compared at a time"""
SIDE = 16
"""Pixels of a picture, made small, by which it is compared"""


class PictureToCaption(NamedTuple):
    """A picture: its path, and its map (K, C) or its pixels (3, H, W)."""

    path: Path
    values: numpy.ndarray


@final
class MapInput:
    """Maps of a frozen encoder, computed once.

    Args:
        pictures: computes them, of a picture and its mirror image.
    """

    is_trained = False

    def __init__(self, pictures: EncodedPictures) -> None:
        self.pictures, self.encoder = pictures, pictures.encoder
        self.preprocessing = pictures.preprocessing

    @property
    def num_channels(self) -> int:
        """Features of a place of the map."""
        return self.pictures.shape[1]

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of the map; that of an encoder is for the size of pictures it was trained with."""
        height, width = self.encoder.map_size
        places = self.pictures.shape[0]
        if places != height * width:
            height = width = math.isqrt(places)
            assert places == height * width  # `data.image_size` is that of a square
        return height, width

    @property
    def cache(self) -> FeatureCache:
        """Of the data set."""
        return self.pictures.cache

    def new_encoder(self) -> Any:
        """The encoder of a model: a copy of the frozen one, so that the model may be moved and converted."""
        return copy.deepcopy(self.encoder)

    def files(self) -> dict[str, str]:
        """How pictures are read."""
        return self.pictures.files()

    def encode(self, path: Path) -> PictureToCaption:
        """A picture as it is now, bit for bit what training would read of it.

        Raises:
            DataError: it cannot be used.
        """
        return PictureToCaption(path, self.pictures.encode(path))

    def rows(self, numbers: list[int], mirrored: numpy.ndarray | None = None) -> numpy.ndarray:
        """Maps of the cache (B, K, C), some of them of mirror images."""
        return self.pictures.rows(numbers, mirrored)

    def to_tensor(self, values: numpy.ndarray) -> Tensor:
        """Maps as a model reads them."""
        return torch.from_numpy(values.astype(numpy.float32))

    def summarize(self, numbers: list[int]) -> numpy.ndarray:
        """A vector (N, D) for each picture of the cache, by which pictures are compared."""
        chunks = (numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK))
        return numpy.concatenate([self.rows(chunk).mean(1, dtype=numpy.float32) for chunk in chunks])

    def describe(self) -> str:
        """For example `efficientnet-lite0, 224 x 224 pixels in color, a map of 49 x 1,280 features`."""
        return self.pictures.describe()


@final
class PixelInput:
    """Pixels, for a small network that is trained with each model.

    Args:
        preprocessing: what becomes of a picture.
    """

    is_trained = True

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing
        network = self.new_encoder()
        self.map_size, self.num_channels = network.map_size, network.num_channels

    @cached_property
    def cache(self) -> FeatureCache:
        """Of the data set."""
        return FeatureCache(self.preprocessing, pixel_extractor(self.preprocessing))

    def new_encoder(self) -> SmallCNN:
        """An encoder to train."""
        format_read = ImageFormat(
            self.preprocessing.size, self.preprocessing.mean, self.preprocessing.deviation
        )
        encoder = build_encoder(SmallCNN(format_read).settings())
        assert isinstance(encoder, SmallCNN)
        return encoder

    def files(self) -> dict[str, str]:
        """How pictures are read."""
        return {FILE: json.dumps({"preprocessing": json.loads(self.preprocessing.model_dump_json())})}

    def encode(self, path: Path) -> PictureToCaption:
        """A picture as it is now, bit for bit what training would read of it.

        Raises:
            DataError: it cannot be used.
        """
        return PictureToCaption(path, self.cache.extract(path))

    def rows(self, numbers: list[int], mirrored: numpy.ndarray | None = None) -> numpy.ndarray:
        """Pixels of the cache (B, 3, H, W), some of them mirrored."""
        values = self.cache.rows(numbers)
        if mirrored is not None:
            values = numpy.where(mirrored[:, None, None, None], values[..., ::-1], values)
        return values

    def to_tensor(self, values: numpy.ndarray) -> Tensor:
        """Pixels as a model reads them."""
        return torch.from_numpy(self.preprocessing.normalize(values))

    def summarize(self, numbers: list[int]) -> numpy.ndarray:
        """A vector (N, D) for each picture of the cache, by which pictures are compared."""
        return numpy.concatenate(
            [
                adaptive_avg_pool2d(torch.from_numpy(self.rows(numbers[start : start + CHUNK])).float(), SIDE)
                .flatten(1)
                .numpy()
                for start in range(0, len(numbers), CHUNK)
            ]
        )

    def describe(self) -> str:
        """For example `small-cnn trained from scratch, 32 x 32 pixels in color`."""
        return f"{TRAINED} trained from scratch, {self.preprocessing.describe()}"


PictureInput: TypeAlias = MapInput | PixelInput


def fit_pictures(data: Records, config: DataConfig) -> PictureInput:
    """The encoder that is asked for, or one that fits the first training picture.

    Raises:
        ConfigError: there is no such encoder, or what it needs is missing.
        DataError: no training picture can be read.
    """
    height, width = first_picture(data).size
    if config.resolve_encoder(min(width, height) < SMALL_PIXELS) == TRAINED:
        side = config.image_size or min(width, height, SMALL_PIXELS)
        crop = config.image_crop
        return PixelInput(Preprocessing(size=(side, side), crop=crop, mean=MIDDLE, deviation=MIDDLE))
    return MapInput(EncodedPictures.from_config(config.image_config(), mirrored=True))


def load_pictures(folder: Path, config: DataConfig) -> PictureInput:
    """Read what `files` wrote into a run folder.

    Raises:
        RunError: the file is missing or damaged.
    """
    stored = read_pictures(folder / FILE)
    if stored.encoder is not None:
        return MapInput(EncodedPictures.load(folder, config.image_config(), mirrored=True))
    return PixelInput(stored.preprocessing)
