"""How far ours and torch.nn's are from the definition in float64: outputs, states and every gradient.

The definition is `kernel="reference"`, which is the cell's step in a loop, with the same weights in float64.
An error is the largest difference in a tensor, over some draws. A line shows the tensor in which ours
compares worst.

    python benchmarks/agreement.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from results import save, verdict, write_section
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import seqloom

FLOOR = 2.0
Errors = dict[str, tuple[float, float]]
DRAWS, MOST_DRAWS = 3, 60
NUMBERS = 3000
"""Outputs that are compared, by more draws of a small shape: the largest of a few errors is luck."""


class Shape(NamedTuple):
    """Of a batch, the width of its input, and what else differs."""

    batch: int
    steps: int
    inputs: int
    hidden: int
    layers: int = 1
    bidirectional: bool = False
    ragged: bool = False

    def __str__(self) -> str:
        more = [
            "" if self.layers == 1 else f", {self.layers} layers",
            ", bidirectional" if self.bidirectional else "",
            ", lengths" if self.ragged else "",
        ]
        return f"B{self.batch} T{self.steps} I{self.inputs} H{self.hidden}{''.join(more)}"


SHAPES = [
    Shape(1, 1, 1, 1),
    Shape(3, 7, 5, 13),
    Shape(5, 40, 70, 33, ragged=True),
    Shape(17, 30, 100, 200, bidirectional=True, ragged=True),
    Shape(8, 50, 64, 96, layers=2),
    Shape(1, 256, 256, 256),
    Shape(64, 100, 256, 256),
    Shape(16, 100, 512, 512),
]


def results(layer: nn.Module, tensors: list[Tensor], lengths: Tensor | None, half: bool) -> Iterator[Any]:
    """Names and tensors of all that comes out and of all gradients, in float64."""
    x, h, c, gradient = (tensor.to(next(layer.parameters()).dtype) for tensor in tensors)
    x, h, c = (tensor.detach().requires_grad_() for tensor in (x, h, c))
    is_lstm = "LSTM" in type(layer).__name__
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output, state = _run(layer, x, (h, c) if is_lstm else h, lengths)
    ended = list(state) if is_lstm else [state]
    # Through the last states too; the same weights for everyone.
    total = (output * gradient).sum() + sum((part * 0.7).sum() for part in ended)
    inputs = {"input": x, "h0": h, **({"c0": c} if is_lstm else {}), **dict(layer.named_parameters())}
    gradients = torch.autograd.grad(total, list(inputs.values()))
    for name, value in zip(["output", "hn", "cn"], [output, *ended], strict=False):
        yield name, value.detach().double()
    for name, value in zip(inputs, gradients, strict=True):
        yield f"gradient of {name}", value.double()


def _run(layer: nn.Module, x: Tensor, state: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
    if lengths is None or not isinstance(layer, nn.RNNBase):
        return layer(x, state, **({} if lengths is None else {"lengths": lengths}))
    packed, new = layer(pack_padded_sequence(x, lengths, enforce_sorted=False), state)
    return pad_packed_sequence(packed, total_length=len(x))[0], new


def errors(cell: str, shape: Shape, kernel: str = "native") -> tuple[Errors, Errors]:
    """Of each tensor our largest error and torch.nn's, in float32 and in bfloat16."""
    worst: tuple[Errors, Errors] = {}, {}
    draws = NUMBERS // (shape.batch * shape.steps * shape.hidden)
    for seed in range(max(DRAWS, min(draws, MOST_DRAWS))):
        torch.manual_seed(seed)
        options = {"num_layers": shape.layers, "bidirectional": shape.bidirectional}
        sizes = shape.inputs, shape.hidden
        theirs = getattr(nn, cell)(*sizes, **options)
        ours, exact = (
            getattr(seqloom, cell)(*sizes, **options, kernel=name) for name in (kernel, "reference")
        )
        for layer in (ours, exact):
            layer.load_state_dict(theirs.state_dict())
        exact = exact.double()
        directions = 1 + shape.bidirectional
        lengths = torch.randint(1, shape.steps + 1, (shape.batch,)) if shape.ragged else None
        states = (shape.layers * directions, shape.batch, shape.hidden)
        tensors = [
            torch.randn(shape.steps, shape.batch, shape.inputs),
            *(torch.randn(states) / 2 for _ in "hc"),
            torch.randn(shape.steps, shape.batch, shape.hidden * directions),
        ]
        wanted = dict(results(exact, tensors, lengths, False))
        for half in (False, True):
            found = [dict(results(layer, tensors, lengths, half)) for layer in (ours, theirs)]
            for name, want in wanted.items():
                mine, other = (float((each[name] - want).abs().max()) for each in found)
                before = worst[half].get(name, (0.0, 0.0))
                worst[half][name] = max(mine, before[0]), max(other, before[1])
    return worst


def line(cell: str, shape: Shape, half: bool, worst: Errors) -> str:
    """Of the table: the tensor in which our error is largest beside theirs."""
    name, (mine, other) = max(worst.items(), key=lambda item: item[1][0] / max(item[1][1], 1e-30))
    precision = "bfloat16" if half else "float32"
    ratio = mine / max(other, 1e-30)
    cells = (f"{cell} {shape}", precision, f"{mine:.2g}", f"{other:.2g}", name, f"{ratio:.2f}")
    return f"| {' | '.join(cells)} | {FLOOR} | {verdict(ratio, FLOOR, at_most=True)} |"


def main() -> None:
    """Measure every case and write the table."""
    lines = [
        "| layer | precision | our error | torch.nn's | where ours compares worst | ratio | at most | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    found = {(cell, shape): errors(cell, shape) for cell in ("RNN", "GRU", "LSTM") for shape in SHAPES}
    for half in (False, True):
        lines += [line(cell, shape, half, both[half]) for (cell, shape), both in found.items()]
    lines += [
        "",
        'The largest error of each tensor over three draws or more, against `kernel="reference"` in float64; '
        'ours is `kernel="native"`. In bfloat16 both run under autocast with float32 weights.',
    ]
    write_section("Agreement with the definition in float64", Path(__file__), lines)
    rows = [
        {"cell": cell, "shape": str(shape), "half": half, "errors": both[half]}
        for (cell, shape), both in found.items()
        for half in (False, True)
    ]
    save(Path(__file__), {"rows": rows})


if __name__ == "__main__":
    main()
