"""Gates and units of a layer over a sample: saturation, units that never move, units that are copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.inspection.diagnosis.direction import Direction
from seqloom.layers.tracing import Call
from seqloom.layers.tracing.clamping import SIGMOID_GATES
from seqloom.layers.tracing.names import LETTERS

LOW, HIGH = 0.1, 0.9
"""Where a gate counts as shut or open (Karpathy et al., 2015, arXiv:1506.02078)"""
DEAD_DEVIATION = 1e-3
DUPLICATE = 0.999
STUCK = 0.97
"""Of tanh: where its slope is below 6 %"""


class Gate(NamedTuple):
    """A sigmoid gate, for each unit.

    Fields:
        name: `forget` …
        means: (H,).
        low: (H,), the share of steps at which it is below 0.1.
        high: (H,), the share at which it is above 0.9.
    """

    name: str
    means: numpy.ndarray
    low: numpy.ndarray
    high: numpy.ndarray


class Units(NamedTuple):
    """The units of a layer.

    Fields:
        size: H.
        dead: numbers of units whose h hardly moves over all steps of the sample.
        duplicates: numbers of units whose h is that of one before them, or its opposite.
        stuck: the share of steps and units at which |h| of a tanh layer is above 0.97; 0 for other cells.
    """

    size: int
    dead: tuple[int, ...]
    duplicates: tuple[int, ...]
    stuck: float


def measure_gates(calls: Sequence[tuple[Direction, Call]]) -> list[Gate]:
    """The sigmoid gates of one place in several calls."""
    cell = calls[0][0].place.layer.cell
    gates = []
    for letter in (letter for letter in CELLS[cell].gates._fields if letter in SIGMOID_GATES):
        values = torch.cat(
            [_valid(getattr(call.gates, letter), _times(direction)) for direction, call in calls]
        )
        shares = ((values < LOW).float().mean(0), (values > HIGH).float().mean(0))
        gates.append(Gate(LETTERS[letter], *(part.double().numpy() for part in (values.mean(0), *shares))))
    return gates


def measure_units(directions: Sequence[Direction]) -> Units:
    """The units of one place in several calls, by their h."""
    values = torch.cat([_valid(direction.h[1:], _times(direction)) for direction in directions]).double()
    count = values.shape[1]
    if len(values) < 2:
        return Units(count, (), (), 0.0)
    centered = values - values.mean(0)
    deviation = centered.square().mean(0).sqrt()
    is_dead = deviation < DEAD_DEVIATION
    normal = centered / deviation.clamp(min=DEAD_DEVIATION) / len(values) ** 0.5
    alike = (normal.T @ normal).abs().triu(1) > DUPLICATE
    alike[is_dead] = False
    alike[:, is_dead] = False
    stuck = 0.0
    if directions[0].place.layer.cell == "rnn_tanh":
        stuck = float((values.abs() > STUCK).double().mean())
    return Units(count, _numbers(is_dead), _numbers(alike.any(0)), stuck)


def _times(direction: Direction) -> Tensor:
    """Which steps (T, B) are within their rows."""
    return torch.arange(len(direction.products), device="cpu").unsqueeze(1) < direction.lengths


def _valid(values: Tensor, mask: Tensor) -> Tensor:
    return values.detach()[mask]


def _numbers(mask: Tensor) -> tuple[int, ...]:
    return tuple(torch.nonzero(mask).flatten().tolist())
