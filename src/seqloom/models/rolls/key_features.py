"""What each key of a frame sees of the frame, as the key sees it: relative to itself."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

NUM_PITCH_CLASSES = 12


@final
class KeyFeatures(nn.Module):
    """Features of every key of a frame, alike wherever the same chord is played.

    A key sees the keys around it, how many keys of each pitch class sound, counted from its own, how many
    sound in all, and, since registers differ, a learned vector of its own (Johnson, 2017).

    Args:
        num_keys: K.
        reach: R, keys that are seen to either side.
        key_embedding_size: E, width of the vector of a key.

    >>> features = KeyFeatures(num_keys=15, reach=3, key_embedding_size=2)
    >>> features(torch.zeros(4, 15)).shape, features.size
    (torch.Size([4, 15, 22]), 22)
    """

    pitch_class: Tensor

    def __init__(self, num_keys: int, reach: int, key_embedding_size: int) -> None:
        super().__init__()
        self.reach, self.num_keys = reach, num_keys
        self.near_size = 2 * reach + 1 + key_embedding_size
        self.size = self.near_size + NUM_PITCH_CLASSES + 1
        self.key_embedding = nn.Embedding(num_keys, key_embedding_size)
        classes = torch.arange(num_keys)[:, None] + torch.arange(NUM_PITCH_CLASSES)
        self.register_buffer("pitch_class", classes % NUM_PITCH_CLASSES, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Features (..., K, size) of frames (..., K); the first `near_size` are neighborhood and vector."""
        around = nn.functional.pad(frames, (self.reach, self.reach)).unfold(-1, 2 * self.reach + 1, 1)
        own = self.key_embedding.weight.expand(*around.shape[:-1], -1)
        octaves = nn.functional.pad(frames, (0, -self.num_keys % NUM_PITCH_CLASSES))
        classes = octaves.unflatten(-1, (-1, NUM_PITCH_CLASSES)).sum(-2)[..., self.pitch_class]
        sounding = frames.sum(-1, keepdim=True).unsqueeze(-1).expand(*around.shape[:-1], 1) / 4
        return torch.cat([around, own, classes, sounding], dim=-1)
