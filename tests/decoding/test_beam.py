"""Beam search against an exhaustive search, and against a plain implementation of its definition."""

from __future__ import annotations

import itertools
import math
import re

import pytest
import torch

from seqloom.decoding import DecodingOptions, Hypothesis, beam_search, decode, prefill
from seqloom.decoding.beam import _BeamHypotheses
from seqloom.decoding.options import MAX_NEW_TOKENS
from seqloom.errors import ConfigError

STOP = 0
PROMPT = [[1, 2], [2], [2, 1, 1], [1]]


def compute_log_probability(step, state, prompt: list[int], tokens: list[int]) -> float:
    logits, _ = step(torch.tensor([prompt + tokens[:-1]]), state)
    log_probabilities = logits[0, len(prompt) - 1 :].double().log_softmax(-1)
    return log_probabilities.gather(1, torch.tensor(tokens).unsqueeze(1)).sum().item()


def search_exhaustively(
    step, start, prompt: list[int], options: DecodingOptions, size: int
) -> list[tuple[float, list[int]]]:
    """Every sequence that ends with its first stop or after max_new_tokens, best score first."""
    sequences = []
    for length in range(1, options.max_new_tokens + 1):
        for tokens in itertools.product(range(size), repeat=length):
            is_stop = [options.stop_length(tokens[:end]) > 0 for end in range(1, length + 1)]
            if any(is_stop[:-1]) or not (is_stop[-1] or length == options.max_new_tokens):
                continue
            log_probability = compute_log_probability(step, start(1), prompt, list(tokens))
            sequences.append((log_probability / length**options.length_penalty, list(tokens)))
    return sorted(sequences, reverse=True)


