"""Pictures as maps of features of a frozen encoder, for every task that reads them so."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy
import torch
from torch import Tensor

from seqloom.data.images.config import ImageConfig
from seqloom.data.images.feature_cache import Extractor, FeatureCache
from seqloom.data.images.preprocessing import Level, Preprocessing, Side
from seqloom.errors import RunError
from seqloom.models.image_encoders.encoder import ImageEncoder
from seqloom.models.image_encoders.loading import build_encoder, digest_of, load_encoder
from seqloom.stored import Name, StoredValue, read_stored

FILE = "pictures.json"
"""In a run folder: the encoder's settings, and the preprocessing"""
WEIGHTS, PREFIX = "model.safetensors", "encoder."
"""The weights of a run, and what those of the encoder begin with: the model that `build` gives has it as
`encoder`."""
TOGETHER = 2
"""Pictures that are encoded together. The last bits of a convolution depend on the shape of its input and on
the number of threads: with one of each, a picture's features are the same whoever shares its batch."""
LAYOUT = torch.channels_last
"""In which CPUs convolve faster; it changes the last bits too"""


class _StoredFormat(StoredValue):
    """`ImageFormat` in a run folder."""

    size: tuple[Side, Side]
    mean: tuple[Level, Level, Level]
    deviation: tuple[Level, Level, Level]


class _StoredEncoder(StoredValue):
    """What `ImageEncoder.settings` gives."""

    name: Name
    format: _StoredFormat | None = None
    config: dict[Name, Any] | None = None
    """Of a ResNet, which checks it"""

    def settings(self) -> dict[str, Any]:
        """For `build_encoder`."""
        return self.model_dump(exclude_none=True)


class StoredPictures(StoredValue):
    """How pictures are read, in a run folder."""

    preprocessing: Preprocessing
    encoder: _StoredEncoder | None = None
    """None: one that is trained with the model"""


def read_pictures(path: Path) -> StoredPictures:
    """How the pictures of a run are read.

    Raises:
        RunError: the file is missing or damaged.
    """
    return read_stored(path, StoredPictures, "expected the preprocessing of pictures")


