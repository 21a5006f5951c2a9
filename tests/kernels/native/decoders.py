"""Small random language models, their decoders and initial states."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqloom.kernels.native.decoder import Decoder
from seqloom.models.language_model import LanguageModel
from seqloom.models.recurrent_stack import RecurrentConfig

# hidden, vocabulary, embedding, layers, tied, batch: sizes that are and are not multiples of a vector.
SIZES = [
    (37, 61, 20, 1, False, 1),
    (37, 61, 37, 2, True, 3),
    (33, 130, 5, 3, False, 5),
    (64, 96, 64, 2, True, 9),
    (1, 1, 1, 2, False, 2),
]


def make(cell: str, size: tuple[int, int, int, int, bool, int] = SIZES[1]) -> LanguageModel:
    hidden, vocabulary, embedding, layers, tied, _ = size
    torch.manual_seed(0)
    recurrent = RecurrentConfig(cell, hidden, layers, kernel="reference")
    model = LanguageModel(vocabulary, embedding, recurrent, tied).eval()
    # As large as trained weights, but not so large that the recurrence is chaotic.
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, std=0.8 * parameter.shape[-1] ** -0.5 if "weight_" in name else 0.4)
    return model


def start(decoder: Decoder, batch: int, seed: int = 1) -> tuple[Tensor, Any]:
    torch.manual_seed(seed)
    state = tuple(torch.rand(1, batch, size) - 0.5 for size in decoder.hidden_sizes)
    if decoder.cell == "lstm":
        state = tuple((h, torch.randn_like(h)) for h in state)
    return torch.randn(batch, decoder.vocabulary_size) * 3, state