@pytest.mark.parametrize("length_penalty", [-0.5, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("stops", [{"stop_tokens": (STOP,)}, {"stop_sequences": ((1, 2), (0,))}, {}])
def test_a_wide_beam_finds_the_best_sequences(
    recurrent_step, length_penalty: float, stops: dict[str, tuple]
) -> None:
    step, start = recurrent_step(3, dtype=torch.float64, spread=2.0)
    # 81 beams hold all 3 ** 4 sequences of 4 tokens.
    options = DecodingOptions(num_beams=81, length_penalty=length_penalty, max_new_tokens=4, **stops)
    results = beam_search(step, *prefill(step, PROMPT, start(4)), options, num_return_sequences=5)
    for prompt, hypotheses in zip(PROMPT, results, strict=True):
        best = search_exhaustively(step, start, prompt, options, 3)[:5]
        assert [hypothesis.tokens for hypothesis in hypotheses] == [tokens for _, tokens in best]
        for hypothesis, (score, tokens) in zip(hypotheses, best, strict=True):
            # Sums of four float64 terms near 1.
            assert hypothesis.score == pytest.approx(score, abs=1e-12)
            assert hypothesis.log_probability == pytest.approx(
                score * len(tokens) ** length_penalty, abs=1e-12
            )
            assert hypothesis.stop_length == options.stop_length(tokens)


@pytest.mark.parametrize("num_beams", [2, 3, 7])
def test_scoring_the_tokens_again_gives_the_same_score(recurrent_step, num_beams: int) -> None:
    """It would not if a state did not follow its beam through every reordering."""
    step, start = recurrent_step(9, dtype=torch.float64, spread=2.0)
    options = DecodingOptions(num_beams=num_beams, length_penalty=0.6, max_new_tokens=15, stop_tokens=(STOP,))
    results = beam_search(step, *prefill(step, PROMPT, start(4)), options, num_return_sequences=num_beams)
    for prompt, hypotheses in zip(PROMPT, results, strict=True):
        assert len(hypotheses) == num_beams
        assert len({tuple(hypothesis.tokens) for hypothesis in hypotheses}) == num_beams
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        for tokens, _, log_probability, score in hypotheses:
            again = compute_log_probability(step, start(1), prompt, tokens)
            # Sums of up to 15 float64 terms near 5, in matrices of another size.
            assert log_probability == pytest.approx(again, abs=1e-11)
            assert score == log_probability / len(tokens) ** 0.6


@pytest.mark.parametrize(
    "extra", [{}, {"repetition_penalty": 1.4}, {"no_repeat_ngram_size": 2}, {"stop_sequences": ((2, 3),)}]
)
def test_one_beam_is_greedy_decoding(recurrent_step, extra: dict[str, float]) -> None:
    step, start = recurrent_step(9)
    options = DecodingOptions(temperature=0, stop_tokens=(STOP,), max_new_tokens=40, **extra)
    prefilled = prefill(step, PROMPT, start(4))
    greedy = decode(step, *prefilled, options, PROMPT)
    for i, (hypothesis,) in enumerate(beam_search(step, *prefilled, options, PROMPT)):
        assert hypothesis.tokens == greedy.tokens[i, : greedy.lengths[i]].tolist()
        assert hypothesis.stop_length == greedy.stop_lengths[i]


def search_plainly(step, start, prompt: list[int], options: DecodingOptions) -> list[tuple[float, list[int]]]:
    """The definition: one hypothesis at a time, without ending early."""
    num_beams, unfinished, finished = options.num_beams, [(0.0, [])], []
    for length in range(1, options.max_new_tokens + 1):
        candidates = []
        for total, tokens in unfinished:
            logits, _ = step(torch.tensor([prompt + tokens]), start(1))
            log_probabilities = logits[0, -1].double().log_softmax(-1).tolist()
            candidates += [(total + value, [*tokens, t]) for t, value in enumerate(log_probabilities)]
        candidates.sort(reverse=True)
        for total, tokens in candidates[:num_beams]:
            if options.stop_length(tokens) or length == options.max_new_tokens:
                finished.append((total / length**options.length_penalty, tokens))
        unfinished = [(total, tokens) for total, tokens in candidates if not options.stop_length(tokens)][
            :num_beams
        ]
    if length == options.max_new_tokens:
        finished += [(total / length**options.length_penalty, tokens) for total, tokens in unfinished]
    return sorted(finished, reverse=True)


@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 0.8, 1.5])
@pytest.mark.parametrize("num_beams", [2, 4])
def test_ending_early_does_not_change_the_result(
    recurrent_step, length_penalty: float, num_beams: int
) -> None:
    step, start = recurrent_step(6, dtype=torch.float64, spread=1.5)
    options = DecodingOptions(
        num_beams=num_beams, length_penalty=length_penalty, max_new_tokens=12, stop_tokens=(STOP, 4)
    )
    for prompt in PROMPT:
        ((best,),) = beam_search(step, *prefill(step, [prompt], start(1)), options)
        assert best.tokens == search_plainly(step, start, prompt, options)[0][1]


def test_a_search_ends_as_soon_as_its_result_is_certain(table_step, empty_state) -> None:
    calls = 0

    def step(tokens, state):
        nonlocal calls
        calls += 1
        return table_step([[1.0, 0.0], [0.9, 0.1]])(tokens, state)

    start = torch.tensor([[0.0, 1.0]]).log()
    options = DecodingOptions(num_beams=2, length_penalty=0.0, max_new_tokens=50, stop_tokens=(STOP,))
    ((best,),) = beam_search(step, start, empty_state(1), options)
    assert best.tokens == [1, 0]
    # It has 0.9 after two tokens; no continuation of the other beam has more than 0.1.
    assert calls == 1


def test_a_finished_search_leaves_the_batch(table_step, empty_state) -> None:
    rows = []

    def step(tokens, state):
        rows.append(tokens.shape[0])
        return table_step([[1, 0, 0], [0.98, 0.01, 0.01], [0.01, 0.01, 0.98]])(tokens, state)

    start = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).log()
    options = DecodingOptions(num_beams=2, length_penalty=0.0, max_new_tokens=5, stop_tokens=(STOP,))
    results = beam_search(step, start, empty_state(2), options)
    assert [best.tokens for best, *_ in results] == [[1, 0], [2, 2, 2, 2, 2]]
    assert rows == [4, 2, 2, 2]


