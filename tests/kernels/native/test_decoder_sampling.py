"""The compiled decoder chooses the tokens that seqloom.decoding does, and stops where it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqloom.decoding import DecodingOptions
from seqloom.decoding.greedy import argmax_token
from seqloom.decoding.sampling import sample_token, select_filters
from seqloom.kernels.native import library
from seqloom.kernels.native.decoder import TokenSelection
from seqloom.tasks.generate.native_decoder import pack

from .decoders import make, start

pytestmark = pytest.mark.skipif(not library.available(), reason="there is no compiled library")

CHOICES = [
    {},
    {"temperature": 0},
    {"temperature": 0.3},
    {"temperature": 1e-40},
    {"temperature": 3.0, "top_k": 5},
    {"top_k": 1},
    {"top_k": 1000},
    {"top_p": 0.9},
    {"top_p": 1e-9},
    {"temperature": 0.7, "top_k": 30, "top_p": 0.8},
]


@pytest.mark.parametrize("options", CHOICES, ids=str)
@pytest.mark.parametrize("target", range(len(library.CPU_TARGETS)))
@pytest.mark.parametrize("vocabulary", [1, 2, 61, 64, 300, 2000])
def test_choices_match_seqloom_decoding(
    vocabulary: int, target: int, options: dict[str, Any], use_cpu_target: Callable[[int], None]
) -> None:
    use_cpu_target(target)
    decoder = pack(make("rnn", (8, vocabulary, 4, 1, False, 1)), "float32")
    asked = DecodingOptions(**options)
    _, state = start(decoder, 40)
    for spread in (0.0, 1.0, 30.0):
        logits = (torch.randn(40, vocabulary) * spread).round(decimals=1)  # so that some are equal
        logits[torch.rand(40, vocabulary) < 0.2] = -torch.inf
        logits[:, -1] = 0.0
        uniforms = torch.rand(40, dtype=torch.float64)
        uniforms[0], uniforms[1] = 0.0, 1 - 2**-53
        shaped = logits
        for narrow in select_filters(asked) if not asked.is_greedy else ():
            shaped = narrow(shaped)
        wanted = argmax_token(shaped) if asked.is_greedy else sample_token(shaped, uniforms)
        drawn = None if asked.is_greedy else uniforms.unsqueeze(1)
        choice = TokenSelection(drawn, asked.temperature or 1.0, asked.top_k, asked.top_p)
        assert torch.equal(decoder.generate(logits, state, 1, choice).tokens[:, 0], wanted)


def test_rows_end_at_stop_tokens_and_the_call_with_the_last_row() -> None:
    decoder = pack(make("lstm"), "float32")
    logits, state = start(decoder, 3)
    free = decoder.generate(logits, state, 60, TokenSelection(torch.rand(3, 60, dtype=torch.float64)))
    uniforms = torch.rand(3, 60, dtype=torch.float64)
    free = decoder.generate(logits, state, 60, TokenSelection(uniforms)).tokens
    stop = int(free[0, 5])
    written = decoder.generate(logits, state, 60, TokenSelection(uniforms, stop_tokens=(stop, 60)))
    ends = [next((k for k, token in enumerate(row) if token in (stop, 60)), 59) for row in free.tolist()]
    for row, end in enumerate(ends):
        assert torch.equal(written.tokens[row, : end + 1], free[row, : end + 1])
        assert (written.tokens[row, end + 1 :] == -1).all()
    assert written.finished.tolist() == [free[row, end] in (stop, 60) for row, end in enumerate(ends)]
    every = tuple(range(61))
    assert decoder.generate(logits, state, 60, TokenSelection(None, stop_tokens=every)).tokens.shape == (3, 1)
    ended = torch.tensor([True, False, True])
    some = decoder.generate(logits, state, 4, TokenSelection(None), ended)
    assert (some.tokens == -1).all(1).tolist() == [True, False, True]
    assert torch.equal(some.finished, ended)
    assert decoder.generate(logits, state, 4, TokenSelection(None), ~(ended | True) | True).tokens.shape == (
        3,
        0,
    )


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_and_inf_end_the_call(value: float) -> None:
    decoder = pack(make("gru"), "float32")
    logits, state = start(decoder, 2)
    logits[1, 3] = value
    for uniforms in (None, torch.rand(2, 5, dtype=torch.float64)):
        written = decoder.generate(logits, state, 5, TokenSelection(uniforms))
        assert written.wrong
        assert written.tokens.shape == (2, 0)
        torch.testing.assert_close(written.logits, logits, equal_nan=True, rtol=0, atol=0)
    nats, _, _ = decoder.read(torch.tensor([[1], [1]]), logits, state)
    assert nats.isnan().tolist() == [[False], [True]]


def test_row_with_all_tokens_banned_ends_the_call() -> None:
    decoder = pack(make("gru"), "float32")
    logits, state = start(decoder, 2)
    logits[1] = -torch.inf
    written = decoder.generate(logits, state, 5, TokenSelection(None))
    assert written.finished.tolist() == [False, True]
    assert (written.tokens[1] == -1).all()
    assert (written.tokens[0] >= 0).all()
    assert not written.wrong


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_nan_weights_generate_no_tokens(precision: str) -> None:
    model = make("lstm")
    with torch.no_grad():
        model.layers[0].weight_hh_l0[3, 4] = torch.nan  # type: ignore[index]
    decoder = pack(model, precision)
    assert decoder.generate(*start(decoder, 2), 5, TokenSelection(None)).wrong
