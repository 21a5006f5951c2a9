"""SqueezeNet 1.1 (Iandola et al., 2016, arXiv:1602.07360) with torchvision's names, up to its classifier.

A fire module narrows its input by 1 x 1 convolutions, and widens it by 1 x 1 and 3 x 3 side by side.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError, RunError
from seqloom.models.image_encoders.encoder import ImageFormat, flatten_map


class _Fire(nn.Module):
    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu_()
        return torch.cat([self.expand1x1(x).relu_(), self.expand3x3(x).relu_()], 1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


@final
class SqueezeNet11(nn.Module):
    """Pictures of 224 x 224 to a map of 13 x 13 places with 512 features.

    >>> with torch.inference_mode():
    ...     SqueezeNet11()(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 169, 512])
    """

    name = "squeezenet1_1"
    num_channels, map_size = 512, (13, 13)
    format = ImageFormat()

    def __init__(self) -> None:
        super().__init__()
        first = [nn.Conv2d(3, 64, 3, stride=2), nn.ReLU(), _pool()]
        second = [_Fire(64, 16, 64), _Fire(128, 16, 64), _pool()]
        third = [_Fire(128, 32, 128), _Fire(256, 32, 128), _pool()]
        last = [_Fire(256, 48, 192), _Fire(384, 48, 192), _Fire(384, 64, 256), _Fire(512, 64, 256)]
        self.features = nn.Sequential(*first, *second, *third, *last)

    @classmethod
    def pretrained(cls, path: Path | None) -> SqueezeNet11:
        """With weights from a safetensors file; those of torchvision's classifier are left out.

        Raises:
            ConfigError: no file is named.
            RunError: it is missing, or its weights are not those of this network.
        """
        if path is None:
            hint = "Name it by --set data.encoder_weights=squeezenet1_1.safetensors"
            raise ConfigError(cls.name, "needs a safetensors file with its weights", got="none", hint=hint)
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        encoder = cls()
        try:
            weights = load_file(path)
            encoder.load_state_dict({k: v for k, v in weights.items() if k.startswith("features.")})
        except (SafetensorError, RuntimeError, OSError) as error:
            got = " ".join(str(error).split())[:200]
            expected = "expected a safetensors file with torchvision's weights of SqueezeNet 1.1"
            raise RunError(path, expected, got=got) from None
        return encoder

    def settings(self) -> dict[str, Any]:
        """Its name."""
        return {"name": self.name}

    def forward(self, images: Tensor) -> Tensor:
        """The map (B, 169, 512) of pictures (B, 3, 224, 224)."""
        return flatten_map(self.features(images))
