"""Image encoders by name: with their pretrained weights, or as they were stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqloom.errors import ConfigError, nearest
from seqloom.models.image_encoders.efficientnet_lite0 import EfficientNetLite0
from seqloom.models.image_encoders.encoder import ImageEncoder, ImageFormat
from seqloom.models.image_encoders.resnet import ResNet
from seqloom.models.image_encoders.small_cnn import SmallCNN
from seqloom.models.image_encoders.squeezenet1_1 import SqueezeNet11

NAMES = (EfficientNetLite0.name, SqueezeNet11.name, SmallCNN.name)
TRAINED = SmallCNN.name
"""The one that has no pretrained weights, and is trained with the rest of a model"""


def load_encoder(name: str, weights: Path | str | None = None) -> ImageEncoder:
    """A pretrained encoder, frozen, in evaluation mode.

    Args:
        name: `efficientnet-lite0`, whose weights come in a package; `squeezenet1_1`, whose weights come from
            a file; or a ResNet of transformers, as `microsoft/resnet-50` or the path of a folder.
        weights: the safetensors file of `squeezenet1_1`; None: there is none.

    Raises:
        ConfigError: there is no such encoder, or what it needs is not installed or not named.
        RunError: its weights cannot be read.

    >>> load_encoder("efficientnet-lite0").num_channels
    1280
    """
    with torch.device("cpu"):  # whatever torch's default device is
        if name == EfficientNetLite0.name:
            return _freeze(EfficientNetLite0.pretrained())
        if name == SqueezeNet11.name:
            return _freeze(SqueezeNet11.pretrained(None if weights is None else Path(weights)))
        if name == TRAINED:
            raise ConfigError(name, "expected a pretrained encoder", got="one that is trained from scratch")
        if "/" in name or Path(name).is_dir():
            return _freeze(ResNet.pretrained(name))
    hint = f"{nearest(name, NAMES)} Or name a ResNet of transformers, as microsoft/resnet-50, or its folder"
    raise ConfigError("encoder", "must be the name of an image encoder", got=name, hint=hint)


def build_encoder(settings: Mapping[str, Any], device: str = "cpu") -> ImageEncoder:
    """An encoder without its weights, from what `ImageEncoder.settings` gave.

    Args:
        settings: of the encoder.
        device: where its parameters are; on `meta` they take no memory.

    >>> build_encoder(EfficientNetLite0().settings()).map_size
    (7, 7)
    """
    with torch.device(device):
        name = settings["name"]
        if name == EfficientNetLite0.name:
            return _freeze(EfficientNetLite0())
        if name == SqueezeNet11.name:
            return _freeze(SqueezeNet11())
        parts = settings["format"]
        pictures = ImageFormat(tuple(parts["size"]), tuple(parts["mean"]), tuple(parts["deviation"]))
        if name == TRAINED:
            return SmallCNN(pictures)
        return _freeze(ResNet(name, dict(settings["config"]), pictures))


def digest_of(encoder: ImageEncoder) -> str:
    """A hash of an encoder's weights and settings, by which its features are known again."""
    digest = hashlib.sha256(repr(sorted(encoder.settings().items())).encode())
    for name, tensor in encoder.state_dict().items():  # type: ignore[attr-defined]
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _freeze(encoder: Any) -> Any:
    if isinstance(encoder, nn.Module):
        encoder.eval().requires_grad_(False)
    return encoder
