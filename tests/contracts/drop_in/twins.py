"""The table of docs/drop-in.md, and the layers and cells of torch.nn beside ours with the same weights."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

import seqloom
from seqloom.cells import GRUCell, LSTMCell, RNNCell

PAGE = Path(__file__).parents[3] / "docs/drop-in.md"

T, B, I, H = 5, 3, 4, 6  # noqa: E741
# float32, a few steps of sums of some ten products each, in two orders.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}

LAYERS = [(seqloom.RNN, nn.RNN), (seqloom.LSTM, nn.LSTM), (seqloom.GRU, nn.GRU)]
CELLS = [(RNNCell, nn.RNNCell), (LSTMCell, nn.LSTMCell), (GRUCell, nn.GRUCell)]

Check: TypeAlias = Callable[[], None]


def rows(section: str) -> dict[str, str]:
    """The rows of a section's table: what torch.nn has, and what is here."""
    text = PAGE.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| (.+?) \| (same|better|not) \|", text, re.MULTILINE))


def table(checks: dict[str, tuple[str, Check]]) -> Callable[[str, str], Callable[[Check], Check]]:
    """A decorator that enters a check under its row, with what the row says."""

    def row(name: str, here: str) -> Callable[[Check], Check]:
        def enter(check: Check) -> Check:
            assert name not in checks
            checks[name] = (here, check)
            return check

        return enter

    return row


def twins(pairs: Any, *arguments: Any, **options: Any) -> Iterator[tuple[Any, Any]]:
    """Ours and torch.nn's, of every class, with the same weights."""
    for ours, theirs in pairs:
        other = theirs(I, H, *arguments, **options)
        mine = ours(I, H, *arguments, **options)
        mine.load_state_dict(other.state_dict())
        yield mine, other


def parts(value: Any) -> list[Tensor]:
    """The tensors of an output, a state, or both."""
    return [value] if isinstance(value, Tensor) else [tensor for part in value for tensor in parts(part)]


def same(mine: Any, theirs: Any) -> None:
    """All tensors are close, and have the same type."""
    for one, other in zip(parts(mine), parts(theirs), strict=True):
        torch.testing.assert_close(one, other, **CLOSE)


def raises(call: Callable[[], object]) -> str:
    """The message of the exception that a call ends in."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("It raised nothing.")


def saved_and_loaded(module: nn.Module) -> nn.Module:
    """By torch.save of the whole module."""
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)
