"""How an encoder-decoder writes, within the length that its source allows; and reads its own guesses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seqloom.decoding import DecodingOptions, Step, decode, prefill
from seqloom.models.encoder_decoder import EncodedSource, EncoderDecoder


@torch.inference_mode()
def write(
    model: EncoderDecoder,
    encoded: EncodedSource,
    limits: Tensor,
    end: int,
    num_beams: int,
    length_penalty: float,
) -> list[list[int]]:
    """Write from each of the encoded sources.

    Args:
        model: in evaluation mode.
        encoded: B sources.
        limits: (B,) int64, the most tokens to write for each.
        end: the token that begins and ends every sequence.
        num_beams: 1 is greedy.
        length_penalty: as of `DecodingOptions`.

    Returns:
        The tokens of each row, the end left out.
    """
    options = DecodingOptions(
        num_beams=num_beams,
        length_penalty=length_penalty,
        temperature=0,
        max_new_tokens=int(limits.max()) + 1,
        stop_tokens=(end,),
    )
    bound: Any = partial(model.step, encoded=encoded)  # its state is a `DecoderState`, which `Step` knows not
    step = within(bound, end)
    begin = torch.full((len(limits), 1), end, device=limits.device)
    logits, state = prefill(step, begin, (encoded.start, limits.unsqueeze(0) + 1))
    return decode(step, logits, state, options).rows()


def within(step: Step, end: int) -> Step:
    """`step`, of whose rows each ends at its own limit: by its state, so that no row depends on the others.

    Its state is that of `step`, and (1, B) how many tokens may still be read: at 0 only `end` is left.
    """

    def limited(tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        inner, left = state
        logits, inner = step(tokens, inner)
        left = left - tokens.shape[1]
        others = torch.arange(logits.shape[-1], device=logits.device) != end
        return logits.masked_fill((left <= 0).T.unsqueeze(2) & others, -torch.inf), (inner, left)

    return limited


@torch.inference_mode()
def attention_of(
    model: EncoderDecoder,
    encoded: EncodedSource,
    rows: Sequence[Sequence[int]],
    lengths: Sequence[int],
    end: int,
) -> list[list[list[float]]]:
    """The weights of attention with which each token of `rows` and its end were written: T + 1 lists of S."""
    longest = max(len(row) for row in rows) + 1
    read = torch.tensor([[end, *row, *[end] * (longest - 1 - len(row))] for row in rows], device=model.device)
    weights = model.decode(read, encoded.start, encoded).weights
    assert weights is not None
    return [
        weights[number, : len(row) + 1, :length].tolist()
        for number, (row, length) in enumerate(zip(rows, lengths, strict=True))
    ]


@torch.no_grad()
def mix_guesses(model: EncoderDecoder, encoded: EncodedSource, inputs: Tensor, probability: float) -> Tensor:
    """Replace some of the decoder's inputs by what it would have written there: scheduled sampling.

    The decoder reads the right inputs once, all steps at the same time, and what it then thinks likeliest
    stands in for each input with `probability` (Mihaylova and Martins, 2019, arXiv:1906.07651; Duckworth et
    al., 2019, arXiv:1906.04331; after Bengio et al., 2015, arXiv:1506.03099). The first input stays.
    """
    features = model.decode(inputs[:, :-1], encoded.start, encoded).features
    guesses = model.logits(features).argmax(-1)
    chosen = torch.rand(guesses.shape, device=guesses.device) < probability
    return torch.cat([inputs[:, :1], torch.where(chosen, guesses, inputs[:, 1:])], dim=1)
