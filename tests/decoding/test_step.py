"""Prefill: any chunk size gives the same, and rows of different lengths are not padded."""

from __future__ import annotations

import pytest
import torch

from seqloom.decoding import prefill
from seqloom.errors import ConfigError, DataError
from seqloom.state import tensors_of

ROWS = [[1, 2, 3, 4, 5], [6], [2, 2, 0], [5, 4, 3], [1, 2, 3, 4, 5, 6, 0]]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_any_chunk_size_gives_the_same_logits_and_state(recurrent_step, chunk: int) -> None:
    step, start = recurrent_step(7, dtype=torch.float64)
    prompt = torch.randint(0, 7, (3, 7))
    logits, state = prefill(step, prompt, start(3))
    logits_in_chunks, state_in_chunks = prefill(step, prompt, start(3), chunk=chunk)
    # The same float64 sums in blocks of another size: a few roundings of values near 1.
    torch.testing.assert_close(logits_in_chunks, logits, rtol=0, atol=1e-13)
    for actual, expected in zip(tensors_of(state_in_chunks), tensors_of(state), strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("chunk", [None, 1, 2])
def test_rows_of_different_lengths_are_prefilled_as_alone(recurrent_step, chunk: int | None) -> None:
    step, start = recurrent_step(7, dtype=torch.float64)
    logits, (hidden, (count,)) = prefill(step, ROWS, start(len(ROWS)), chunk=chunk)
    assert count.flatten().tolist() == [len(row) for row in ROWS]  # without padding
    for i, row in enumerate(ROWS):
        alone, (hidden_alone, _) = prefill(step, [row], start(1))
        # As above: the same sums, blocked differently.
        torch.testing.assert_close(logits[i : i + 1], alone, rtol=0, atol=1e-13)
        torch.testing.assert_close(hidden[:, i : i + 1], hidden_alone, rtol=0, atol=1e-13)


def test_chunk_limits_the_tokens_of_a_step(recurrent_step) -> None:
    step, start = recurrent_step(7)
    widths = []

    def spy(tokens, state):
        widths.append(tokens.shape[1])
        return step(tokens, state)

    prefill(spy, torch.zeros(2, 7, dtype=torch.int64), start(2), chunk=3)
    assert widths == [3, 3, 1]


@pytest.mark.parametrize("prompt", [[[1, 2], [3, 4]], [[1, 2], [3]]])
def test_the_initial_state_may_be_none(prompt: list[list[int]]) -> None:
    def step(tokens, state):
        count = torch.zeros(1, tokens.shape[0], 1) if state is None else state
        return torch.zeros(*tokens.shape, 5), count + tokens.shape[1]

    _, state = prefill(step, prompt, None)
    assert state.flatten().tolist() == [len(row) for row in prompt]


@pytest.mark.parametrize(("prompt", "lengths"), [([[1], []], "[1, 0]"), ([], "[]")])
def test_a_row_without_tokens_is_refused(recurrent_step, prompt: list[list[int]], lengths: str) -> None:
    step, start = recurrent_step(7)
    with pytest.raises(DataError) as caught:
        prefill(step, prompt, start(2))
    assert str(caught.value) == (
        "prefill: prompt must have at least one row, and every row at least one token. "
        f"Got lengths {lengths}. Begin every row with the start token."
    )


def test_a_prompt_tensor_of_another_type_or_shape_is_refused(recurrent_step) -> None:
    step, start = recurrent_step(7)
    message = (
        r"prefill: prompt must be int64 of shape \(B, T\), or a sequence of token ids per row. Got torch"
    )
    with pytest.raises(DataError, match=message + r".int32 of shape \(2, 3\)."):
        prefill(step, torch.zeros(2, 3, dtype=torch.int32), start(2))
    with pytest.raises(DataError, match=message + r".int64 of shape \(3,\)."):
        prefill(step, torch.zeros(3, dtype=torch.int64), start(1))


def test_a_chunk_of_0_tokens_is_refused(recurrent_step) -> None:
    step, start = recurrent_step(7)
    with pytest.raises(ConfigError, match=r"prefill: chunk must be an int >= 1, or None. Got 0."):
        prefill(step, [[1]], start(1), chunk=0)


def test_a_step_without_logits_for_every_token_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"step: logits must have shape \(B, T, V\) with B, T = \(1, 2\). Got shape \(1, 5\)."
    ):
        prefill(lambda tokens, state: (torch.zeros(1, 5), state), [[1, 2]], torch.zeros(1, 1, 1))
