"""Beam search against the search of everything, and against its own definition."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch

from seqloom.decoding import DecodingOptions, Hypothesis, beam_search, decode, prefill
from seqloom.decoding.beam import _Search
from seqloom.errors import ConfigError

STOP = 0
PROMPT = [[1, 2], [2], [2, 1, 1], [1]]


def log_probability(step, state, prompt: list[int], tokens: list[int]) -> float:
    logits, _ = step(torch.tensor([prompt + tokens[:-1]]), state)
    chosen = logits[0, len(prompt) - 1 :].double().log_softmax(-1)
    return chosen.gather(1, torch.tensor(tokens).unsqueeze(1)).sum().item()


def exhaustive(
    step, start, prompt: list[int], options: DecodingOptions, size: int
) -> list[tuple[float, list[int]]]:
    """Every sequence that ends with its first stop or after max_new_tokens, the best score first."""
    found = []
    for length in range(1, options.max_new_tokens + 1):
        for tokens in itertools.product(range(size), repeat=length):
            ended = [options.stop_length(tokens[:end]) > 0 for end in range(1, length + 1)]
            if any(ended[:-1]) or not (ended[-1] or length == options.max_new_tokens):
                continue
            score = log_probability(step, start(1), prompt, list(tokens)) / length**options.length_penalty
            found.append((score, list(tokens)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("length_penalty", [-0.5, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("stops", [{"stop_tokens": (STOP,)}, {"stop_sequences": ((1, 2), (0,))}, {}])
def test_a_beam_wide_enough_finds_the_best(
    recurrent_step, length_penalty: float, stops: dict[str, tuple]
) -> None:
    step, start = recurrent_step(3, dtype=torch.float64, spread=2.0)
    # 3 ** 4 sequences of 4 tokens: a beam of 81 can hold every one of them.
    options = DecodingOptions(num_beams=81, length_penalty=length_penalty, max_new_tokens=4, **stops)
    found = beam_search(step, *prefill(step, PROMPT, start(4)), options, num_return_sequences=5)
    for prompt, hypotheses in zip(PROMPT, found, strict=True):
        best = exhaustive(step, start, prompt, options, 3)[:5]
        assert [each.tokens for each in hypotheses] == [tokens for _, tokens in best]
        for hypothesis, (score, tokens) in zip(hypotheses, best, strict=True):
            # Sums of four float64 terms near 1.
            assert hypothesis.score == pytest.approx(score, abs=1e-12)
            assert hypothesis.log_probability == pytest.approx(
                score * len(tokens) ** length_penalty, abs=1e-12
            )
            assert hypothesis.stop_length == options.stop_length(tokens)


@pytest.mark.parametrize("num_beams", [2, 3, 7])
def test_scores_are_those_of_the_tokens(recurrent_step, num_beams: int) -> None:
    """The state followed its beam through every reordering: feeding the tokens again gives the same score."""
    step, start = recurrent_step(9, dtype=torch.float64, spread=2.0)
    options = DecodingOptions(num_beams=num_beams, length_penalty=0.6, max_new_tokens=15, stop_tokens=(STOP,))
    found = beam_search(step, *prefill(step, PROMPT, start(4)), options, num_return_sequences=num_beams)
    for prompt, hypotheses in zip(PROMPT, found, strict=True):
        assert len(hypotheses) == num_beams
        assert len({tuple(each.tokens) for each in hypotheses}) == num_beams
        assert [each.score for each in hypotheses] == sorted(
            (each.score for each in hypotheses), reverse=True
        )
        for each in hypotheses:
            again = log_probability(step, start(1), prompt, each.tokens)
            # Sums of up to 15 float64 terms near 5, in matrices of another size.
            assert each.log_probability == pytest.approx(again, abs=1e-11)
            assert each.score == each.log_probability / len(each.tokens) ** 0.6


@pytest.mark.parametrize(
    "more", [{}, {"repetition_penalty": 1.4}, {"no_repeat_ngram_size": 2}, {"stop_sequences": ((2, 3),)}]
)
def test_a_beam_of_one_is_greedy(recurrent_step, more: dict[str, float]) -> None:
    step, start = recurrent_step(9)
    options = DecodingOptions(temperature=0, stop_tokens=(STOP,), max_new_tokens=40, **more)
    begin = prefill(step, PROMPT, start(4))
    greedy = decode(step, *begin, options, PROMPT)
    for i, (hypothesis,) in enumerate(beam_search(step, *begin, options, PROMPT)):
        assert hypothesis.tokens == greedy.tokens[i, : greedy.lengths[i]].tolist()
        assert hypothesis.stop_length == greedy.stop_lengths[i]


def plain_search(step, start, prompt: list[int], options: DecodingOptions) -> list[tuple[float, list[int]]]:
    """The definition, one hypothesis at a time, never ending early."""
    num_beams, live, finished = options.num_beams, [(0.0, [])], []
    for length in range(1, options.max_new_tokens + 1):
        candidates = []
        for total, tokens in live:
            logits, _ = step(torch.tensor([prompt + tokens]), start(1))
            log_probabilities = logits[0, -1].double().log_softmax(-1).tolist()
            candidates += [(total + value, [*tokens, t]) for t, value in enumerate(log_probabilities)]
        candidates.sort(reverse=True)
        for total, tokens in candidates[:num_beams]:
            if options.stop_length(tokens) or length == options.max_new_tokens:
                finished.append((total / length**options.length_penalty, tokens))
        live = [(total, tokens) for total, tokens in candidates if not options.stop_length(tokens)][
            :num_beams
        ]
    if length == options.max_new_tokens:
        finished += [(total / length**options.length_penalty, tokens) for total, tokens in live]
    return sorted(finished, reverse=True)


@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 0.8, 1.5])
@pytest.mark.parametrize("num_beams", [2, 4])
def test_ending_early_changes_nothing(recurrent_step, length_penalty: float, num_beams: int) -> None:
    step, start = recurrent_step(6, dtype=torch.float64, spread=1.5)
    options = DecodingOptions(
        num_beams=num_beams, length_penalty=length_penalty, max_new_tokens=12, stop_tokens=(STOP, 4)
    )
    for prompt in PROMPT:
        ((found,),) = beam_search(step, *prefill(step, [prompt], start(1)), options)
        assert found.tokens == plain_search(step, start, prompt, options)[0][1]


def test_a_search_ends_as_soon_as_it_is_decided(table_step, empty_state) -> None:
    calls = 0

    def step(tokens, state):
        nonlocal calls
        calls += 1
        return table_step([[1.0, 0.0], [0.9, 0.1]])(tokens, state)

    start = torch.tensor([[0.0, 1.0]]).log()
    options = DecodingOptions(num_beams=2, length_penalty=0.0, max_new_tokens=50, stop_tokens=(STOP,))
    ((found,),) = beam_search(step, start, empty_state(1), options)
    assert found.tokens == [1, 0]
    # 0.9 after two tokens; whatever follows the other beam has at most 0.1.
    assert calls == 1


def test_a_sequence_that_is_decided_leaves_the_batch(table_step, empty_state) -> None:
    rows = []

    def step(tokens, state):
        rows.append(tokens.shape[0])
        return table_step([[1, 0, 0], [0.98, 0.01, 0.01], [0.01, 0.01, 0.98]])(tokens, state)

    start = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).log()
    options = DecodingOptions(num_beams=2, length_penalty=0.0, max_new_tokens=5, stop_tokens=(STOP,))
    found = beam_search(step, start, empty_state(2), options)
    assert [each[0].tokens for each in found] == [[1, 0], [2, 2, 2, 2, 2]]
    assert rows == [4, 2, 2, 2]


def test_early_stopping_ends_with_as_many_as_there_are_beams(table_step, empty_state) -> None:
    step = table_step([[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]])
    start = torch.tensor([[0.0, 0.6, 0.4]]).log()
    # A strong penalty makes every longer hypothesis win, so the exact search goes on to the end. The first
    # two to finish among the best two are 1 0 and 1 1 0.
    length = {}
    for early in (False, True):
        options = DecodingOptions(
            num_beams=2, early_stopping=early, length_penalty=9.0, max_new_tokens=8, stop_tokens=(STOP,)
        )
        length[early] = len(beam_search(step, start, empty_state(1), options)[0][0].tokens)
    assert length == {False: 8, True: 3}


@pytest.mark.parametrize(
    ("penalty", "best_live", "decided"),
    [(0, -1.1, True), (0, -0.9, False), (1, -4.9, False), (1, -5.1, True)],
)
def test_decided_is_a_bound(penalty: float, best_live: float, decided: bool) -> None:
    search = _Search(DecodingOptions(num_beams=2, length_penalty=penalty, max_new_tokens=10), 1)
    assert not search.is_decided(best_live, 2)
    search.finish([1, 0], 1, -1.0)
    # With penalty 1 the finished score is -0.5; a live hypothesis may spread -5 over 10 tokens.
    assert search.is_decided(best_live, 2) is decided


def test_banned_ngrams_leave_probabilities_as_they_were(table_step, empty_state) -> None:
    step = table_step([[0.25, 0.75], [0.25, 0.75]])
    options = DecodingOptions(num_beams=2, no_repeat_ngram_size=1, max_new_tokens=2)
    logits = torch.tensor([[0.25, 0.75]]).log()
    (found,) = beam_search(step, logits, empty_state(1), options, num_return_sequences=2)
    assert sorted(each.tokens for each in found) == [[0, 1], [1, 0]]
    for each in found:
        # float32 logits: their last bit, 1e-7.
        assert each.log_probability == pytest.approx(math.log(0.25 * 0.75), abs=1e-6)


def test_more_beams_than_tokens(table_step, empty_state) -> None:
    step = table_step([[0.5, 0.5], [0.3, 0.7]])
    options = DecodingOptions(num_beams=8, length_penalty=0.0, max_new_tokens=2, stop_tokens=(STOP,))
    (found,) = beam_search(
        step, torch.tensor([[0.4, 0.6]]).log(), empty_state(1), options, num_return_sequences=8
    )
    assert [each.tokens for each in found] == [[1, 1], [0], [1, 0]]
    assert [each.stop_length for each in found] == [0, 1, 1]
    assert all(isinstance(each, Hypothesis) for each in found)


@pytest.mark.parametrize("count", [0, 4])
def test_no_more_results_than_beams(table_step, empty_state, count: int) -> None:
    message = f"beam_search: num_return_sequences must be from 1 to num_beams, which is 3. Got {count}."
    with pytest.raises(ConfigError, match=re.escape(message)):
        beam_search(
            table_step([[1.0]]),
            torch.zeros(1, 1),
            empty_state(1),
            DecodingOptions(num_beams=3),
            num_return_sequences=count,
        )


@pytest.mark.parametrize("penalty", [-10, 10])
def test_the_extreme_penalties_are_numbers(penalty: int) -> None:
    search = _Search(DecodingOptions(num_beams=1, length_penalty=penalty, max_new_tokens=2**63), 1)
    search.finish([STOP] * 1000, 1, -1.0)
    assert 0 > search.finished[0].score > -math.inf
    assert isinstance(search.is_decided(-1.0, 1000), bool)
    assert math.pow(2**63, penalty) > 0
