"""Singular values and spectral radii of recurrent weights, of a step's Jacobian, of products of those."""

from __future__ import annotations

from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.inspection.diagnosis.direction import Direction
from seqloom.layers.tracing.names import LETTERS

MAX_STATE = 1024
"""Numbers of a state up to which Jacobians are computed: their eigenvalues take the third power of it"""
MAX_PRODUCT = 160
"""Numbers of a state up to which Jacobians are multiplied"""


class Spectrum(NamedTuple):
    """Of a square matrix.

    Fields:
        name: what it is: `forget`, `step`.
        singular: its singular values, the greatest first.
        radius: its spectral radius, the greatest modulus of an eigenvalue.
    """

    name: str
    singular: numpy.ndarray
    radius: float


def weight_spectra(direction: Direction) -> list[Spectrum]:
    """Of the block (H, H) of W_hh of each gate; none with a projection, where it is not square."""
    place = direction.place
    if place.layer.proj_size:
        return []
    spec = CELLS[place.layer.cell]
    letters = spec.gates._fields[: spec.num_gates]
    blocks = direction.weights.weight_hh.double().chunk(spec.num_gates)
    return [
        spectrum(LETTERS.get(letter, letter), block) for letter, block in zip(letters, blocks, strict=True)
    ]


def step_spectrum(direction: Direction, step: int, row: int) -> Spectrum | None:
    """Of the Jacobian of a step; None where a state has more than 1,024 numbers."""
    if direction.size > MAX_STATE:
        return None
    return spectrum("step", step_jacobian(direction, step, row).double())


def step_jacobian(direction: Direction, step: int, row: int) -> Tensor:
    """∂ state after / ∂ state before, (size, size)."""
    size = direction.size
    steps, rows = (torch.full((size,), number, device="cpu") for number in (step, row))
    eye = torch.eye(size, dtype=direction.h.dtype, device="cpu")
    return direction.pull_back(direction.products[steps, rows], direction.state(steps, rows), eye)


def product_norm(direction: Direction, row: int, num_steps: int | None = None) -> float | None:
    """The greatest singular value of the product of the Jacobians of a row's last steps, in float64.

    Args:
        direction: the states.
        row: of the batch.
        num_steps: how many; None: all of the row.

    Returns:
        The norm; None where a state has more than 160 numbers, or the row no step.
    """
    length = int(direction.lengths[row])
    if direction.size > MAX_PRODUCT or not length:
        return None
    product, log = torch.eye(direction.size, dtype=torch.float64), 0.0
    for step in range(length - min(num_steps or length, length), length):
        product = step_jacobian(direction, step, row).double() @ product
        scale = float(product.norm())
        if not 0 < scale < float("inf"):
            return scale
        product, log = product / scale, log + float(numpy.log(scale))
    return float(torch.linalg.matrix_norm(product, 2) * numpy.exp(log))


def spectrum(name: str, matrix: Tensor) -> Spectrum:
    """Singular values and spectral radius of a square matrix.

    >>> spectrum("rotation", torch.tensor([[0.0, -0.9], [0.9, 0.0]])).radius
    0.8999999761581421
    """
    singular = torch.linalg.svdvals(matrix)
    try:
        eigenvalues = torch.linalg.eigvals(matrix)
    except torch.linalg.LinAlgError:  # of many equal ones; moved apart by a trillionth they converge
        generator = torch.Generator("cpu").manual_seed(0)
        noise = torch.randn(matrix.shape, dtype=matrix.dtype, generator=generator, device="cpu")
        eigenvalues = torch.linalg.eigvals(matrix + 1e-12 * singular[0] * noise)
    return Spectrum(name, singular.numpy(), float(eigenvalues.abs().max()))
