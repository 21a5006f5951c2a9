"""The errors of the compiled decoder: invalid weights, arguments and instruction sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seqloom.cells.projections import Weights
from seqloom.errors import ConfigError, DataError
from seqloom.kernels.native import decoder as module
from seqloom.kernels.native import library
from seqloom.kernels.native.decoder import Decoder, TokenSelection
from seqloom.models.language_model import LanguageModel
from seqloom.tasks.generate.native_decoder import pack

from .decoders import make, start

pytestmark = pytest.mark.skipif(not library.available(), reason="there is no compiled library")


def parts(model: LanguageModel) -> dict[str, Any]:
    layers = [Weights(*layer.parameters()) for layer in model.layers]
    return {
        "cell": "gru", "embedding": model.embedding.weight, "layers": layers,
        "output_weight": model.output.weight, "output_bias": model.output.bias,
    }  # fmt: skip


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"cell": "mgu"}, ConfigError, "cell must be one of rnn_tanh, rnn_relu, lstm, gru"),
    ({"precision": "int4"}, ConfigError, "precision must be one of float32, bfloat16, int8"),
    ({"layers": []}, DataError, "there must be a layer"),
    ({"embedding": torch.zeros(61)}, DataError, r"and the embedding \(V, E\)"),
    ({"embedding": torch.zeros(61, 37).double()}, DataError, "embedding must be torch.float32"),
    ({"embedding": torch.zeros(61, 36)}, DataError, r"weight_ih must be torch.float32 \(111, 36\)"),
    ({"cell": "lstm"}, DataError, r"weight_ih must be torch.float32 \(148, 37\)"),
    ({"output_weight": torch.zeros(61, 38)}, DataError, r"output_weight must be .*\(61, 37\)"),
    ({"output_bias": torch.zeros(60)}, DataError, r"output_bias must be .*\(61,\)"),
    ({"embedding": torch.zeros(61, 37, device="meta")}, DataError, "on the CPU. Got .* on meta"),
]


@pytest.mark.parametrize(("changes", "error", "message"), REFUSED, ids=[m for _, _, m in REFUSED])
def test_invalid_weights_are_refused(changes: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"^Decoder: .*{message}"):
        Decoder(**{**parts(make("gru")), **changes})


def test_layer_norm_is_refused() -> None:
    given = parts(make("gru"))
    given["layers"][0] = given["layers"][0]._replace(gain_ih=torch.ones(111))
    with pytest.raises(DataError, match="no projection and no normalization"):
        Decoder(**given)


def test_invalid_arguments_are_refused() -> None:
    decoder = pack(make("gru"), "float32")
    logits, state = start(decoder, 2)
    free = TokenSelection(None)
    for call, message in (
        (lambda: decoder.generate(logits[:, :60], state, 1, free), r"logits must be torch.float32 \(2, 61\)"),
        (lambda: decoder.generate(logits[:0], state, 1, free), "1 to 64 rows. Got 0"),
        (
            lambda: decoder.generate(logits.expand(2, 61).repeat(33, 1), state, 1, free),
            "1 to 64 rows. Got 66",
        ),
        (
            lambda: decoder.generate(logits, state[:1], 1, free),
            "must have 1 tensors for each of 2 layers. Got 1",
        ),
        (
            lambda: decoder.generate(logits, (state[0], state[0][:, :1]), 1, free),
            r"state must be .*\(1, 2, 37\)",
        ),
        (lambda: decoder.generate(logits.double(), state, 1, free), "logits must be torch.float32"),
        (lambda: decoder.generate(logits, state, -1, free), "steps must be an int >= 0. Got -1"),
        (
            lambda: decoder.generate(logits, state, 2, TokenSelection(torch.rand(2, 1).double())),
            r"uniforms must be .*\(2, 2\)",
        ),
        (
            lambda: decoder.generate(logits, state, 2, TokenSelection(None, 0.0)),
            "temperature must be above 0",
        ),
        (
            lambda: decoder.generate(logits, state, 1, free, torch.tensor([True])),
            r"finished must be .*\(2,\)",
        ),
        (
            lambda: decoder.read(torch.tensor([[1], [61]]), logits, state),
            "tokens must be 0 to 60. Got 1 to 61",
        ),
        (
            lambda: decoder.read(torch.tensor([[1], [-1]]), logits, state),
            "tokens must be 0 to 60. Got -1 to 1",
        ),
        (lambda: decoder.read(torch.tensor([1, 1]), logits, state), r"tokens must be \(B, T\)"),
        (lambda: decoder.read(torch.zeros(2, 1), logits, state), "tokens must be torch.int64"),
    ):
        with pytest.raises(DataError, match=f"^Decoder: .*{message}"):
            call()
    assert decoder.generate(logits, state, 0, free).tokens.shape == (2, 0)
    assert decoder.read(torch.empty(2, 0, dtype=torch.int64), logits, state)[0].shape == (2, 0)


def test_weights_packed_for_another_instruction_set_are_refused(
    use_cpu_target: Callable[[int], None],
) -> None:
    use_cpu_target(0)
    decoder = pack(make("gru"), "float32")
    use_cpu_target(1)
    with pytest.raises(ConfigError, match="another instruction set"):
        decoder.generate(*start(decoder, 1), 1, TokenSelection(None))


def test_missing_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_library", module._library.__wrapped__)
    monkeypatch.setattr(library, "available", lambda: False)
    monkeypatch.setattr(library, "why_unavailable", lambda: "it is not there")
    with pytest.raises(ConfigError, match="it is not there"):
        pack(make("gru"), "float32")
