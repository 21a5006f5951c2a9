"""A model that writes captions: an image encoder, a decoder, and an output layer that shares its vectors."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from seqloom.layers.cross_entropy import output_cross_entropy
from seqloom.models.captioning.memory import UNKNOWN, DecoderOutput, DecoderState, PictureMemory
from seqloom.models.captioning.recurrent_decoder import RecurrentCaptionDecoder
from seqloom.models.captioning.transformer_decoder import TransformerCaptionDecoder
from seqloom.shapes import Logits, Tokens


@final
class Captioner(nn.Module):
    """Write about a picture, word by word. Token 0 begins and ends a caption, 1 is never written.

    Args:
        encoder: from pictures (B, 3, H, W) to maps (B, K, C). A pretrained one is frozen: its maps are
            computed once, and are what the decoder reads in training.
        decoder: of features of size C.

    >>> from seqloom.models.recurrent_stack import RecurrentConfig
    >>> from seqloom.models.captioning.recurrent_decoder import RecurrentCaptionDecoder
    >>> model = Captioner(nn.Identity(), RecurrentCaptionDecoder(10, (9, 6), 8, RecurrentConfig("gru", 16)))
    >>> encoded = model.encode(torch.randn(2, 9, 6))
    >>> model.step(torch.tensor([[0, 3], [0, 4]]), encoded.start, encoded)[0].shape
    torch.Size([2, 2, 10])
    """

    def __init__(
        self, encoder: nn.Module, decoder: RecurrentCaptionDecoder | TransformerCaptionDecoder
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.output_bias = nn.Parameter(torch.zeros(decoder.embedding.num_embeddings))

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.output_bias.device

    def encode(self, pictures: Tensor) -> PictureMemory:
        """Encode pictures.

        Args:
            pictures: (B, 3, H, W), or the maps (B, K, C) that the encoder made of them.
        """
        if pictures.dim() == 4:
            pictures = self.encoder(pictures.to(self.output_bias.dtype))
        return self.decoder.encode(pictures.to(self.output_bias.dtype))

    def decode(
        self, tokens: Tokens, state: DecoderState, encoded: PictureMemory, lengths: Tensor | None = None
    ) -> DecoderOutput:
        """Read `tokens` (N, T) on from `state`; `lengths` (N,) of them are valid, None: all."""
        return self.decoder.decode(tokens, state, encoded, lengths)

    def nats(self, features: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The cross-entropy (n,) of `targets` (n,), from features (n, E)."""
        vectors = self.decoder.embedding.weight
        return output_cross_entropy(features, vectors, self.output_bias, targets, label_smoothing)

    def step(
        self, tokens: Tokens, state: DecoderState, encoded: PictureMemory
    ) -> tuple[Logits, DecoderState]:
        """Read `tokens` (N, T) on from `state`: the logits (N, T, V) of the next ones, and the new state."""
        decoded = self.decode(tokens, state, encoded)
        logits = nn.functional.linear(decoded.features, self.decoder.embedding.weight, self.output_bias)
        banned = torch.arange(logits.shape[-1], device=logits.device) == UNKNOWN
        return logits.masked_fill(banned, -torch.inf), decoded.state
