"""One recurrent layer, ours and torch.nn's with the same weights, at one shape: what most benchmarks time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from measuring import Pairs, in_turn
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import seqloom

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
MODES = ("training", "inference", "bf16 training", "bf16 inference")

Run = Callable[[Tensor], Tensor]


class Shape(NamedTuple):
    """Of a batch; as many features as hidden units."""

    batch: int
    steps: int
    hidden: int
    ragged: bool = False
    """Whether the lengths are drawn evenly from 1 to `steps`"""

    def __str__(self) -> str:
        lengths = f", lengths 1 to {self.steps}" if self.ragged else ""
        return f"B{self.batch} T{self.steps} H{self.hidden}{lengths}"


class Case:
    """One cell at one shape: ours and theirs with the same weights, an input and a gradient of the output."""

    def __init__(self, cell: str, shape: Shape, kernel: str = "native") -> None:
        torch.manual_seed(0)
        self.cell, self.shape = cell, shape
        B, T, H, ragged = shape
        self.lengths = torch.randint(1, T + 1, (B,)) if ragged else None
        if self.lengths is not None:
            self.lengths[0] = T
        self.theirs = getattr(nn, cell)(H, H)
        self.ours, self.auto = (getattr(seqloom, cell)(H, H, kernel=name) for name in (kernel, "auto"))
        for layer in (self.ours, self.auto):
            layer.load_state_dict(self.theirs.state_dict())
        self.input, self.gradient = torch.randn(T, B, H), torch.randn(T, B, H)

    def run_ours(self, input: Tensor) -> Tensor:
        """The outputs."""
        return self.ours(input, lengths=self.lengths)[0]

    def run_theirs(self, input: Tensor) -> Tensor:
        """The outputs, by a PackedSequence where rows differ in length."""
        if self.lengths is None:
            return self.theirs(input)[0]
        packed = pack_padded_sequence(input, self.lengths, enforce_sorted=False)
        return pad_packed_sequence(self.theirs(packed)[0], total_length=len(input))[0]

    def ours_once(self, mode: str) -> Callable[[], object]:
        """What is timed: a run without gradients, or a training step."""
        return self._once(self.run_ours, self.ours, mode)

    def theirs_once(self, mode: str) -> Callable[[], object]:
        """The same of theirs."""
        return self._once(self.run_theirs, self.theirs, mode)

    def _once(self, run: Run, layer: nn.Module, mode: str) -> Callable[[], object]:
        half = mode.startswith("bf16")
        if mode.endswith("training"):
            return trainer(run, layer, self.input, self.gradient, half=half)

        def infer() -> object:
            with precision(half):
                return run(self.input)

        return infer

    def time(self, mode: str, theirs: str | None = None, before: Callable[[], object] | None = None) -> Pairs:
        """Ours in turn with theirs, in another mode where one is given."""
        with torch.set_grad_enabled(mode.endswith("training")):
            return in_turn(self.ours_once(mode), self.theirs_once(theirs or mode), before=before)

    def chosen(self, mode: str) -> str:
        """What kernel="auto" takes."""
        with torch.set_grad_enabled(mode.endswith("training")), precision(mode.startswith("bf16")):
            return self.auto.choice(self.input, self.lengths).kernel

    def flops(self, mode: str) -> float:
        """Operations of the products with the weights: forward, and twice as many again in training."""
        B, T, H, _ = self.shape
        steps = T * B if self.lengths is None else int(self.lengths.sum())
        return flops(self.cell, steps, H) * (3 if mode.endswith("training") else 1)


def flops(cell: str, steps: int, hidden: int) -> float:
    """Operations of the products with the weights of so many steps of a row, forward."""
    return 2.0 * steps * GATES[cell] * hidden * 2 * hidden


def trainer(
    run: Run, layer: nn.Module, input: Tensor, gradient: Tensor, *, half: bool
) -> Callable[[], object]:
    """Forward and backward, to the gradients of the input and of every parameter."""
    x, parameters = input.clone().requires_grad_(), list(layer.parameters())
    given: dict[torch.dtype, Tensor] = {}

    def step() -> object:
        with precision(half):
            output = run(x)
        if output.dtype not in given:  # torch.nn's GRU gives float32 under autocast
            given[output.dtype] = gradient.to(output.dtype)
        return torch.autograd.grad(output, [x, *parameters], given[output.dtype])

    return step


def precision(half: bool) -> AbstractContextManager[Any]:
    """bfloat16 by autocast."""
    return torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
