r"""The front of a model of video: convolutions over frames, and over time too, give each frame its features.

.. math::

    x^{(0)} &= (v - \mu_v) / \sigma_v \\
    x^{(l)} &= \mathrm{pool}(\mathrm{ReLU}(\mathrm{norm}(W^{(l)} * x^{(l-1)}))) \\
    f_t &= \mathrm{flatten}(x^{(L)}_t)

With kernels of 3 frames x 5 x 5 pixels it is the front of LipNet (Assael et al., 2016, arXiv:1611.01599), but
for its size; with kernels of one frame it is a CNN a frame. Its norm is that of a layer over a whole clip
(Ba et al., 2016, arXiv:1607.06450), so that frames keep their contrast to one another; one over the batch
would make outputs depend on its other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.cells.parameters import check_size
from seqloom.errors import ConfigError, DataError
from seqloom.layers.masking import Lengths, check_lengths, valid_mask, zero_padding

KERNEL, SMALL_KERNEL = 5, 3
"""Pixels of a kernel, and of one for maps that are smaller than twice that"""
MIN_DEVIATION = 1e-3
"""A clip of one color alone is not amplified to noise"""
EPSILON = 1e-5
"""As torch's norms have it"""


class FrameEncoderConfig(NamedTuple):
    """The layers of a frame encoder.

    Fields:
        channels: of each layer.
        kernel_frames: frames that a kernel sees: 3, or 1 for each frame by itself.
        subtract_mean: whether the mean frame of a clip is taken off, so that only what moves is left.
        dropout: probability of dropping a channel of a clip, after each layer.
    """

    channels: Sequence[int] = (16, 32)
    kernel_frames: int = 3
    subtract_mean: bool = False
    dropout: float = 0.0


@final
class FrameEncoder(nn.Module):
    """Features of the frames of clips.

    Args:
        height: H, pixels of a frame.
        width: W.
        in_channels: C, 1 for grey, 3 for colors.
        config: the layers.

    Raises:
        ConfigError: an argument out of its range, or frames that are too small for so many layers.

    >>> encoder = FrameEncoder(16, 24, 1, FrameEncoderConfig((4, 8)))
    >>> encoder(torch.zeros(2, 7, 16, 24, 1, dtype=torch.uint8), [7, 4]).shape, encoder.output_size
    (torch.Size([2, 7, 48]), 48)
    """

    def __init__(self, height: int, width: int, in_channels: int, config: FrameEncoderConfig) -> None:
        super().__init__()
        sizes = {"height": height, "width": width, "in_channels": in_channels}
        for name, size in sizes.items():
            check_size("FrameEncoder", name, size)
        if config.kernel_frames % 2 == 0:
            raise ConfigError("FrameEncoder", "kernel_frames must be odd", got=config.kernel_frames)
        self.frame_shape, self.config = (height, width, in_channels), config
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        H, W, channels = height, width, in_channels
        for number, out_channels in enumerate(config.channels):
            stride = 2 if number == 0 else 1
            pixels = KERNEL if min(H, W) >= 2 * KERNEL else SMALL_KERNEL
            kernel = (config.kernel_frames, pixels, pixels)
            padding = tuple(size // 2 for size in kernel)
            layer = nn.Conv3d(channels, out_channels, kernel, (1, stride, stride), padding)  # type: ignore[arg-type]
            self.convolutions.append(layer)
            self.norms.append(_Affine(out_channels))
            H, W, channels = -(-H // stride) // 2, -(-W // stride) // 2, out_channels
            if not (H and W):
                expected = f"needs larger frames for {len(config.channels)} layers, each of which halves them"
                raise ConfigError("model.front_channels", expected, got=f"{width} x {height} pixels")
        self.output_size = channels * H * W

    def forward(self, clips: Tensor, lengths: Lengths = None) -> Tensor:
        """Encode clips.

        Args:
            clips: (B, T, H, W, C), uint8 or of any other type.
            lengths: (B,) integers, the valid frames of each row; None: all of them. The others are ignored.

        Returns:
            features (B, T, output_size), zeros in the padding.

        Raises:
            DataError: a shape or a length that does not fit.
        """
        valid = mask_of_clips("FrameEncoder", clips, self.frame_shape, lengths)
        weight = self.convolutions[0].weight
        x = zero_padding(clips.to(weight.dtype), valid)  # type: ignore[arg-type]
        x = zero_padding(_standardize(x, valid, self.config.subtract_mean), valid)
        x = x.permute(0, 4, 1, 2, 3)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = norm(_normalize(convolution(x), valid))
            x = F.max_pool3d(F.relu(x), (1, 2, 2))
            # A kernel that reaches over the end of a clip must find zeros there, as at the end of a batch.
            x = x.masked_fill(~valid[:, None, :, None, None], 0)
            if self.training and self.config.dropout:
                x = F.dropout3d(x, self.config.dropout)
        return x.transpose(1, 2).flatten(2)


def mask_of_clips(
    who: str, clips: Tensor, frame_shape: tuple[int, int, int], lengths: Lengths = None
) -> Tensor:
    """Which frames of clips are valid: (B, T) bool, on the device of the clips.

    Args:
        who: the module, for the error.
        clips: (B, T, H, W, C).
        frame_shape: the H, W and C that they must have.
        lengths: (B,) integers; None: all frames are valid.

    Raises:
        DataError: a shape or a length that does not fit.
    """
    if clips.dim() != 5 or clips.shape[2:] != frame_shape:
        H, W, C = frame_shape
        raise DataError(who, f"clips must be (B, T, {H}, {W}, {C})", got=f"{tuple(clips.shape)}")
    B, T = clips.shape[:2]
    numbers = torch.full((B,), T, device="cpu") if lengths is None else check_lengths(who, lengths, B, T)
    return valid_mask(numbers.to(clips.device), T)


def _standardize(x: Tensor, valid: Tensor, subtract_mean: bool) -> Tensor:
    """Each clip (T, H, W, C) of mean 0 and deviation 1, perhaps each pixel of mean 0."""
    count = valid.sum(1).clamp(min=1).view(-1, 1, 1, 1, 1).to(x.dtype)
    pixels = x[0, 0].numel()
    if subtract_mean:
        mean = x.sum(1, keepdim=True) / count
    else:
        mean = x.sum((1, 2, 3, 4), keepdim=True) / (count * pixels)
    centered = (x - mean) * valid.view(*valid.shape, 1, 1, 1)
    variance = centered.square().sum((1, 2, 3, 4), keepdim=True) / (count * pixels)
    return centered / variance.sqrt().clamp(min=MIN_DEVIATION)


def _normalize(x: Tensor, valid: Tensor) -> Tensor:
    """Each clip of (B, C, T, H, W) of mean 0 and deviation 1, over its valid frames."""
    mask = valid[:, None, :, None, None].to(x.dtype)
    count = mask.sum((1, 2, 3, 4), keepdim=True).clamp(min=1) * (x.shape[1] * x.shape[3] * x.shape[4])
    centered = (x - (x * mask).sum((1, 2, 3, 4), keepdim=True) / count) * mask
    variance = centered.square().sum((1, 2, 3, 4), keepdim=True) / count
    return centered * (variance + EPSILON).rsqrt()


@final
class _Affine(nn.Module):
    """A scale and a shift for each channel, as norms of torch have them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W)."""
        shape = (1, -1, 1, 1, 1)
        return x * self.weight.view(shape) + self.bias.view(shape)
