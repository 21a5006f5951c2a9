"""Any ResNet of transformers (He et al., 2016, arXiv:1512.03385), by its name on the hub or its folder."""

from __future__ import annotations

import json
import logging
from typing import Any, final

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from seqloom.errors import ConfigError
from seqloom.models.image_encoders.encoder import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    ImageFormat,
    flatten_map,
)
from seqloom.optional import import_optional

log = logging.getLogger("seqloom")

PREPROCESSOR = "preprocessor_config.json"
MAX_BLOCKS, MAX_WIDTH = 1000, 1 << 16
KEYS = (
    *("depths", "hidden_sizes", "embedding_size", "num_channels", "layer_type", "hidden_act"),
    *("downsample_in_first_stage", "downsample_in_bottleneck"),
)
"""Of the configuration, what the network depends on"""


@final
class ResNet(nn.Module):
    """A residual network; with 224 x 224 pixels, its map is 7 x 7 places.

    Args:
        name: of a model on the hub, as `microsoft/resnet-50`, or of a folder.
        config: that of transformers, as JSON values.
        format: the pictures that it reads.
    """

    def __init__(self, name: str, config: dict[str, Any], format: ImageFormat) -> None:
        super().__init__()
        transformers = import_optional("transformers", "vision")
        config = {key: value for key, value in config.items() if key in KEYS}
        _check_config(name, config)
        self.name, self.format, self._config = name, format, config
        self.network = transformers.ResNetModel(transformers.ResNetConfig(**config))
        self.num_channels = int(self.network.config.hidden_sizes[-1])
        with torch.device("meta"):
            twin = transformers.ResNetModel(self.network.config).eval()
            shape = twin(torch.zeros(1, 3, *format.size)).last_hidden_state.shape
        self.map_size = (int(shape[-2]), int(shape[-1]))

    @classmethod
    def pretrained(cls, name: str) -> ResNet:
        """With the weights of a model on the hub or of a folder.

        Raises:
            ConfigError: it cannot be read or fetched, or is no ResNet.
        """
        transformers = import_optional("transformers", "vision")
        level, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            content, _ = transformers.ResNetConfig.get_config_dict(name)
            if content.get("model_type") != "resnet":
                got = str(content.get("model_type", "no model"))
                raise ConfigError(name, "expected a ResNet of transformers", got=got)
            config = transformers.ResNetConfig.from_pretrained(name)
            network = transformers.ResNetModel.from_pretrained(name, config=config)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            if isinstance(error, ConfigError):
                raise
            got = " ".join(str(error).split())[:160]
            hint = "Where there is no network, name a folder that holds it"
            raise ConfigError(
                name, "expected a ResNet of transformers, on the hub or in a folder", got=got, hint=hint
            ) from None
        finally:
            transformers.logging.set_verbosity(level)
            if bars:
                transformers.logging.enable_progress_bar()
        encoder = cls(name, _plain(config.to_diff_dict()), _read_format(name, transformers))
        encoder.network.load_state_dict(network.state_dict())
        return encoder.eval()

    def settings(self) -> dict[str, Any]:
        """Its name, its configuration, and the pictures that it reads."""
        return {"name": self.name, "config": self._config, "format": self.format._asdict()}

    def train(self, mode: bool = True) -> ResNet:
        """Its batch normalization keeps its statistics: the network is frozen."""
        del mode
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """The map (B, K, C') of pictures (B, 3, H, W)."""
        return flatten_map(self.network(images).last_hidden_state)


def _check_config(name: str, config: dict[str, Any]) -> None:
    """Refuse sizes that are none, and too many blocks.

    Raises:
        ConfigError: there are such.
    """
    for key in ("depths", "hidden_sizes", "embedding_size", "num_channels"):
        value = config.get(key, 1)
        numbers = value if isinstance(value, list | tuple) else [value]
        if not numbers or not all(type(number) is int and 0 < number <= MAX_WIDTH for number in numbers):
            raise ConfigError(name, f"{key} must be numbers from 1 to {MAX_WIDTH:,}", got=f"{value!r:.60}")
    if len(config.get("depths", ())) > MAX_BLOCKS or sum(config.get("depths", ())) > MAX_BLOCKS:
        raise ConfigError(name, f"must have at most {MAX_BLOCKS} blocks", got=f"{config['depths']!r:.60}")


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """What the network depends on, as JSON has it."""
    return json.loads(json.dumps({key: value for key, value in config.items() if key in KEYS}))


def _read_format(name: str, transformers: Any) -> ImageFormat:
    """Mean and deviation as the model's own preprocessing says, or else, which is said, those of ImageNet.

    Raises:
        ConfigError: it names others than three numbers, or a deviation that is not above 0.
    """
    try:
        content, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:100]
        log.warning("%s", f"{name}: no {PREPROCESSOR} ({reason}); ImageNet's mean and deviation are taken")
        return ImageFormat()
    mean = content.get("image_mean", IMAGENET_MEAN)
    deviation = content.get("image_std", IMAGENET_DEVIATION)
    where = f"{name}, {PREPROCESSOR}"
    for key, numbers in (("image_mean", mean), ("image_std", deviation)):
        is_list = isinstance(numbers, list | tuple) and len(numbers) == 3
        if not is_list or not all(isinstance(number, int | float) for number in numbers):
            raise ConfigError(where, f"{key} must be three numbers", got=f"{numbers!r:.60}")
    if min(deviation) <= 0:
        raise ConfigError(where, "image_std must be above 0", got=f"{deviation!r:.60}")
    return ImageFormat(mean=tuple(mean), deviation=tuple(deviation))
