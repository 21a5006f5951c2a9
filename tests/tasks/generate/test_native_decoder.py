"""When a language model is decoded by the compiled decoder, and that nobody can tell but by the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from seqloom.decoding import DecodingOptions
from seqloom.kernels.native import library
from seqloom.layers.ngram_features import NGramFeatures
from seqloom.layers.recurrent import GRU, LSTM
from seqloom.models.language_model import LanguageModel
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.tasks.generate import native_decoder
from seqloom.tasks.generate.native_decoder import compiled_decoder, why_not_packed
from seqloom.tasks.generate.task import Generate

pytestmark = pytest.mark.skipif(not library.available(), reason="there is no compiled library")

TASK = Generate()


@pytest.fixture(autouse=True)
def no_kernel_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(library.KERNEL_VARIABLE, raising=False)


def make(cell: str = "lstm", layers: int = 2, tied: bool = False, **options: Any) -> LanguageModel:
    torch.manual_seed(0)
    model = LanguageModel(61, 20, RecurrentConfig(cell, 37, layers, **options), tied).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.25)
    return model


@pytest.mark.parametrize("options", [{"temperature": 0}, {"temperature": 0.8, "top_k": 30}], ids=str)
@pytest.mark.parametrize(("layers", "tied"), [(1, False), (1, True), (3, False)])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_compiled_decoder_generates_what_steps_generate(
    cell: str, tied: bool, layers: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(cell, layers, tied)
    decoding = DecodingOptions(max_new_tokens=200, **options)
    prompts = [[1, 2, 3], [60], [7, 7]]
    assert compiled_decoder(model, decoding, 3) is not None
    compiled = TASK.generate(model, prompts, decoding)
    streamed = list(TASK.stream(model, prompts[0], decoding))
    monkeypatch.setenv(library.KERNEL_VARIABLE, "torch")
    assert compiled_decoder(model, decoding, 3) is None
    assert TASK.generate(model, prompts, decoding) == compiled
    assert list(TASK.stream(model, prompts[0], decoding)) == streamed == compiled[0]
    assert len(compiled[0]) == 200


def test_weights_are_packed_once_and_again_after_a_change() -> None:
    model, greedy = make(), DecodingOptions(temperature=0, max_new_tokens=20)
    decoder = compiled_decoder(model, greedy, 1)
    assert compiled_decoder(model, greedy, 2) is decoder
    half = DecodingOptions(temperature=0, precision="bfloat16")
    assert compiled_decoder(model, half, 1) is compiled_decoder(model, half, 1) is not decoder
    assert compiled_decoder(model, greedy, 1) is decoder
    before = TASK.generate(model, [[1]], greedy)
    model.output.bias.data[5] += 100  # what no version counter sees
    assert TASK.generate(model, [[1]], greedy) == [[5] * 20] != before
    assert compiled_decoder(model, greedy, 1) is not decoder
    assert set(TASK.generate(model, [[1]], half)[0]) == {5}


def test_the_cache_forgets_a_deleted_model() -> None:
    before = len(native_decoder._decoders)
    model = make()
    compiled_decoder(model, DecodingOptions(), 1)
    assert len(native_decoder._decoders) == before + 1
    del model
    assert len(native_decoder._decoders) == before


def with_hook(model: LanguageModel) -> None:
    model.layers[0].register_forward_hook(lambda *_: None)


def with_layer(layer: nn.Module) -> Callable[[LanguageModel], None]:
    def change(model: LanguageModel) -> None:
        model.layers[1] = layer.eval()

    return change


def with_ngrams(model: LanguageModel) -> None:
    model.ngrams = NGramFeatures(61, 3, 64).eval()


def with_output(model: LanguageModel) -> None:
    model.output = torch.nn.utils.parametrizations.weight_norm(model.output)


REFUSED: dict[str, Callable[[LanguageModel], object]] = {
    "in evaluation mode": lambda model: model.train(),
    "hooks need every step": with_hook,
    "not torch.float64 on cpu": lambda model: model.double(),
    "not torch.float32 on meta": lambda model: model.to("meta"),
    "no layer normalization": with_layer(LSTM(37, 37, layer_norm=True)),
    "no zoneout": with_layer(LSTM(37, 37, zoneout=(0.0, 0.1))),
    "no projection": with_layer(LSTM(37, 40, proj_size=37)),
    "of one direction": with_layer(LSTM(37, 37, bidirectional=True)),
    "one by one": with_layer(LSTM(37, 37, num_layers=2)),
    "of one kind": with_layer(GRU(37, 37)),
    "layers of seqloom": with_layer(nn.LSTM(37, 37)),
    "no n-gram features": with_ngrams,
    "torch's own embedding and output": with_output,
    "kernel='reference'": with_layer(LSTM(37, 37, kernel="reference")),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_models_without_a_compiled_decoder(reason: str) -> None:
    model = make()
    assert why_not_packed(model) is None
    REFUSED[reason](model)
    assert reason in str(why_not_packed(model))
    assert compiled_decoder(model, DecodingOptions(), 1) is None


def test_options_without_a_compiled_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()
    assert "LanguageModel" in str(why_not_packed(nn.Linear(1, 1).eval()))
    with torch.autocast("cpu", torch.bfloat16):
        assert why_not_packed(model) == "autocast is on"
    assert compiled_decoder(model, DecodingOptions(num_beams=2), 1) is None
    assert why_not_packed(make(kernel="torch")) == "kernel='torch'"
    assert why_not_packed(make(kernel="native")) is None
    monkeypatch.setattr(library, "why_unavailable", lambda: "it was not built")
    assert why_not_packed(model) == "it was not built"
    assert len(TASK.generate(model, [[1]], DecodingOptions(max_new_tokens=3))[0]) == 3


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_lesser_precision_writes_almost_the_same(precision: str) -> None:
    model = make("gru")
    text = torch.randint(61, (4, 200))
    asked = DecodingOptions(temperature=0, max_new_tokens=30)
    exact, near = (
        compiled_decoder(model, DecodingOptions(precision=name), 1) for name in ("float32", precision)
    )
    assert exact is not None
    assert near is not None
    assert near.weight_bytes < 0.6 * exact.weight_bytes
    # Nats of a random text, some 8 each: what is lost on the average is far less than on one token.
    assert abs(float((near.nats(text) - exact.nats(text)).mean())) < 0.01
    less = DecodingOptions(temperature=0, max_new_tokens=3, precision=precision)
    assert TASK.generate(model, [[1]], less) == [row[:3] for row in TASK.generate(model, [[1]], asked)]
