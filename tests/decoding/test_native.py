"""Decoding by the native decoder: the same tokens as `stream` and `decode`, many steps per call."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqloom.decoding import DecodingOptions, decode, decode_native, native, prefill, stream_native
from seqloom.decoding.native import native_refusal
from seqloom.errors import ConfigError, DataError
from seqloom.kernels.native import library
from seqloom.kernels.native.decoder import Decoder
from seqloom.models.language_model import LanguageModel
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.state import State
from seqloom.tasks.generate.native_decoder import pack

pytestmark = pytest.mark.skipif(not library.available(), reason="the native library is not built")

PROMPTS = [[1, 2, 3], [4], [5, 6], [7, 8, 9, 10]]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    torch.manual_seed(0)
    model = LanguageModel(23, 12, RecurrentConfig("gru", 19, 2, kernel="torch")).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model


@pytest.fixture(scope="module")
def decoder(model: LanguageModel) -> Decoder:
    return pack(model, "float32")


@pytest.fixture
def prefilled(model: LanguageModel) -> tuple[Tensor, State]:
    return prefill(model.step, PROMPTS, None)


OPTIONS: list[dict[str, Any]] = [
    {"temperature": 0},
    {"seed": 3},
    {"seed": (9, 1, 9, 5), "temperature": 0.7},
    {"top_k": 4, "stop_tokens": (3, 11)},
    {"top_p": 0.8, "stop_tokens": (2,)},
    {"stop_tokens": tuple(range(23))},
    {"stop_sequences": ((3, 4), (7,), (1, 2, 3)), "temperature": 2.0},
    {"stop_sequences": ((20, 20),), "stop_tokens": (5,), "temperature": 0.9, "top_k": 9},
    {"max_new_tokens": 1},
]


@pytest.mark.parametrize("steps", [1, 7, 64, 1000])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tokens_are_those_of_decode(
    options: dict[str, Any],
    steps: int,
    model: LanguageModel,
    decoder: Decoder,
    prefilled: tuple[Tensor, State],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(native, "MAX_STEPS", steps)
    decoding_options = DecodingOptions(**{"max_new_tokens": 150, **options})
    expected = decode(model.step, *prefilled, decoding_options)
    output = decode_native(decoder, *prefilled, decoding_options)
    assert all(map(torch.equal, output, expected))
    chunks = list(stream_native(decoder, *prefilled, decoding_options))
    assert max(chunk.shape[1] for chunk in chunks) <= steps
    assert torch.equal(torch.cat(chunks, 1)[:, : output.tokens.shape[1]], output.tokens)


@pytest.mark.parametrize("options", [{"seed": 3, "stop_tokens": (2,)}, {"num_beams": 3}], ids=str)
def test_decoding_ignores_the_default_device(
    options: dict[str, Any], model: LanguageModel, prefilled: tuple[Tensor, State]
) -> None:
    decoding_options = DecodingOptions(**options)
    expected = decode(model.step, *prefilled, decoding_options)
    with torch.device("meta"):
        assert all(map(torch.equal, decode(model.step, *prefilled, decoding_options), expected))
        if decoding_options.num_beams == 1:
            output = decode_native(pack(model, "float32"), *prefilled, decoding_options)
            assert all(map(torch.equal, output, expected))


def test_max_bytes_limits_the_steps_of_a_call(
    decoder: Decoder, prefilled: tuple[Tensor, State], monkeypatch: pytest.MonkeyPatch
) -> None:
    for max_bytes, length in ((1, 1), (decoder.weight_bytes * 5, 5)):
        monkeypatch.setattr(native, "MAX_BYTES", max_bytes)
        chunk = next(stream_native(decoder, *prefilled, DecodingOptions()))
        assert chunk.shape == (4, length)


def test_tokens_before_a_nan_are_yielded_and_then_it_is_refused(model: LanguageModel) -> None:
    decoder = pack(model, "float32")
    logits, state = prefill(model.step, [[1], [2]], None)
    state = tuple(part.clone() for part in state)  # type: ignore[union-attr]
    state[0][0, 1] = torch.nan
    chunks = stream_native(decoder, logits, state, DecodingOptions(temperature=0))
    assert next(chunks).shape == (2, 1)
    with pytest.raises(DataError, match=r"logits must be finite.* Got nan in row 1"):
        next(chunks)


def test_unsupported_options_are_refused(decoder: Decoder, prefilled: tuple[Tensor, State]) -> None:
    for options, batch, reason in (
        ({"num_beams": 2}, 1, "it has no beam search"),
        ({"repetition_penalty": 1.1}, 1, "it has no repetition penalty and no n-gram ban"),
        ({"no_repeat_ngram_size": 3}, 1, "it has no repetition penalty and no n-gram ban"),
        ({}, 65, "it takes at most 64 rows"),
    ):
        assert reason in str(native_refusal(DecodingOptions(**options), batch))
    assert native_refusal(DecodingOptions(stop_sequences=((1, 2),)), 64) is None
    with pytest.raises(ConfigError, match=r"cannot do this: it has no beam search\. Use `stream`"):
        stream_native(decoder, *prefilled, DecodingOptions(num_beams=2))
    with pytest.raises(ConfigError, match="stop tokens must be below 23"):
        stream_native(decoder, *prefilled, DecodingOptions(stop_tokens=(23,)))
    with pytest.raises(ConfigError, match="one seed for each of the 4 rows"):
        stream_native(decoder, *prefilled, DecodingOptions(seed=(1,)))
