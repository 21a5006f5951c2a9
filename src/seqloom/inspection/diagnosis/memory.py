"""How long a planted bit is still there, beside what the gate that keeps it says."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.inspection.diagnosis.direction import Direction
from seqloom.layers.tracing import Call

NUM_BITS = 24
MAX_STEPS = 64
KEEPING = {"lstm": "f", "gru": "z"}
"""The gate that says how much of the past a unit keeps"""


class PlantedBit(NamedTuple):
    """A bit that was added to one unit of the cell, or of h where there is no cell, and left to itself.

    Fields:
        left: (K + 1,) the share of its size by steps, as the distance of the states, a median over bits.
        half_life: the first step at which less than half is left; None: it is there at the end.
        gate_half_life: steps after which the mean of the keeping gate, to that power, is below a half; None:
            there is no such gate, or it is never.
    """

    left: numpy.ndarray
    half_life: int | None
    gate_half_life: float | None


def plant_bits(direction: Direction, call: Call, generator: torch.Generator) -> PlantedBit | None:
    """Change states by a bit of 1 in one unit, and run the same inputs from there.

    Args:
        direction: the states.
        call: the same, with its gates.
        generator: draws rows, steps and units.

    Returns:
        What is left of them; None where no row has two steps.
    """
    lengths = direction.lengths
    rows = torch.nonzero(lengths >= 2).flatten()
    if not len(rows):
        return None
    longest = int(lengths.max())
    rows = rows[lengths[rows] >= min(longest, max(2, longest // 2))]
    rows = rows[torch.randint(len(rows), (NUM_BITS,), generator=generator, device="cpu")]
    starts = (torch.rand(NUM_BITS, generator=generator, device="cpu") * (lengths[rows] / 2)).long()
    P, size = direction.h.shape[-1], direction.size
    first = 0 if direction.c is None else P  # of the cell, where there is one
    units = torch.randint(first, size, (NUM_BITS,), generator=generator, device="cpu")
    num_steps = min(MAX_STEPS, int((lengths[rows] - starts).min()))
    with torch.no_grad():
        at = starts + torch.arange(num_steps + 1, device="cpu").unsqueeze(1)
        own = direction.state(at, rows)
        products = direction.products[at[:-1], rows]
        bits = torch.arange(NUM_BITS, device="cpu")
        changed = [own[0].clone()]
        changed[0][bits, units] += torch.where(own[0, bits, units] > 0, -1.0, 1.0).to(own)
        for product in products:
            changed.append(direction.advance(product, changed[-1]))
        distances = (torch.stack(changed) - own).double().norm(dim=-1)
    left = distances.median(1).values.numpy()
    below = numpy.flatnonzero(left < 0.5)
    half_life = int(below[0]) if len(below) else None
    return PlantedBit(left, half_life, _gate_half_life(direction, call, rows, units - first))


def _gate_half_life(direction: Direction, call: Call, rows: Tensor, units: Tensor) -> float | None:
    letter = KEEPING.get(direction.place.layer.cell)
    if letter is None:
        return None
    gate = getattr(call.gates, letter).detach()
    lengths = direction.lengths[rows]
    means = gate[:, rows, units].double().sum(0) / lengths  # beyond a row's length a gate is 0
    mean = float(means.median())
    return math.log(0.5) / math.log(mean) if 0 < mean < 1 else None