@final
class EncodedPictures:
    """Pictures as maps of features (K, C') float16 of a frozen encoder, computed once and cached.

    Args:
        encoder: pretrained, frozen. A model that reads the features has a copy, so that it is in the run.
        preprocessing: what becomes of a picture before the encoder reads it.
        mirrored: whether the features of the mirror image are computed too, for training.
    """

    def __init__(self, encoder: ImageEncoder, preprocessing: Preprocessing, mirrored: bool = False) -> None:
        self.encoder, self.preprocessing, self.mirrored = encoder, preprocessing, mirrored

    @classmethod
    def from_config(cls, config: ImageConfig, mirrored: bool = False) -> EncodedPictures:
        """As `data.*` says.

        Raises:
            ConfigError: there is no such encoder, or what it needs is not installed or not named.
            RunError: its weights cannot be read.
        """
        encoder = load_encoder(config.encoder, config.encoder_weights)
        size, mean, deviation = encoder.format
        if config.image_size is not None:
            size = (config.image_size, config.image_size)
        preprocessing = Preprocessing(size=size, crop=config.image_crop, mean=mean, deviation=deviation)
        return cls(encoder, preprocessing, mirrored)

    @classmethod
    def load(
        cls, folder: Path, config: ImageConfig, mirrored: bool = False, prefix: str = PREFIX
    ) -> EncodedPictures:
        """Read what `files` wrote into a run folder, with the weights that are there, or else by their name.

        Args:
            folder: of the run.
            config: as for `from_config`.
            mirrored: whether the features of the mirror image are computed too.
            prefix: what the names of the encoder's weights begin with in the run's model.

        Raises:
            RunError: a file is missing or damaged.
        """
        path = folder / FILE
        stored = read_pictures(path)
        preprocessing = stored.preprocessing
        weights = _read_weights(folder / WEIGHTS, prefix)
        if weights is None:
            return cls(load_encoder(config.encoder, config.encoder_weights), preprocessing, mirrored)
        try:
            # Without memory first: the file must have the sizes that its settings describe.
            settings = {} if stored.encoder is None else stored.encoder.settings()
            described: Any = build_encoder(settings, device="meta")
            described.load_state_dict({name: tensor.to("meta") for name, tensor in weights.items()})
            encoder: Any = build_encoder(settings)
            encoder.load_state_dict(weights)
        except (RuntimeError, KeyError, TypeError, ValueError, OverflowError) as error:
            got = " ".join(str(error).split())[:160]
            raise RunError(path, "must describe the encoder whose weights the run has", got=got) from None
        return cls(encoder, preprocessing, mirrored)

    def files(self) -> dict[str, str]:
        """The encoder's settings, and the preprocessing."""
        preprocessing = json.loads(self.preprocessing.model_dump_json())
        return {FILE: json.dumps({"encoder": self.encoder.settings(), "preprocessing": preprocessing})}

    @property
    def shape(self) -> tuple[int, int]:
        """K places of the map, row by row from the upper left, and C' features of each."""
        return self.cache.extractor.shape[-2:]  # type: ignore[return-value]

    @cached_property
    def cache(self) -> FeatureCache:
        """Features of files; those of one picture are (K, C'), or, mirrored, (2, K, C')."""
        with torch.inference_mode():
            places, width = self.encoder(torch.zeros(1, *self.preprocessing.shape, device="cpu")).shape[1:]
        shape = (2, places, width) if self.mirrored else (places, width)
        normalized = (self.preprocessing.mean, self.preprocessing.deviation)
        key = f"{digest_of(self.encoder)} {normalized} {TOGETHER} {LAYOUT} {self.mirrored}"
        extractor = Extractor(key, shape, "float16", self._compute, context=one_thread)
        return FeatureCache(self.preprocessing, extractor)

    def encode(self, path: Path, where: object = None) -> numpy.ndarray:
        """The features (K, C') float16 of a file as it is now: bit for bit those that training saw.

        Raises:
            DataError: it cannot be used.
        """
        features = self.cache.extract(path, where)
        return features[0] if self.mirrored else features

    def rows(self, numbers: Any, mirror: numpy.ndarray | None = None) -> numpy.ndarray:
        """The features (N, K, C') of pictures of the cache, by their numbers there.

        Args:
            numbers: N of them, as `cache.number` gives them.
            mirror: (N,) bool, whether those of the mirror image are wanted; None: of none.
        """
        features = self.cache.rows(numbers)
        if not self.mirrored:
            return features
        side = numpy.zeros(len(features), dtype=int) if mirror is None else mirror.astype(int)
        return features[numpy.arange(len(features)), side]

    def describe(self) -> str:
        """For example `efficientnet-lite0, 224 x 224 pixels in color, a map of 49 x 1,280 features`."""
        places, width = self.shape
        read = self.preprocessing.describe()
        return f"{self.encoder.name}, {read}, a map of {places:,} x {width:,} features"

    def _compute(self, pixels: numpy.ndarray) -> numpy.ndarray:
        """The features of pixels (B, C, H, W) uint8, (B, K, C') or, mirrored, (B, 2, K, C')."""
        if self.mirrored:
            pixels = numpy.stack([pixels, pixels[..., ::-1]], axis=1).reshape(-1, *pixels.shape[1:])
        images = torch.from_numpy(self.preprocessing.normalize(pixels))
        features = encode_images(self.encoder, images).numpy()
        return features.reshape(-1, 2, *features.shape[1:]) if self.mirrored else features


@torch.inference_mode()
def encode_images(encoder: ImageEncoder, images: Tensor) -> Tensor:
    """The maps (B, K, C') float16 of images (B, C, H, W) float32, two at a time.

    >>> from seqloom.models.image_encoders.squeezenet1_1 import SqueezeNet11
    >>> encode_images(SqueezeNet11(), torch.zeros(3, 3, 64, 64)).shape
    torch.Size([3, 9, 512])
    """
    maps = []
    for pair in images.split(TOGETHER):
        missing = TOGETHER - len(pair)
        padded = (
            torch.cat([pair, torch.zeros_like(pair).expand(missing, *pair.shape[1:])]) if missing else pair
        )
        maps.append(encoder(padded.contiguous(memory_format=LAYOUT))[: len(pair)].half())
    return torch.cat(maps)


class _Callers:
    """Of `one_thread`, at the same time: the number of threads is the process's."""

    lock, count, threads_before = threading.Lock(), 0, 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute each operation on one thread, until the last of several callers has left."""
    with _Callers.lock:
        if not _Callers.count:
            _Callers.threads_before = torch.get_num_threads()
            torch.set_num_threads(1)
        _Callers.count += 1
    try:
        yield
    finally:
        with _Callers.lock:
            _Callers.count -= 1
            if not _Callers.count:
                torch.set_num_threads(_Callers.threads_before)


def _read_weights(path: Path, prefix: str) -> dict[str, Tensor] | None:
    """The weights of the encoder in a run; None where there is none yet."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names} or None
    except (SafetensorError, OSError) as error:
        raise RunError(path, "expected a safetensors file", got=str(error) or "nothing") from None
