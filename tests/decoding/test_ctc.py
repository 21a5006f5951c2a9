"""CTC decoding against its definition: the sums over all paths of a small example, by their text."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

import numpy
import pytest
import torch
from torch import Tensor

from seqloom.decoding.ctc.beam import CTCBeamOptions, Prefix, ctc_beam_search
from seqloom.decoding.ctc.greedy import ctc_greedy_decode, ctc_greedy_decode_step
from seqloom.errors import ConfigError, DataError

ALL_BEAMS = 10_000
"""A number of beams that drops no prefix"""


def log_probabilities(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).mul(2).log_softmax(-1)


def merge_path(path: Sequence[int]) -> tuple[int, ...]:
    """B of the paper: merge repeats, then remove blanks."""
    return tuple(symbol for symbol, _ in groupby(path) if symbol != 0)


def sum_paths(steps: Tensor) -> dict[tuple[int, ...], float]:
    """p(y | x) of every text, over all V ** T paths."""
    sums: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(steps.shape[1]), repeat=len(steps)):
        sums[merge_path(path)] += math.exp(sum(steps[t, symbol].item() for t, symbol in enumerate(path)))
    return sums


def test_greedy_decoding_gives_the_text_of_the_best_path() -> None:
    scores = log_probabilities(6, 30, 4)
    expected = [list(merge_path(row.argmax(-1).tolist())) for row in scores]
    assert ctc_greedy_decode(scores) == expected


@pytest.mark.parametrize("sizes", [[1] * 30, [7, 0, 13, 10], [29, 1]])
def test_greedy_decoding_in_chunks_gives_the_same_symbols(sizes: list[int]) -> None:
    scores, state = log_probabilities(3, 30, 3), None
    rows: list[list[int]] = [[], [], []]
    for chunk in scores.split(sizes, dim=1):
        new, state = ctc_greedy_decode_step(chunk, state)
        rows = [row + symbols for row, symbols in zip(rows, new, strict=True)]
    assert rows == ctc_greedy_decode(scores)


def test_greedy_rows_of_different_lengths_have_their_own_state() -> None:
    """A row without steps in a chunk keeps its state."""
    scores = log_probabilities(2, 12, 3)
    first, state = ctc_greedy_decode_step(scores[:, :5], None, [5, 3])
    second, _ = ctc_greedy_decode_step(scores[:, 5:], state, [7, 0])
    assert [a + b for a, b in zip(first, second, strict=True)] == [
        *ctc_greedy_decode(scores[:1]),
        *ctc_greedy_decode(scores[1:, :3]),
    ]


def test_an_unlimited_beam_sums_all_paths() -> None:
    steps = log_probabilities(5, 3)
    expected = sum_paths(steps)
    hypotheses = ctc_beam_search(steps[None], None, CTCBeamOptions(ALL_BEAMS))[0]
    assert {tuple(symbols) for symbols, _, _ in hypotheses} == set(expected)
    for symbols, log_probability, score in hypotheses:
        # Sums of some dozens of float64 products.
        assert log_probability == pytest.approx(math.log(expected[tuple(symbols)]), rel=1e-12)
        assert score == log_probability
    scores = [hypothesis.score for hypothesis in hypotheses]
    assert scores == sorted(scores, reverse=True)


def test_the_probability_equals_the_ctc_loss() -> None:
    steps = log_probabilities(4, 7, 4)
    for row, best in zip(steps, ctc_beam_search(steps, None, CTCBeamOptions(ALL_BEAMS)), strict=True):
        loss = torch.nn.functional.ctc_loss(
            row, torch.tensor(best[0].symbols), torch.tensor(7), torch.tensor(len(best[0].symbols))
        )
        # The mean reduction divides by the length of the target.
        assert -best[0].log_probability == pytest.approx(loss.item() * len(best[0].symbols), rel=1e-10)


def test_two_beams_beat_the_best_path() -> None:
    """The paths of one text are together more probable than the best path."""
    steps = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert ctc_greedy_decode(steps) == [[]]
    assert ctc_beam_search(steps, None, CTCBeamOptions(2))[0][0].symbols == [1]


def test_a_symbol_is_repeated_only_after_a_blank() -> None:
    path = torch.tensor([[1, 1, 1], [1, 0, 1]])
    steps = torch.nn.functional.one_hot(path, 2).double().log()
    results = ctc_beam_search(steps, None, CTCBeamOptions(8))
    assert [row[0].symbols for row in results] == [[1], [1, 1]]
    assert [len(row) for row in results] == [1, 1]  # impossible texts are no hypotheses


def score_bigrams(prefixes: Sequence[Prefix]) -> numpy.ndarray:
    """A bigram language model of two symbols and the end."""
    table = numpy.random.default_rng(3).dirichlet(numpy.ones(3), size=3)
    return numpy.log(table[[prefix[-1] if prefix else 0 for prefix in prefixes]])


def test_a_language_model_scores_every_symbol_and_the_end() -> None:
    steps = log_probabilities(5, 3)
    options = CTCBeamOptions(ALL_BEAMS, lm_weight=0.7, length_bonus=0.3)

    def score(text: tuple[int, ...], probability: float) -> float:
        prefixes = [text[:n] for n in range(len(text) + 1)]
        rows = score_bigrams(prefixes)
        language = sum(row[symbol] for row, symbol in zip(rows, [*text, 0], strict=True))
        return math.log(probability) + 0.7 * language + 0.3 * len(text)

    expected = {text: score(text, p) for text, p in sum_paths(steps).items()}
    hypotheses = ctc_beam_search(steps[None], None, options, score_bigrams)[0]
    assert {tuple(symbols): score for symbols, _, score in hypotheses} == pytest.approx(expected, rel=1e-12)
    assert tuple(hypotheses[0].symbols) == max(expected, key=lambda text: expected[text])


def test_a_prefix_is_scored_after_the_one_that_it_extends() -> None:
    scored: list[Prefix] = []

    def scorer(prefixes: Sequence[Prefix]) -> numpy.ndarray:
        if prefixes == [()]:
            scored.clear()
        assert all(prefix == () or prefix[:-1] in scored for prefix in prefixes)
        scored.extend(prefixes)
        return score_bigrams(prefixes)

    ctc_beam_search(log_probabilities(3, 12, 3), None, CTCBeamOptions(4, lm_weight=0.5), scorer)
    assert len(scored) > 12


def test_a_scorer_with_weight_0_is_not_called() -> None:
    def fail(prefixes: Sequence[Prefix]) -> numpy.ndarray:
        raise AssertionError

    assert ctc_beam_search(log_probabilities(1, 4, 3), None, CTCBeamOptions(2), fail)[0]


@pytest.mark.parametrize("num_beams", [1, 3, 16])
def test_results_depend_on_neither_padding_nor_other_rows(num_beams: int) -> None:
    scores, lengths = log_probabilities(5, 9, 4), [9, 4, 0, 7, 1]
    options = CTCBeamOptions(num_beams, lm_weight=0.4)
    extended = torch.cat([scores, torch.full((5, 3, 4), math.nan, dtype=torch.float64)], 1)

    def scorer(prefixes: Sequence[Prefix]) -> numpy.ndarray:
        return numpy.log(numpy.full((len(prefixes), 4), 0.25))

    together = ctc_beam_search(extended, lengths, options, scorer)
    alone = [
        ctc_beam_search(scores[row : row + 1, :length], None, options, scorer)[0]
        for row, length in enumerate(lengths)
    ]
    assert together == alone
    assert ctc_greedy_decode(extended, lengths) == [
        ctc_greedy_decode(scores[row : row + 1, :length])[0] for row, length in enumerate(lengths)
    ]
    assert together[2][0].symbols == []


def test_the_best_text_is_found_in_a_large_vocabulary() -> None:
    """There the best extensions are found by a partition."""
    steps = log_probabilities(1, 6, 300)
    narrow = ctc_beam_search(steps, None, CTCBeamOptions(30))[0]
    wide = ctc_beam_search(steps, None, CTCBeamOptions(300))[0]
    assert narrow[0].symbols == wide[0].symbols
    # The beams differ in improbable paths, which the narrow one dropped.
    assert narrow[0].log_probability == pytest.approx(wide[0].log_probability, abs=0.05)


NAN = torch.tensor([[[0.0, math.nan]]])


@pytest.mark.parametrize(
    ("scores", "lengths", "message"),
    [
        (
            torch.zeros(2, 3),
            None,
            r"scores must be floats of shape \(B, T, V\), the blank and at least one symbol\. "
            r"Got torch\.float32 of shape \(2, 3\)\.",
        ),
        (torch.zeros(2, 3, 1), None, "the blank and at least one symbol"),
        (torch.zeros(2, 3, 4, dtype=torch.int64), None, "scores must be floats"),
        (NAN, None, r"decoding: logits must be finite, or -inf for a banned token\. Got nan in row 0\."),
        (torch.zeros(2, 3, 4), [3], r"lengths must be 2, one for each row\. Got 1\."),
        (torch.zeros(2, 3, 4), [3, 4], r"lengths\[1\] must be 0 to 3, the steps of the input\. Got 4\."),
    ],
)
def test_invalid_scores_and_lengths_are_refused(
    scores: Tensor, lengths: list[int] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        ctc_greedy_decode(scores, lengths)
    with pytest.raises(DataError, match=message):
        ctc_beam_search(scores, lengths, CTCBeamOptions(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (CTCBeamOptions(0), r"ctc_beam_search: num_beams must be an int >= 1\. Got 0\."),
        (CTCBeamOptions(lm_weight=-1.0), r"ctc_beam_search: lm_weight must be a number >= 0\. Got -1\.0\."),
        (CTCBeamOptions(length_bonus=math.inf), r"ctc_beam_search: length_bonus must be a number\. Got inf"),
    ],
)
def test_options_out_of_range_are_refused(options: CTCBeamOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ctc_beam_search(torch.zeros(1, 2, 2), None, options)


@pytest.mark.parametrize("invalid", [numpy.zeros((1, 2)), numpy.full((1, 3), math.nan)])
def test_invalid_results_of_a_scorer_are_refused(invalid: numpy.ndarray) -> None:
    with pytest.raises(DataError, match=r"the scorer must return log-probabilities \(1, 3\)\. Got shape"):
        ctc_beam_search(
            log_probabilities(1, 2, 3), None, CTCBeamOptions(2, lm_weight=1.0), lambda prefixes: invalid
        )
