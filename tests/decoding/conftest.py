"""Small models for the decoding tests, as step callables."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seqloom.decoding import Step
from seqloom.state import State


def _recurrent_step(
    vocabulary_size: int, *, hidden_size: int = 12, dtype: torch.dtype = torch.float32, spread: float = 6.0
) -> tuple[Step, Callable[[int], State]]:
    """A random GRU language model: its step callable, and a function from batch size to initial state.

    Weights are drawn from the test's seed. `spread` scales the logits, so that distributions are neither
    uniform nor certain. The state is a nested tuple, the most general case.
    """
    embedding = nn.Embedding(vocabulary_size, hidden_size, dtype=dtype)
    gru = nn.GRU(hidden_size, hidden_size, batch_first=True, dtype=dtype)
    head = nn.Linear(hidden_size, vocabulary_size, dtype=dtype)
    for parameter in gru.parameters():  # with torch's initialization, greedy decoding soon repeats itself
        nn.init.uniform_(parameter, -1.5, 1.5)

    def step(tokens: Tensor, state: State) -> tuple[Tensor, State]:
        hidden, (count,) = state
        outputs, hidden = gru(embedding(tokens), hidden)
        return spread * head(outputs), (hidden, (count + tokens.shape[1],))

    def start(batch_size: int) -> State:
        hidden = torch.zeros(1, batch_size, hidden_size, dtype=dtype)
        return hidden, (torch.zeros(1, batch_size, 1, dtype=torch.int64),)

    return step, start


def _table_step(probabilities: list[list[float]]) -> Step:
    """A Markov chain: row t has the probabilities of the token after t."""
    logits = torch.tensor(probabilities, dtype=torch.float64).log()

    def step(tokens: Tensor, state: State) -> tuple[Tensor, State]:
        return logits[tokens], state

    return step


def _empty_state(batch_size: int) -> Tensor:
    return torch.zeros(1, batch_size, 1)


@pytest.fixture(scope="session")
def recurrent_step() -> Callable[..., tuple[Step, Callable[[int], State]]]:
    return _recurrent_step


@pytest.fixture(scope="session")
def table_step() -> Callable[[list[list[float]]], Step]:
    return _table_step


@pytest.fixture(scope="session")
def empty_state() -> Callable[[int], Tensor]:
    return _empty_state
