"""The compiled decoder: the model's own mathematics, the same choices as decoding/, and what it refuses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqloom.cells.weights import Weights
from seqloom.decoding import DecodingOptions
from seqloom.decoding.greedy import choose_best
from seqloom.decoding.sampling import active_filters, choose_by_chance
from seqloom.errors import ConfigError, DataError
from seqloom.kernels import decoder as module
from seqloom.kernels import native
from seqloom.kernels.decoder import Choice, Decoder, digest
from seqloom.models.one_to_many import LanguageModel
from seqloom.state import tensors_of
from seqloom.tasks.decoders import pack

pytestmark = pytest.mark.skipif(not native.available(), reason="there is no compiled library")

CELLS = ["rnn", "lstm", "gru"]
# hidden, vocabulary, embedding, layers, tied, batch: nothing a multiple of a vector; a whole one; one unit.
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
    sizes = (vocabulary, embedding, hidden, layers)
    model = LanguageModel(*sizes, cell, tied, kernel="reference").eval()  # type: ignore[arg-type]
    # As large as trained ones, but not so large as to be chaotic.
    for name, parameter in model.named_parameters():
        nn.init.normal_(parameter, std=0.8 * parameter.shape[-1] ** -0.5 if "weight_" in name else 0.4)
    return model


def relu(model: LanguageModel) -> LanguageModel:
    for layer in model.layers:
        layer.nonlinearity, layer.mode = "relu", "RNN_RELU"  # type: ignore[assignment]
        with torch.no_grad():  # what does not saturate must not grow
            layer.weight_hh_l0 *= 0.1  # type: ignore[operator]
    return model


def start(decoder: Decoder, batch: int, seed: int = 1) -> tuple[Tensor, Any]:
    torch.manual_seed(seed)
    state = tuple(torch.rand(1, batch, size) - 0.5 for size in decoder.hidden_sizes)
    if decoder.cell == "lstm":
        state = tuple((h, torch.randn_like(h)) for h in state)
    return torch.randn(batch, decoder.vocabulary_size) * 3, state


@pytest.fixture
def levels() -> Iterator[Callable[[int], None]]:
    library = module._library()
    before = library.seqloom_level()

    def use(level: int) -> None:
        if not library.seqloom_use_level(level):
            pytest.skip("this processor lacks it")

    yield use
    library.seqloom_use_level(before)


@pytest.mark.parametrize("level", range(len(native.LEVELS)))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", [*CELLS, "relu"])
def test_reads_as_the_model_does(
    cell: str, size: tuple[int, int, int, int, bool, int], level: int, levels: Callable[[int], None]
) -> None:
    levels(level)
    batch, model = size[-1], relu(make("rnn", size)) if cell == "relu" else make(cell, size)
    text = torch.randint(size[1], (batch, 12))
    # Logits are some 3 here: what 2 ** -9 and 1 / 254 of each factor make of them, carried over 12 steps.
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
def test_threads_chunks_and_neighbours_change_nothing(cell: str, precision: str) -> None:
    decoder = pack(make(cell, (200, 61, 20, 2, False, 5)), precision)
    logits, state = start(decoder, 5)
    choice = Choice(torch.rand(5, 40, dtype=torch.float64), 0.9, 20)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        whole = decoder.write(logits, state, 40, choice)
        torch.set_num_threads(2)
        both = decoder.write(logits, state, 40, choice)
    finally:
        torch.set_num_threads(threads)
    assert whole.tokens.unique().numel() > 10
    same(whole, both)
    first = decoder.write(logits, state, 13, choice._replace(uniforms=choice.uniforms[:, :13]))  # type: ignore[index]
    rest = decoder.write(first.logits, first.state, 27, choice._replace(uniforms=choice.uniforms[:, 13:]))  # type: ignore[index]
    assert torch.equal(torch.cat([first.tokens, rest.tokens], 1), whole.tokens)
    same(whole, rest._replace(tokens=whole.tokens))
    for row in range(5):
        one = [tensor[:, row : row + 1] for tensor in tensors_of(state)]
        pairs = tuple(zip(one[::2], one[1::2], strict=True)) if cell == "lstm" else tuple(one)
        alone = decoder.write(
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
@pytest.mark.parametrize("level", range(len(native.LEVELS)))
@pytest.mark.parametrize("vocabulary", [1, 2, 61, 64, 300, 2000])
def test_chooses_as_decoding_does(
    vocabulary: int, level: int, options: dict[str, Any], levels: Callable[[int], None]
) -> None:
    levels(level)
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
        for narrow in active_filters(asked) if not asked.is_greedy else ():
            shaped = narrow(shaped)
        wanted = choose_best(shaped) if asked.is_greedy else choose_by_chance(shaped, uniforms)
        drawn = None if asked.is_greedy else uniforms.unsqueeze(1)
        choice = Choice(drawn, asked.temperature or 1.0, asked.top_k, asked.top_p)
        assert torch.equal(decoder.write(logits, state, 1, choice).tokens[:, 0], wanted)


def test_rows_end_with_a_stop_and_the_call_with_the_last_row() -> None:
    decoder = pack(make("lstm"), "float32")
    logits, state = start(decoder, 3)
    free = decoder.write(logits, state, 60, Choice(torch.rand(3, 60, dtype=torch.float64)))
    uniforms = torch.rand(3, 60, dtype=torch.float64)
    free = decoder.write(logits, state, 60, Choice(uniforms)).tokens
    stop = int(free[0, 5])
    written = decoder.write(logits, state, 60, Choice(uniforms, stop_tokens=(stop, 60)))
    ends = [next((k for k, token in enumerate(row) if token in (stop, 60)), 59) for row in free.tolist()]
    for row, end in enumerate(ends):
        assert torch.equal(written.tokens[row, : end + 1], free[row, : end + 1])
        assert (written.tokens[row, end + 1 :] == -1).all()
    assert written.finished.tolist() == [free[row, end] in (stop, 60) for row, end in enumerate(ends)]
    every = tuple(range(61))
    assert decoder.write(logits, state, 60, Choice(None, stop_tokens=every)).tokens.shape == (3, 1)
    ended = torch.tensor([True, False, True])
    some = decoder.write(logits, state, 4, Choice(None), ended)
    assert (some.tokens == -1).all(1).tolist() == [True, False, True]
    assert torch.equal(some.finished, ended)
    assert decoder.write(logits, state, 4, Choice(None), ~(ended | True) | True).tokens.shape == (3, 0)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nothing_is_chosen_from_what_is_no_number(value: float) -> None:
    decoder = pack(make("gru"), "float32")
    logits, state = start(decoder, 2)
    logits[1, 3] = value
    for uniforms in (None, torch.rand(2, 5, dtype=torch.float64)):
        written = decoder.write(logits, state, 5, Choice(uniforms))
        assert written.wrong
        assert written.tokens.shape == (2, 0)
        torch.testing.assert_close(written.logits, logits, equal_nan=True, rtol=0, atol=0)
    nats, _, _ = decoder.read(torch.tensor([[1], [1]]), logits, state)
    assert nats.isnan().tolist() == [[False], [True]]


def test_a_row_without_a_choice_ends() -> None:
    decoder = pack(make("gru"), "float32")
    logits, state = start(decoder, 2)
    logits[1] = -torch.inf
    written = decoder.write(logits, state, 5, Choice(None))
    assert written.finished.tolist() == [False, True]
    assert (written.tokens[1] == -1).all()
    assert (written.tokens[0] >= 0).all()
    assert not written.wrong


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_broken_weights_give_no_text(precision: str) -> None:
    model = make("lstm")
    with torch.no_grad():
        model.layers[0].weight_hh_l0[3, 4] = torch.nan  # type: ignore[index]
    decoder = pack(model, precision)
    assert decoder.write(*start(decoder, 2), 5, Choice(None)).wrong


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_without_a_table_it_is_the_same(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("gru", (40, 50, 21, 2, False, 3))
    with_table = pack(model, precision)
    monkeypatch.setattr(module, "TABLE_BYTES", 0)
    without = pack(model, precision)
    assert without.weight_bytes > with_table.weight_bytes
    logits, state = start(with_table, 3)
    tokens = torch.randint(50, (3, 9))
    one, other = (decoder.read(tokens, logits, state)[1] for decoder in (with_table, without))
    # The embedding's product is rounded here as the others are.
    torch.testing.assert_close(
        one, other, rtol=0, atol={"float32": 1e-5, "bfloat16": 0.1, "int8": 0.2}[precision]
    )


def test_nats_are_those_of_each_token_but_the_first() -> None:
    model = make("lstm")
    text = torch.randint(61, (2, 9))
    with torch.no_grad():
        logits, _ = model.step(text)
    wanted = nn.functional.cross_entropy(logits[:, :-1].mT, text[:, 1:], reduction="none").double()
    # float32 sums in another order, of logits of some 10
    torch.testing.assert_close(pack(model, "float32").nats(text), wanted, rtol=0, atol=1e-4)


def test_python_threads_do_not_disturb_each_other() -> None:
    decoder = pack(make("lstm"), "int8")
    logits, state = start(decoder, 3)
    wanted = decoder.write(logits, state, 200, Choice(None)).tokens
    got: list[Tensor] = []
    run = lambda: got.append(decoder.write(logits, state, 200, Choice(None)).tokens)  # noqa: E731
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all(torch.equal(tokens, wanted) for tokens in got)


def test_it_takes_fewer_threads_where_cores_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert after(0.0, module.CALLS_OF_LESS - 1) == 1
    assert after(0.0) == 2
    assert after(0.0, 4 * module.CALLS_OF_LESS) == 8


def test_what_it_is_given_stays_as_it_was() -> None:
    decoder = pack(make("lstm"), "float32")
    logits, state = start(decoder, 3)
    before = [tensor.clone() for tensor in (logits, *tensors_of(state))]
    decoder.write(logits, state, 3, Choice(None))
    assert all(map(torch.equal, before, (logits, *tensors_of(state))))


@pytest.mark.parametrize("count", [1, 63, 64, 1000, 70_000])
def test_a_digest_sees_every_value_and_its_place(count: int) -> None:
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
def test_refuses_weights_that_do_not_fit(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=rf"^Decoder: .*{message}"):
        Decoder(**{**parts(make("gru")), **changes})


def test_refuses_normalised_layers() -> None:
    given = parts(make("gru"))
    given["layers"][0] = given["layers"][0]._replace(gain_ih=torch.ones(111))
    with pytest.raises(DataError, match="no projection and no normalisation"):
        Decoder(**given)


def test_refuses_values_that_do_not_fit() -> None:
    decoder = pack(make("gru"), "float32")
    logits, state = start(decoder, 2)
    free = Choice(None)
    for call, message in (
        (lambda: decoder.write(logits[:, :60], state, 1, free), r"logits must be torch.float32 \(2, 61\)"),
        (lambda: decoder.write(logits[:0], state, 1, free), "1 to 64 rows. Got 0"),
        (lambda: decoder.write(logits.expand(2, 61).repeat(33, 1), state, 1, free), "1 to 64 rows. Got 66"),
        (
            lambda: decoder.write(logits, state[:1], 1, free),
            "must have 1 tensors for each of 2 layers. Got 1",
        ),
        (
            lambda: decoder.write(logits, (state[0], state[0][:, :1]), 1, free),
            r"state must be .*\(1, 2, 37\)",
        ),
        (lambda: decoder.write(logits.double(), state, 1, free), "logits must be torch.float32"),
        (lambda: decoder.write(logits, state, -1, free), "steps must be an int >= 0. Got -1"),
        (
            lambda: decoder.write(logits, state, 2, Choice(torch.rand(2, 1).double())),
            r"uniforms must be .*\(2, 2\)",
        ),
        (lambda: decoder.write(logits, state, 2, Choice(None, 0.0)), "temperature must be above 0"),
        (lambda: decoder.write(logits, state, 1, free, torch.tensor([True])), r"finished must be .*\(2,\)"),
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
    assert decoder.write(logits, state, 0, free).tokens.shape == (2, 0)
    assert decoder.read(torch.empty(2, 0, dtype=torch.int64), logits, state)[0].shape == (2, 0)


def test_weights_are_packed_for_one_instruction_set(levels: Callable[[int], None]) -> None:
    levels(0)
    decoder = pack(make("gru"), "float32")
    levels(1)
    with pytest.raises(ConfigError, match="another instruction set"):
        decoder.write(*start(decoder, 1), 1, Choice(None))


def test_says_that_there_is_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_library", module._library.__wrapped__)
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(native, "why_unavailable", lambda: "it is not there")
    with pytest.raises(ConfigError, match="it is not there"):
        pack(make("gru"), "float32")
