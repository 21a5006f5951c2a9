"""Decoding: rows do not depend on their batch, `decode` collects `stream`, and rows end at stops."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import NamedTuple

import pytest
import torch

from seqloom.decoding import NO_TOKEN, DecodingOptions, decode, prefill, stream
from seqloom.errors import ConfigError, DataError
from seqloom.state import State

PROMPT = [[1], [2, 3], [4, 5, 6], [0, 1], [9], [3, 3, 3, 3], [8, 7], [5]]
MODES = {
    "greedy": {"temperature": 0},
    "sampling": {},
    "filters": {"temperature": 0.9, "top_k": 8, "top_p": 0.9},
    "history": {"repetition_penalty": 1.3, "no_repeat_ngram_size": 3},
    "greedy history": {"temperature": 0, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
    "beams": {"num_beams": 3, "length_penalty": 0.7, "no_repeat_ngram_size": 3, "repetition_penalty": 1.2},
}
STOPS = {"max_new_tokens": 100, "stop_tokens": (0, 7), "stop_sequences": ((2, 5),)}


SAMPLED = [MODES["sampling"], MODES["filters"]]
STREAMED = {name: mode for name, mode in MODES.items() if "num_beams" not in mode}


@pytest.fixture(params=MODES.values(), ids=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, float]:
    return request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_a_batch_are_decoded_as_alone(
    recurrent_step, mode: dict[str, float], dtype: torch.dtype
) -> None:
    step, start = recurrent_step(11, dtype=dtype)
    options = DecodingOptions(**mode, **STOPS, seed=40)
    together = decode(step, *prefill(step, PROMPT, start(8)), options, PROMPT)
    for i, row in enumerate(PROMPT):
        options = DecodingOptions(**mode, **STOPS, seed=40 + i)
        alone = decode(step, *prefill(step, [row], start(1)), options, [row])
        assert alone.tokens[0].tolist() == together.tokens[i, : together.lengths[i]].tolist()
        assert alone.stop_lengths[0] == together.stop_lengths[i]
    if mode in SAMPLED:  # greedy decoding of a small model may repeat itself
        assert len(set(together.lengths.tolist())) > 2  # rows left at different steps


def test_the_order_of_rows_does_not_matter(recurrent_step, mode: dict[str, float]) -> None:
    step, start = recurrent_step(11)
    options = DecodingOptions(**mode, **STOPS, seed=(1, 2, 3, 4, 5, 6, 7, 8))
    forward = decode(step, *prefill(step, PROMPT, start(8)), options, PROMPT).rows()
    options = DecodingOptions(**mode, **STOPS, seed=(8, 7, 6, 5, 4, 3, 2, 1))
    backward = decode(step, *prefill(step, PROMPT[::-1], start(8)), options, PROMPT[::-1]).rows()
    assert backward[::-1] == forward


@pytest.mark.parametrize("mode", STREAMED.values(), ids=STREAMED)
def test_decode_collects_the_steps_of_stream(recurrent_step, mode: dict[str, float]) -> None:
    step, start = recurrent_step(11)
    options = DecodingOptions(**mode, **STOPS)
    prefilled = prefill(step, PROMPT, start(8))
    steps = list(stream(step, *prefilled, options, PROMPT))
    collected = decode(step, *prefilled, options, PROMPT)
    assert torch.equal(torch.stack([tokens for tokens, _ in steps], dim=1), collected.tokens)
    assert steps[-1].finished.all()
    assert not steps[-2].finished.all()
    for before, after in pairwise(steps):
        # Finished rows stay finished and have no more tokens; other rows have one.
        assert torch.equal(after.finished | before.finished, after.finished)
        assert torch.equal(after.tokens == NO_TOKEN, before.finished)
    finished = torch.stack([finished for _, finished in steps], dim=1)
    assert torch.equal((~finished).sum(1) + 1, collected.lengths)


def test_tokens_depend_on_the_seed_only(recurrent_step) -> None:
    step, start = recurrent_step(11)
    prefilled = prefill(step, PROMPT, start(8))

    def sample(seed: int) -> list[list[int]]:
        return decode(step, *prefilled, DecodingOptions(seed=seed, max_new_tokens=20)).tokens.tolist()

    assert sample(1) == sample(1)
    assert (
        sample(1)[1:]
        == decode(
            step, *prefill(step, PROMPT[1:], start(7)), DecodingOptions(seed=2, max_new_tokens=20)
        ).rows()
    )
    assert sample(1) != sample(100)


def test_the_global_random_state_is_neither_used_nor_changed(recurrent_step) -> None:
    step, start = recurrent_step(11)
    prefilled = prefill(step, PROMPT, start(8))
    first = decode(step, *prefilled, DecodingOptions(max_new_tokens=20)).tokens
    before = torch.random.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(decode(step, *prefilled, DecodingOptions(max_new_tokens=20)).tokens, first)
    torch.random.set_rng_state(before)
    decode(step, *prefilled, DecodingOptions(max_new_tokens=20))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_greedy_decoding_is_the_argmax_of_every_step(recurrent_step) -> None:
    step, start = recurrent_step(11)
    (row,) = decode(
        step, *prefill(step, [[1, 2]], start(1)), DecodingOptions(temperature=0, max_new_tokens=30)
    ).rows()
    logits, _ = step(torch.tensor([[1, 2, *row]]), start(1))
    assert logits[0].argmax(-1).tolist()[1:-1] == row


def test_top_k_of_1_is_greedy(recurrent_step) -> None:
    step, start = recurrent_step(11)
    prefilled = prefill(step, PROMPT, start(8))
    greedy = decode(step, *prefilled, DecodingOptions(temperature=0, max_new_tokens=30))
    assert torch.equal(
        decode(step, *prefilled, DecodingOptions(top_k=1, max_new_tokens=30)).tokens, greedy.tokens
    )


def test_a_row_ends_with_its_first_stop(recurrent_step, mode: dict[str, float]) -> None:
    step, start = recurrent_step(11)
    options = DecodingOptions(**mode, **STOPS)
    decoded = decode(step, *prefill(step, PROMPT, start(8)), options, PROMPT)
    for tokens, length, stop_length, row in zip(
        *(part.tolist() for part in decoded), decoded.rows(), strict=True
    ):
        assert tokens[length:] == [NO_TOKEN] * (len(tokens) - length)
        assert row == tokens[: length - stop_length]
        assert options.stop_length(tokens[:length]) == stop_length
        assert all(options.stop_length(row[:end]) == 0 for end in range(length))
        assert stop_length > 0 or length == 100 or "no_repeat_ngram_size" in mode


def test_stops_do_not_include_the_prompt(table_step, empty_state) -> None:
    step = table_step([[0, 1, 0], [0, 0, 1], [0, 1, 0]])  # 1 2 1 2 ...
    options = DecodingOptions(temperature=0, max_new_tokens=6, stop_sequences=((1, 2, 1),))
    logits, state = prefill(step, [[1, 2]], empty_state(1))
    decoded = decode(step, logits, state, options, [[1, 2]])
    assert decoded.tokens.tolist() == [[1, 2, 1]]
    assert decoded.rows() == [[]]


def test_the_last_token_needs_no_step(table_step, empty_state) -> None:
    shapes = []

    def step(tokens, state):
        shapes.append(tuple(tokens.shape))
        return table_step([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]])(tokens, state)

    prefilled = prefill(step, [[0], [2]], empty_state(2))
    shapes.clear()
    decode(step, *prefilled, DecodingOptions(temperature=0, max_new_tokens=5, stop_tokens=(3,)))
    # The second row stops at once and leaves; the first gives 1 2 3.
    assert shapes == [(1, 1), (1, 1)]


def test_streaming_is_lazy(table_step, empty_state) -> None:
    calls = 0

    def step(tokens, state):
        nonlocal calls
        calls += 1
        return table_step([[0, 1], [1, 0]])(tokens, state)

    prefilled = prefill(step, [[0]], empty_state(1))
    steps = stream(step, *prefilled, DecodingOptions(max_new_tokens=10**7))
    assert [tokens.item() for tokens, _ in islice(steps, 3)] == [1, 0, 1]
    assert calls == 1 + 2


def test_streaming_does_not_change_the_grad_mode_of_its_caller(recurrent_step) -> None:
    step, start = recurrent_step(11)
    modes = []

    def record_mode(tokens, state):
        modes.append(torch.is_inference_mode_enabled())
        return step(tokens, state)

    for _ in stream(record_mode, *prefill(record_mode, [[1]], start(1)), DecodingOptions(max_new_tokens=3)):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    assert modes == [True] * 3


def count_repeated(tokens: list[int], size: int) -> int:
    ngrams = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return len(ngrams) - len(set(ngrams))


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("mode", [{"temperature": 0}, {}, {"num_beams": 3}])
def test_no_ngram_is_repeated(recurrent_step, size: int, mode: dict[str, float]) -> None:
    step, start = recurrent_step(5)
    prompt = [[1, 2, 1], [3], [0, 4], [4, 4]]
    options = DecodingOptions(**mode, no_repeat_ngram_size=size, max_new_tokens=60)
    rows = decode(step, *prefill(step, prompt, start(4)), options, prompt).rows()
    for before, after in zip(prompt, rows, strict=True):
        assert count_repeated(before + after, size) == count_repeated(before, size)


@pytest.mark.parametrize("mode", [{"temperature": 0}, {}, {"num_beams": 2}])
def test_a_row_ends_where_every_token_is_banned(table_step, empty_state, mode: dict[str, float]) -> None:
    step = table_step([[0.5, 0.5]] * 2)
    prompt = [[0, 0], [1, 0]]
    options = DecodingOptions(**mode, no_repeat_ngram_size=1, max_new_tokens=9)
    decoded = decode(step, *prefill(step, prompt, empty_state(2)), options, prompt)
    assert decoded.rows() == [[1], []]
    assert decoded.stop_lengths.tolist() == [0, 0]


def test_repetition_penalty_applies_to_prompt_and_new_tokens(empty_state) -> None:
    def step(tokens, state):  # constant logits: a token falls behind once it is penalized
        return torch.tensor([2.0, 1.9, 1.8, 1.5]).expand(*tokens.shape, 4), state

    options = DecodingOptions(temperature=0, repetition_penalty=2.0, max_new_tokens=3)
    logits, state = prefill(step, [[1]], empty_state(1))
    assert decode(step, logits, state, options).rows() == [[0, 1, 2]]
    assert decode(step, logits, state, options, [[1]]).rows() == [[0, 2, 3]]
    assert decode(step, logits, state, options, torch.tensor([[NO_TOKEN, 1]])).rows() == [[0, 2, 3]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_decoded(mode: dict[str, float], empty_state, dtype: torch.dtype) -> None:
    table = 3 * torch.randn(11, 11).to(dtype)
    options = DecodingOptions(**mode, max_new_tokens=20)
    decoded = decode(lambda tokens, state: (table[tokens], state), table[:2], empty_state(2), options)
    assert decoded.lengths.tolist() == [20, 20]


@pytest.mark.parametrize("invalid", [float("nan"), float("inf")])
def test_invalid_logits_are_refused(mode: dict[str, float], empty_state, invalid: float) -> None:
    logits = torch.zeros(2, 11)
    logits[1, 5] = invalid
    with pytest.raises(DataError) as caught:
        decode(lambda tokens, state: (logits[tokens], state), logits, empty_state(2), DecodingOptions(**mode))
    assert str(caught.value).startswith(
        f"decoding: logits must be finite, or -inf for a banned token. Got {invalid} in row "
    )
    assert str(caught.value).endswith("Has the training diverged? Look for nan in the weights and the state.")


@pytest.mark.parametrize(
    ("logits", "got"),
    [
        (torch.zeros(2, 1, 5), "torch.float32 of shape (2, 1, 5)"),
        (torch.zeros(0, 5), "torch.float32 of shape (0, 5)"),
        (torch.zeros(2, 5, dtype=torch.int64), "torch.int64 of shape (2, 5)"),
    ],
)
def test_logits_of_another_shape_or_type_are_refused(empty_state, logits: torch.Tensor, got: str) -> None:
    message = "logits must be floats of shape (B, V), those after the last token of the prompt. Got "
    for who, options in (("stream", {}), ("beam_search", {"num_beams": 2})):
        with pytest.raises(DataError, match=re.escape(f"{who}: {message}{got}.")):
            decode(lambda *_: None, logits, empty_state(2), DecodingOptions(**options))


@pytest.mark.parametrize("stops", [{"stop_tokens": (1, 5)}, {"stop_sequences": ((1,), (2, 5))}])
def test_stops_outside_the_vocabulary_are_refused(empty_state, stops: dict[str, tuple]) -> None:
    with pytest.raises(
        ConfigError, match=r"stream: stop tokens must be below 5, the size of the vocabulary. Got 5."
    ):
        stream(lambda *_: None, torch.zeros(1, 5), empty_state(1), DecodingOptions(**stops))


class Pair(NamedTuple):
    h: torch.Tensor
    c: torch.Tensor


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (torch.zeros(2), "state must have 2 rows in dimension 1, as many as the batch. Got shape (2,)."),
        (
            (torch.zeros(1, 2), (Pair(torch.zeros(1, 2, 4), torch.zeros(2, 1, 4)),)),
            "state[1][0].c must have 2 rows in dimension 1, as many as the batch. Got shape (2, 1, 4).",
        ),
        (
            (torch.zeros(1, 2), [torch.zeros(1, 2)]),
            "state[1] must be a tensor or a tuple of states. Got list.",
        ),
    ],
)
def test_a_state_of_another_batch_size_is_refused(state: State, message: str) -> None:
    def step(tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        return torch.zeros(*tokens.shape, 5), state

    with pytest.raises(DataError, match=re.escape(f"prefill: {message}")):
        prefill(step, [[1], [2, 3]], state)
    for who, options in (("stream", {}), ("beam_search", {"num_beams": 2})):
        with pytest.raises(DataError, match=re.escape(f"{who}: {message}")):
            decode(step, torch.zeros(2, 5), state, DecodingOptions(**options))


def test_errors_are_raised_before_the_first_step(empty_state) -> None:
    def start(options: DecodingOptions, previous: list[list[int]] | None = None) -> None:
        stream(lambda *_: None, torch.zeros(2, 5), empty_state(2), options, previous)  # never iterated

    with pytest.raises(
        ConfigError,
        match=r"stream: num_beams must be 1, because beam search has no result before its end. Got 4.",
    ):
        start(DecodingOptions(num_beams=4))
    with pytest.raises(ConfigError, match=r"one seed for each of the 2 rows. Got 3 seeds"):
        start(DecodingOptions(seed=(1, 2, 3)))
    with pytest.raises(DataError, match=r"decoding: previous must have 2 rows, as many as logits. Got 1."):
        start(DecodingOptions(), [[1]])
    with pytest.raises(
        DataError, match=r"decoding: previous must have token ids below 5, the size of the vocabulary. Got 9."
    ):
        start(DecodingOptions(), [[1], [9]])


class Alternate:
    """A constraint: even and odd tokens in turn, and every row ends after its own number of them."""

    def __init__(self, ends: list[int]) -> None:
        self.ends, self.counts = ends, [0] * len(ends)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        for row, (count, end) in enumerate(zip(self.counts, self.ends, strict=True)):
            logits[row, count % 2 :: 2] = -torch.inf
            if count == end:
                logits[row] = -torch.inf
        return logits

    def advance(self, rows: list[int], tokens: list[int]) -> None:
        self.ends = [self.ends[row] for row in rows]
        self.counts = [self.counts[row] + 1 for row in rows]
        assert all(token % 2 == count % 2 for token, count in zip(tokens, self.counts, strict=True))


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"top_p": 0.9, "repetition_penalty": 1.3}])
def test_a_constraint_says_what_may_follow(recurrent_step, options: dict[str, float]) -> None:
    step, start = recurrent_step(11)
    ends = [5, 2, 9, 1, 7, 7, 3, 4]
    decoding = DecodingOptions(max_new_tokens=100, seed=40, **options)
    logits, state = prefill(step, PROMPT, start(8))
    rows = decode(step, logits, state, decoding, PROMPT, Alternate(ends)).rows()
    assert [len(row) for row in rows] == ends
    assert all(token % 2 != place % 2 for row in rows for place, token in enumerate(row))
    for row, prompt in enumerate(PROMPT):
        decoding = DecodingOptions(max_new_tokens=100, seed=40 + row, **options)
        logits, state = prefill(step, [prompt], start(1))
        assert decode(step, logits, state, decoding, [prompt], Alternate([ends[row]])).rows() == [rows[row]]


def test_a_beam_search_takes_no_constraint(recurrent_step) -> None:
    step, start = recurrent_step(11)
    logits, state = prefill(step, PROMPT, start(8))
    with pytest.raises(ConfigError, match=r"^decode: with a constraint num_beams must be 1\. Got 2\.$"):
        decode(step, logits, state, DecodingOptions(num_beams=2), None, Alternate([1] * 8))