def test_early_stopping_ends_with_num_beams_finished_hypotheses(table_step, empty_state) -> None:
    step = table_step([[1, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]])
    start = torch.tensor([[0.0, 0.6, 0.4]]).log()
    # With a high length penalty every longer hypothesis wins, so the exact search goes on to the end. The
    # first two to finish among the best two are 1 0 and 1 1 0.
    length = {}
    for early in (False, True):
        options = DecodingOptions(
            num_beams=2, early_stopping=early, length_penalty=9.0, max_new_tokens=8, stop_tokens=(STOP,)
        )
        length[early] = len(beam_search(step, start, empty_state(1), options)[0][0].tokens)
    assert length == {False: 8, True: 3}


@pytest.mark.parametrize(
    ("penalty", "best_unfinished", "is_done"),
    [(0, -1.1, True), (0, -0.9, False), (1, -4.9, False), (1, -5.1, True)],
)
def test_a_search_is_done_by_a_bound_of_unfinished_scores(
    penalty: float, best_unfinished: float, is_done: bool
) -> None:
    search = _BeamHypotheses(DecodingOptions(num_beams=2, length_penalty=penalty, max_new_tokens=10), 1)
    assert not search.is_done(best_unfinished, 2)
    search.add([1, 0], 1, -1.0)
    # With penalty 1 the finished score is -0.5; an unfinished hypothesis may divide -5 by 10 tokens.
    assert search.is_done(best_unfinished, 2) is is_done


def test_banned_ngrams_do_not_change_other_probabilities(table_step, empty_state) -> None:
    step = table_step([[0.25, 0.75], [0.25, 0.75]])
    options = DecodingOptions(num_beams=2, no_repeat_ngram_size=1, max_new_tokens=2)
    logits = torch.tensor([[0.25, 0.75]]).log()
    (hypotheses,) = beam_search(step, logits, empty_state(1), options, num_return_sequences=2)
    assert sorted(hypothesis.tokens for hypothesis in hypotheses) == [[0, 1], [1, 0]]
    for hypothesis in hypotheses:
        # The last bit of float32 logits is 1e-7.
        assert hypothesis.log_probability == pytest.approx(math.log(0.25 * 0.75), abs=1e-6)


def test_there_may_be_more_beams_than_tokens(table_step, empty_state) -> None:
    step = table_step([[0.5, 0.5], [0.3, 0.7]])
    options = DecodingOptions(num_beams=8, length_penalty=0.0, max_new_tokens=2, stop_tokens=(STOP,))
    (hypotheses,) = beam_search(
        step, torch.tensor([[0.4, 0.6]]).log(), empty_state(1), options, num_return_sequences=8
    )
    assert [hypothesis.tokens for hypothesis in hypotheses] == [[1, 1], [0], [1, 0]]
    assert [hypothesis.stop_length for hypothesis in hypotheses] == [0, 1, 1]
    assert all(isinstance(hypothesis, Hypothesis) for hypothesis in hypotheses)


@pytest.mark.parametrize("count", [0, 4])
def test_more_results_than_beams_are_refused(table_step, empty_state, count: int) -> None:
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
def test_extreme_length_penalties_neither_overflow_nor_underflow(penalty: int) -> None:
    options = DecodingOptions(num_beams=1, length_penalty=penalty, max_new_tokens=MAX_NEW_TOKENS)
    search = _BeamHypotheses(options, 1)
    search.add([STOP] * 1000, 1, -1.0)
    assert 0 > search.finished[0].score > -math.inf
    assert isinstance(search.is_done(-1.0, 1000), bool)
    assert math.pow(MAX_NEW_TOKENS, penalty) > 0
