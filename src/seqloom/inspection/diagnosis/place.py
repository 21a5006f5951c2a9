"""All that is measured of one direction of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
import torch

from seqloom.cells.spec import CELLS
from seqloom.inspection.diagnosis.direction import direction_of
from seqloom.inspection.diagnosis.gradients import Entries, GradientByLag, gradient_by_lag
from seqloom.inspection.diagnosis.jacobians import Spectrum, product_norm, step_spectrum, weight_spectra
from seqloom.inspection.diagnosis.memory import PlantedBit, plant_bits
from seqloom.inspection.diagnosis.units import Gate, Units, measure_gates, measure_units
from seqloom.layers.tracing import Call, Place

NUM_GATED = 3
"""Batches that gates and units are measured on"""


class PlaceDiagnosis(NamedTuple):
    """One direction of a layer.

    Fields:
        cell: `rnn`, `lstm`, `gru`.
        gradient: by lag; None where none enters.
        weights: spectra of the block of W_hh of each gate.
        step: the spectrum of the Jacobian of a step; None of a very wide state.
        product: the greatest singular value of the product of the Jacobians of `product_steps` steps.
        longest: steps of the longest row of the sample.
        gates: saturation of each sigmoid gate.
        units: dead ones, duplicates.
        planted: what is left of a planted bit.
    """

    cell: str
    gradient: GradientByLag | None
    weights: Sequence[Spectrum]
    step: Spectrum | None
    product: float | None
    product_steps: int
    longest: int
    gates: Sequence[Gate]
    units: Units
    planted: PlantedBit | None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        lags = self.gradient
        gradient = None
        if lags is not None:
            names = ("share", "hidden", "cell")
            gradient = {name: getattr(lags, name).tolist() for name in names}
            gradient |= {"decay": lags.decay, "gone_after": lags.gone_after, "entries": len(lags.entries)}
        spectra = {s.name: _spectrum(s) for s in self.weights}
        planted = (
            None
            if self.planted is None
            else {
                "left": self.planted.left.tolist(),
                "half_life": self.planted.half_life,
                "gate_half_life": self.planted.gate_half_life,
            }
        )
        product = None if self.product is None else {"steps": self.product_steps, "norm": self.product}
        return {
            "cell": self.cell,
            "gradient_by_lag": gradient,
            "recurrent_weights": spectra,
            "step_jacobian": None if self.step is None else _spectrum(self.step),
            "jacobian_product": product,
            "gates": {
                gate.name: {
                    "mean": float(gate.means.mean()),
                    "below_0.1": float(gate.low.mean()),
                    "above_0.9": float(gate.high.mean()),
                }
                for gate in self.gates
            },
            "units": {
                "count": self.units.size,
                "dead": list(self.units.dead),
                "duplicates": list(self.units.duplicates),
                "stuck": self.units.stuck,
            },
            "planted_bit": planted,
        }


def measure_place(
    place: Place,
    calls: Sequence[Call],
    entries: Sequence[Entries],
    generator: torch.Generator,
    max_lag: int,
) -> PlaceDiagnosis:
    """Measure a direction of a layer.

    Args:
        place: the layer and its direction.
        calls: with gates, one a batch; gates and units are measured on the first three.
        entries: gradients that enter it.
        generator: draws steps and rows.
        max_lag: greatest lag.
    """
    calls = calls[:NUM_GATED]
    directions = [direction_of(place, call) for call in calls]
    first = directions[0]
    row = int(first.lengths.argmax())
    length = int(first.lengths[row])
    step = None
    if length:
        step = step_spectrum(first, min(length - 1, length // 2), row)
    return PlaceDiagnosis(
        CELLS[place.layer.cell].cell_type,
        gradient_by_lag(entries, max_lag),
        weight_spectra(first),
        step,
        product_norm(first, row),
        length,
        max(int(direction.lengths.max()) for direction in directions),
        measure_gates(list(zip(directions, calls, strict=True))),
        measure_units(directions),
        plant_bits(first, calls[0], generator),
    )


def largest(calls: Sequence[Call]) -> int:
    """The number of the call with the most steps and rows."""
    return max(range(len(calls)), key=lambda number: calls[number].hidden.shape[:2].numel())


def _spectrum(spectrum: Spectrum) -> dict[str, float]:
    singular = spectrum.singular
    return {
        "radius": spectrum.radius,
        "largest_singular_value": float(singular[0]),
        "median_singular_value": float(numpy.median(singular)),
        "smallest_singular_value": float(singular[-1]),
    }
