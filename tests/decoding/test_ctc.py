"""CTC decoding against the definition: every path of a small case, summed by the text that it stands for."""

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

ALL = 10_000
"""A beam that nothing falls out of."""


def log_probabilities(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).mul(2).log_softmax(-1)


def text_of(path: Sequence[int]) -> tuple[int, ...]:
    """B of the paper: join repeats, then leave out blanks."""
    return tuple(symbol for symbol, _ in groupby(path) if symbol != 0)


def by_definition(steps: Tensor) -> dict[tuple[int, ...], float]:
    """p(y | x) of every text, from all V ** T paths."""
    found: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(steps.shape[1]), repeat=len(steps)):
        found[text_of(path)] += math.exp(sum(steps[t, symbol].item() for t, symbol in enumerate(path)))
    return found


def test_greedy_is_the_text_of_the_best_path() -> None:
    scores = log_probabilities(6, 30, 4)
    expected = [list(text_of(row.argmax(-1).tolist())) for row in scores]
    assert ctc_greedy_decode(scores) == expected


@pytest.mark.parametrize("sizes", [[1] * 30, [7, 0, 13, 10], [29, 1]])
def test_greedy_in_chunks_gives_what_it_gives_whole(sizes: list[int]) -> None:
    scores, state = log_probabilities(3, 30, 3), None
    rows: list[list[int]] = [[], [], []]
    for chunk in scores.split(sizes, dim=1):
        new, state = ctc_greedy_decode_step(chunk, state)
        rows = [row + more for row, more in zip(rows, new, strict=True)]
    assert rows == ctc_greedy_decode(scores)


def test_greedy_rows_of_different_lengths_keep_their_own_state() -> None:
    """A row that had no steps of its own goes on where it was."""
    scores = log_probabilities(2, 12, 3)
    first, state = ctc_greedy_decode_step(scores[:, :5], None, [5, 3])
    second, _ = ctc_greedy_decode_step(scores[:, 5:], state, [7, 0])
    assert [a + b for a, b in zip(first, second, strict=True)] == [
        *ctc_greedy_decode(scores[:1]),
        *ctc_greedy_decode(scores[1:, :3]),
    ]


def test_a_wide_beam_gives_the_definition() -> None:
    steps = log_probabilities(5, 3)
    expected = by_definition(steps)
    found = ctc_beam_search(steps[None], None, CTCBeamOptions(ALL))[0]
    assert {tuple(one.symbols) for one in found} == set(expected)
    for one in found:
        # float64: sums of some dozens of products
        assert one.log_probability == pytest.approx(math.log(expected[tuple(one.symbols)]), rel=1e-12)
        assert one.score == one.log_probability
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_the_probability_is_that_of_the_ctc_loss() -> None:
    steps = log_probabilities(4, 7, 4)
    for row, best in zip(steps, ctc_beam_search(steps, None, CTCBeamOptions(ALL)), strict=True):
        loss = torch.nn.functional.ctc_loss(
            row, torch.tensor(best[0].symbols), torch.tensor(7), torch.tensor(len(best[0].symbols))
        )
        # the mean reduction divides by the length of the target
        assert -best[0].log_probability == pytest.approx(loss.item() * len(best[0].symbols), rel=1e-10)


def test_a_narrow_beam_beats_the_best_path() -> None:
    """Two paths of one text are together more probable than the one best path."""
    steps = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert ctc_greedy_decode(steps) == [[]]
    assert ctc_beam_search(steps, None, CTCBeamOptions(2))[0][0].symbols == [1]


def test_only_a_blank_lets_a_symbol_follow_itself() -> None:
    path = torch.tensor([[1, 1, 1], [1, 0, 1]])
    steps = torch.nn.functional.one_hot(path, 2).double().log()
    found = ctc_beam_search(steps, None, CTCBeamOptions(8))
    assert [row[0].symbols for row in found] == [[1], [1, 1]]
    assert [len(row) for row in found] == [1, 1]  # what cannot be is no hypothesis


def bigrams(prefixes: Sequence[Prefix]) -> numpy.ndarray:
    """A language model of three symbols and the end, by the last symbol alone."""
    table = numpy.random.default_rng(3).dirichlet(numpy.ones(3), size=3)
    return numpy.log(table[[prefix[-1] if prefix else 0 for prefix in prefixes]])


def test_a_language_model_is_weighed_in_at_every_symbol_and_at_the_end() -> None:
    steps = log_probabilities(5, 3)
    options = CTCBeamOptions(ALL, lm_weight=0.7, length_bonus=0.3)

    def score(text: tuple[int, ...], probability: float) -> float:
        prefixes = [text[:n] for n in range(len(text) + 1)]
        rows = bigrams(prefixes)
        language = sum(row[symbol] for row, symbol in zip(rows, [*text, 0], strict=True))
        return math.log(probability) + 0.7 * language + 0.3 * len(text)

    expected = {text: score(text, p) for text, p in by_definition(steps).items()}
    found = ctc_beam_search(steps[None], None, options, bigrams)[0]
    assert {tuple(one.symbols): one.score for one in found} == pytest.approx(expected, rel=1e-12)
    assert tuple(found[0].symbols) == max(expected, key=lambda text: expected[text])


def test_a_scorer_is_asked_about_a_prefix_after_the_one_it_continues() -> None:
    asked: list[Prefix] = []

    def scorer(prefixes: Sequence[Prefix]) -> numpy.ndarray:
        if prefixes == [()]:
            asked.clear()
        assert all(prefix == () or prefix[:-1] in asked for prefix in prefixes)
        asked.extend(prefixes)
        return bigrams(prefixes)

    ctc_beam_search(log_probabilities(3, 12, 3), None, CTCBeamOptions(4, lm_weight=0.5), scorer)
    assert len(asked) > 12


def test_a_scorer_without_weight_is_not_asked() -> None:
    def never(prefixes: Sequence[Prefix]) -> numpy.ndarray:
        raise AssertionError

    assert ctc_beam_search(log_probabilities(1, 4, 3), None, CTCBeamOptions(2), never)[0]


@pytest.mark.parametrize("num_beams", [1, 3, 16])
def test_padding_and_company_change_nothing(num_beams: int) -> None:
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


def test_of_many_symbols_the_best_are_found() -> None:
    """A large vocabulary takes another way to the best of all continuations."""
    steps = log_probabilities(1, 6, 300)
    narrow = ctc_beam_search(steps, None, CTCBeamOptions(30))[0]
    wide = ctc_beam_search(steps, None, CTCBeamOptions(300))[0]
    assert narrow[0].symbols == wide[0].symbols
    # the beams differ in paths that fell out, which are improbable
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
def test_scores_that_do_not_fit(scores: Tensor, lengths: list[int] | None, message: str) -> None:
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
def test_options_out_of_range(options: CTCBeamOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ctc_beam_search(torch.zeros(1, 2, 2), None, options)


@pytest.mark.parametrize("wrong", [numpy.zeros((1, 2)), numpy.full((1, 3), math.nan)])
def test_a_scorer_that_gives_something_else(wrong: numpy.ndarray) -> None:
    with pytest.raises(DataError, match=r"the scorer must give log-probabilities \(1, 3\)\. Got shape"):
        ctc_beam_search(
            log_probabilities(1, 2, 3), None, CTCBeamOptions(2, lm_weight=1.0), lambda prefixes: wrong
        )
