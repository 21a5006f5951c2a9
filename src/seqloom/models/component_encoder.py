r"""The front of a small model of video: principal components of frames, and of those beside them.

.. math::

    c_t &= P (\bar v_t - \mathrm{mean}_s \bar v_s) \\
    \delta_t &= 2 (c_{t+1} - c_{t-1}), \quad \delta^2_t = \delta_{t+1} - \delta_{t-1} \\
    f_t &= \mathrm{ReLU}(\mathrm{norm}(\sum_{k=-2}^{2} W_k [c_{t+k}; \delta_{t+k}; \delta^2_{t+k}] + b))

where :math:`\bar v_t` is a frame of a clip of deviation 1, and P are the components of training frames:
the eigenlips of Bregler and Konig (1994), "Eigenlips for robust speech recognition". Some hundred clips are
too few to learn such a basis from labels.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqloom.cells.parameters import check_size
from seqloom.layers.masking import Lengths, zero_padding
from seqloom.models.frame_encoder import mask_of_clips

KERNEL_FRAMES = 5
DELTA_SCALE = 2.0
"""Differences of frames beside each other are about half as large as components"""
MIN_DEVIATION = 1e-3
"""Of a clip: one of a single color is not amplified to noise"""


@final
class ComponentEncoder(nn.Module):
    """Features of frames from their principal components.

    Args:
        frame_shape: (H, W, C).
        components: (K, H W C) float32; they are kept with the weights, and not trained.
        output_size: features of a step.
        dropout: probability of dropping a feature, in training.

    Raises:
        ConfigError: output_size is no int >= 1.

    >>> encoder = ComponentEncoder((4, 6, 1), torch.randn(3, 24), 8)
    >>> encoder(torch.zeros(2, 7, 4, 6, 1, dtype=torch.uint8), [7, 4]).shape
    torch.Size([2, 7, 8])
    """

    components: Tensor

    def __init__(
        self,
        frame_shape: tuple[int, int, int],
        components: Tensor,
        output_size: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.output_size = check_size("ComponentEncoder", "output_size", output_size)
        self.frame_shape, self.dropout = frame_shape, dropout
        self.register_buffer("components", components.clone())
        channels = 3 * len(components)
        self.convolution = nn.Conv1d(channels, output_size, KERNEL_FRAMES, padding=KERNEL_FRAMES // 2)
        self.norm = nn.LayerNorm(output_size)

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
        valid = mask_of_clips("ComponentEncoder", clips, self.frame_shape, lengths)
        dtype = self.convolution.weight.dtype
        # float16 overflows in the sum of squares.
        x = zero_padding(clips.flatten(2).to(torch.promote_types(dtype, torch.float32)), valid)
        count = valid.sum(1).clamp(min=1).view(-1, 1, 1).to(x.dtype)
        mean_frame = x.sum(1, keepdim=True) / count
        from_mean = zero_padding(x - mean_frame.mean(2, keepdim=True), valid)
        variance = from_mean.square().sum((1, 2), keepdim=True) / (count * x.shape[2])
        scaled = (x - mean_frame) / variance.sqrt().clamp(min=MIN_DEVIATION)
        values = zero_padding(scaled @ self.components.to(x.dtype).T, valid).to(dtype)
        steps = torch.arange(valid.shape[1], device=valid.device)
        after = torch.minimum(steps + 1, valid.sum(1, keepdim=True) - 1).clamp(min=0)
        before = (steps - 1).clamp(min=0)
        # Kernels could take differences themselves, but learn them slowly: successive frames are alike.
        changes = zero_padding(DELTA_SCALE * _differences(values, before, after), valid)
        bends = zero_padding(_differences(changes, before, after), valid)
        features = self.norm(self.convolution(torch.cat([values, changes, bends], 2).mT).mT).relu()
        return zero_padding(F.dropout(features, self.dropout, self.training), valid)


def _differences(x: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Of the steps after (B, T) and before (T,) each of x (B, T, K); beyond the ends a clip stands still."""
    return x.gather(1, after.unsqueeze(-1).expand_as(x)) - x[:, before]
