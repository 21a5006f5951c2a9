"""The step callable, which is all that decoding knows of a model, and the prefill of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from seqloom.decoding.checks import check_state
from seqloom.errors import ConfigError, DataError
from seqloom.shapes import Logits, Tokens
from seqloom.state import State, select_rows, tensors_of, with_tensors

Step: TypeAlias = "Callable[[Tokens, State], tuple[Logits, State]]"
"""`step(tokens (B, T) int64, state) -> (logits (B, T, V), state)`.

Rows are independent. Whatever differs between rows is in the state, with the batch in dimension 1 of every
tensor: decoding reorders, repeats and drops rows by `select_rows`. What belongs to a row and never changes,
such as the memory of an attention, need not be copied with it: put the row's index into the state, int64 of
shape (1, B), and look the memory up by it.
"""


def advance(step: Step, tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Call `step` with tokens (B, T); return the logits (B, V) after the last token, and the new state.

    Raises:
        DataError: `step` returned logits of another shape than (B, T, V).
    """
    logits, state = step(tokens, state)  # type: ignore[arg-type]
    if logits.dim() != 3 or logits.shape[:2] != tokens.shape:
        raise DataError(
            "step",
            f"logits must have shape (B, T, V) with B, T = {tuple(tokens.shape)}",
            got=f"shape {tuple(logits.shape)}",
        )
    return logits[:, -1], state


@torch.inference_mode()
def prefill(
    step: Step,
    prompt: Tensor | Sequence[Sequence[int]],
    state: State | None,
    *,
    chunk: int | None = None,
    device: torch.device | str | None = None,
) -> tuple[Tensor, State]:
    """Run `step` over a prompt and return what decoding starts from. Any chunk size gives the same.

    Rows may differ in length. They are not padded: the batch shrinks as rows end, and every row has the
    logits and the state after its own last token.

    Args:
        step: see `Step`.
        prompt: (B, T) int64, or one sequence of token ids per row, each of at least one token.
        state: the state before the prompt; None if `step` takes None as its initial state.
        chunk: maximum tokens per row and call of `step`, which limits memory; None: no limit.
        device: device of the tokens, if the prompt is not a tensor.

    Returns:
        The logits (B, V) after the last token of every row, and the state there.

    Raises:
        DataError: a row without tokens, a prompt of another shape, or a state of another batch size.
        ConfigError: chunk below 1.

    >>> def step(tokens, state):  # the next token is the sum so far, modulo 5
    ...     sums = tokens.cumsum(1) + state[0]
    ...     return torch.nn.functional.one_hot(sums % 5, 5).float(), sums[None, :, -1:]
    >>> logits, state = prefill(step, [[1, 1], [3]], torch.zeros(1, 2, 1, dtype=torch.int64))
    >>> logits.argmax(-1).tolist(), state.flatten().tolist()
    ([2, 3], [2, 3])
    """
    if chunk is not None and chunk < 1:
        raise ConfigError("prefill", "chunk must be an int >= 1, or None", got=chunk)
    rows = _pad_prompt(prompt, device)
    lengths = [rows.shape[1]] * rows.shape[0] if isinstance(prompt, Tensor) else [len(row) for row in prompt]
    if not lengths or min(lengths) == 0:
        raise DataError(
            "prefill",
            "prompt must have at least one row, and every row at least one token",
            got=f"lengths {lengths}",
            hint="Begin every row with the start token",
        )

    if state is not None:
        check_state("prefill", state, len(lengths))

    active = list(range(len(lengths)))
    ended: list[int] = []
    parts: list[tuple[Tensor, State]] = []
    logits, position = rows.new_empty(0), 0
    for end in sorted(set(lengths)):
        while position < end:
            size = min(end - position, chunk or end)
            logits, state = advance(step, rows[:, position : position + size], state)
            position += size
        assert state is not None  # every row has a token, so `step` was called
        remaining = [i for i, row in enumerate(active) if lengths[row] > end]
        if not remaining and not parts:  # all rows have one length: nothing to reorder, nothing to copy
            return logits, state
        ending = [i for i, row in enumerate(active) if lengths[row] == end]
        index = torch.tensor(ending, device=rows.device)
        parts.append((logits[index], select_rows(state, index)))
        ended += [active[i] for i in ending]
        active = [active[i] for i in remaining]
        index = torch.tensor(remaining, dtype=torch.int64, device=rows.device)
        rows, state = rows[index], select_rows(state, index)

    inverse = torch.tensor(ended, device=rows.device).argsort()
    columns = zip(*(tensors_of(part) for _, part in parts), strict=True)
    joined = with_tensors(parts[0][1], [torch.cat(tensors, dim=1) for tensors in columns])
    return torch.cat([part for part, _ in parts])[inverse], select_rows(joined, inverse)


def _pad_prompt(prompt: Tensor | Sequence[Sequence[int]], device: torch.device | str | None) -> Tensor:
    if isinstance(prompt, Tensor):
        if prompt.dim() != 2 or prompt.dtype != torch.int64:
            raise DataError(
                "prefill",
                "prompt must be int64 of shape (B, T), or a sequence of token ids per row",
                got=f"{prompt.dtype} of shape {tuple(prompt.shape)}",
            )
        return prompt
    longest = max((len(row) for row in prompt), default=0)
    padded = [[*row, *[0] * (longest - len(row))] for row in prompt]
    return torch.tensor(padded, dtype=torch.int64, device=device).reshape(len(padded), longest)
