"""The compiled decoder against the model, for any batch, threads and precision."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqloom.kernels.native import decoder as module
from seqloom.kernels.native import library
from seqloom.kernels.native.decoder import TokenSelection, digest
from seqloom.models.language_model import LanguageModel
from seqloom.state import tensors_of
from seqloom.tasks.generate.native_decoder import pack

from .decoders import SIZES, make, start

pytestmark = pytest.mark.skipif(not library.available(), reason="there is no compiled library")

CELLS = ["rnn", "lstm", "gru"]


def relu(model: LanguageModel) -> LanguageModel:
    for layer in model.layers:
        layer.nonlinearity, layer.mode = "relu", "RNN_RELU"  # type: ignore[assignment]
        with torch.no_grad():  # what does not saturate must not grow
            layer.weight_hh_l0 *= 0.1  # type: ignore[operator]
    return model


@pytest.mark.parametrize("target", range(len(library.CPU_TARGETS)))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", [*CELLS, "relu"])
def test_logits_match_the_model(
    cell: str, size: tuple[int, int, int, int, bool, int], target: int, use_cpu_target: Callable[[int], None]
) -> None:
    use_cpu_target(target)
    batch, model = size[-1], relu(make("rnn", size)) if cell == "relu" else make(cell, size)
    text = torch.randint(size[1], (batch, 12))
    # Logits are about 3 here: rounding errors of 2 ** -9 or 1 / 254 of each factor, carried over 12 steps.
    exact = {"float32": 1e-4, "bfloat16": 0.15, "int8": 0.3}
    near = {"float32": 1e-5, "bfloat16": 0.02, "int8": 0.04}
    for precision in exact:
        decoder = pack(model, precision)
        logits, state = start(decoder, batch)
        nats, after, states = decoder.read(text, logits, state)
        with torch.no_grad():
            steps, expected = model.double().step(text, tuple_double(state))
            model.float()
        wanted = torch.cat([logits.unsqueeze(1).double(), steps], 1)
        losses = nn.functional.cross_entropy(wanted[:, :-1].flatten(0, 1), text.flatten(), reduction="none")
        torch.testing.assert_close(after.double(), wanted[:, -1], rtol=0, atol=exact[precision])
        for found, tensor in zip(tensors_of(states), tensors_of(expected), strict=True):
            torch.testing.assert_close(found.double(), tensor, rtol=exact[precision], atol=exact[precision])
        assert (nats - losses.view_as(nats)).mean().abs() < near[precision]
        assert (nats - losses.view_as(nats)).abs().max() < exact[precision]


def tuple_double(state: Any) -> Any:
    return state.double() if isinstance(state, Tensor) else tuple(tuple_double(part) for part in state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("cell", CELLS)
def test_results_do_not_depend_on_threads_chunks_or_batch(cell: str, precision: str) -> None:
    decoder = pack(make(cell, (200, 61, 20, 2, False, 5)), precision)
    logits, state = start(decoder, 5)
    choice = TokenSelection(torch.rand(5, 40, dtype=torch.float64), 0.9, 20)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = decoder.generate(logits, state, 40, choice)
        torch.set_num_threads(2)
        both = decoder.generate(logits, state, 40, choice)
    finally:
        torch.set_num_threads(threads)
    assert whole.tokens.unique().numel() > 10
    same(whole, both)
    first = decoder.generate(logits, state, 13, choice._replace(uniforms=choice.uniforms[:, :13]))  # type: ignore[index]
    rest = decoder.generate(first.logits, first.state, 27, choice._replace(uniforms=choice.uniforms[:, 13:]))  # type: ignore[index]
    assert torch.equal(torch.cat([first.tokens, rest.tokens], 1), whole.tokens)
    same(whole, rest._replace(tokens=whole.tokens))
    for row in range(5):
        one = [tensor[:, row : row + 1] for tensor in tensors_of(state)]
        pairs = tuple(zip(one[::2], one[1::2], strict=True)) if cell == "lstm" else tuple(one)
        alone = decoder.generate(
            logits[row : row + 1],
            pairs,
            40,
            choice._replace(uniforms=choice.uniforms[row : row + 1]),  # type: ignore[index]
        )
        assert torch.equal(alone.tokens[0], whole.tokens[row])
        assert torch.equal(alone.logits[0], whole.logits[row])


def same(one: Any, other: Any) -> None:
    assert torch.equal(one.tokens, other.tokens)
    assert torch.equal(one.logits, other.logits)
    for left, right in zip(tensors_of(one.state), tensors_of(other.state), strict=True):
        assert torch.equal(left, right)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_results_do_not_depend_on_the_embedding_table(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make("gru", (40, 50, 21, 2, False, 3))
    with_table = pack(model, precision)
    monkeypatch.setattr(module, "TABLE_BYTES", 0)
    without = pack(model, precision)
    assert without.weight_bytes > with_table.weight_bytes
    logits, state = start(with_table, 3)
    tokens = torch.randint(50, (3, 9))
    one, other = (decoder.read(tokens, logits, state)[1] for decoder in (with_table, without))
    # Without the table the embedding's product is rounded as the others are.
    torch.testing.assert_close(
        one, other, rtol=0, atol={"float32": 1e-5, "bfloat16": 0.1, "int8": 0.2}[precision]
    )


def test_nats_are_of_every_token_but_the_first() -> None:
    model = make("lstm")
    text = torch.randint(61, (2, 9))
    with torch.no_grad():
        logits, _ = model.step(text)
    wanted = nn.functional.cross_entropy(logits[:, :-1].mT, text[:, 1:], reduction="none").double()
    # float32 sums in another order, of logits of about 10
    torch.testing.assert_close(pack(model, "float32").nats(text), wanted, rtol=0, atol=1e-4)


def test_concurrent_calls_are_independent() -> None:
    decoder = pack(make("lstm"), "int8")
    logits, state = start(decoder, 3)
    wanted = decoder.generate(logits, state, 200, TokenSelection(None)).tokens
    got: list[Tensor] = []
    run = lambda: got.append(decoder.generate(logits, state, 200, TokenSelection(None)).tokens)  # noqa: E731
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all(torch.equal(tokens, wanted) for tokens in got)


def test_threads_are_reduced_if_cores_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = pack(make("lstm", (256, 61, 20, 2, False, 1)), "float32")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)

    def after(waited: float, calls: int = 1) -> int:
        for _ in range(calls):
            call = decoder._call(1, 1)
            call.waited = waited
            decoder._adapt(call)
        return decoder._call(1, 1).threads

    assert after(0.4) == 8
    assert after(0.6) == 4
    assert after(0.9, 5) == 1
    assert after(0.0, module.CALLS_UNTIL_RETRY - 1) == 1
    assert after(0.0) == 2
    assert after(0.0, 4 * module.CALLS_UNTIL_RETRY) == 8


def test_arguments_are_not_modified() -> None:
    decoder = pack(make("lstm"), "float32")
    logits, state = start(decoder, 3)
    before = [tensor.clone() for tensor in (logits, *tensors_of(state))]
    decoder.generate(logits, state, 3, TokenSelection(None))
    assert all(map(torch.equal, before, (logits, *tensors_of(state))))


@pytest.mark.parametrize("count", [1, 63, 64, 1000, 70_000])
def test_digest_depends_on_every_value_and_its_position(count: int) -> None:
    weight = torch.randn(count)
    seen = {digest(weight)}
    for place in {0, count // 3, count - 1}:
        changed = weight.clone()
        changed[place] += 1e-6 + changed[place].abs() * 1e-6
        seen.add(digest(changed))
    assert len(seen) == 1 + len({0, count // 3, count - 1})
    if count > 1:
        assert digest(weight.flip(0)) not in seen
    assert digest(weight.clone()) in seen
