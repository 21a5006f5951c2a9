"""Decoding and scheduled sampling of encoder-decoder models, for the tasks that have one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqloom.decoding import DecodingOptions, Step, decode, prefill
from seqloom.models.encoder_decoder import EncoderDecoder, EncoderOutput


@torch.inference_mode()
def decode_encoded(
    model: EncoderDecoder,
    encoded: EncoderOutput,
    limits: Tensor,
    end: int,
    num_beams: int,
    length_penalty: float,
) -> list[list[int]]:
    """Decode a sequence from each of the encoded sources.

    Args:
        model: in evaluation mode.
        encoded: the output of the encoder for B sources.
        limits: (B,) int64, most tokens of each output.
        end: the token before the first and after the last one.
        num_beams: 1 is greedy.
        length_penalty: as of `DecodingOptions`.

    Returns:
        The tokens of each row, without the end.
    """
    options = DecodingOptions(
        num_beams=num_beams,
        length_penalty=length_penalty,
        temperature=0,
        max_new_tokens=int(limits.max()) + 1,
        stop_tokens=(end,),
    )
    model_step: Any = partial(model.step, encoded=encoded)
    step = limit_length(model_step, end)
    begin = torch.full((len(limits), 1), end, device=limits.device)
    logits, state = prefill(step, begin, (encoded.start, limits.unsqueeze(0) + 1))
    return decode(step, logits, state, options).rows()


def limit_length(step: Step, end: int) -> Step:
    """End each row of `step` at its own limit, which is part of its state, so that rows stay independent.

    The state is that of `step`, and the number (1, B) of tokens that may still be read: at 0 only `end` is
    possible.
    """

    def limited(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        inner, remaining = state
        logits, inner = step(tokens, inner)
        remaining = remaining - tokens.shape[1]
        is_not_end = torch.arange(logits.shape[-1], device=logits.device) != end
        mask = (remaining <= 0).T.unsqueeze(2) & is_not_end
        return logits.masked_fill(mask, -torch.inf), (inner, remaining)

    return limited


@torch.inference_mode()
def attention_weights(
    model: EncoderDecoder,
    encoded: EncoderOutput,
    rows: Sequence[Sequence[int]],
    lengths: Sequence[int],
    end: int,
) -> list[list[list[float]]]:
    """The attention weights of each row's tokens and its end: T + 1 lists of S numbers a row."""
    longest = max(len(row) for row in rows) + 1
    inputs = torch.tensor(
        [[end, *row, *[end] * (longest - 1 - len(row))] for row in rows], device=model.device
    )
    weights = model.decode(inputs, encoded.start, encoded).weights
    assert weights is not None
    return [
        weights[number, : len(row) + 1, :length].tolist()
        for number, (row, length) in enumerate(zip(rows, lengths, strict=True))
    ]


def read_target(model: Any, encoded: Any, tokens: Sequence[int]) -> Tensor | None:
    """Let the decoder read the tokens of one row, the start first: the attention weights (T, S), if any."""
    inputs = torch.tensor([list(tokens)], device=model.device)
    weights = model.decode(inputs, encoded.start, encoded).weights
    return None if weights is None else weights[0]


@torch.no_grad()
def scheduled_sampling(
    model: EncoderDecoder, encoded: EncoderOutput, inputs: Tensor, probability: float
) -> Tensor:
    """Replace some of the decoder's inputs by its own predictions: scheduled sampling.

    The decoder reads the expected inputs once, in parallel, and its most likely tokens replace each input
    with `probability` (Mihaylova and Martins, 2019, arXiv:1906.07651; Duckworth et al., 2019,
    arXiv:1906.04331; after Bengio et al., 2015, arXiv:1506.03099). The first input is never replaced.
    """
    features = model.decode(inputs[:, :-1], encoded.start, encoded).features
    predictions = model.logits(features).argmax(-1)
    replaced = torch.rand(predictions.shape, device=predictions.device) < probability
    return torch.cat([inputs[:, :1], torch.where(replaced, predictions, inputs[:, 1:])], dim=1)
