"""Singular values and spectral radii of recurrent weights, of a step's Jacobian, of products of those."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.cells.spec import CELLS
from seqloom.inspection.diagnosis.direction import Direction
from seqloom.layers.tracing.names import LETTERS

MAX_STATE = 1024
"""Numbers of a state up to which Jacobians are computed: their eigenvalues take the third power of it"""
NUM_SQUARINGS = 14
MAX_PRODUCT = 64
"""Numbers of a state up to which Jacobians are multiplied, which costs as many passes over a row"""


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
    letters: tuple[str, ...] = spec.gates._fields[: spec.num_gates]
    blocks = direction.weights.weight_hh.chunk(spec.num_gates)
    return [
        spectrum(LETTERS.get(letter, letter), block) for letter, block in zip(letters, blocks, strict=True)
    ]


def step_spectrum(direction: Direction, step: int, row: int) -> Spectrum | None:
    """Of the Jacobian of a step; None where a state has more than 1,024 numbers."""
    if direction.size > MAX_STATE:
        return None
    return spectrum("step", step_jacobian(direction, step, row))


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
        The norm; None of gated cells, of states of more than 64 numbers, and of a row without a step.
    """
    length = int(direction.lengths[row])
    if direction.size > MAX_PRODUCT or CELLS[direction.place.layer.cell].cell_type != "rnn" or not length:
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

    >>> round(spectrum("rotation", torch.tensor([[0.0, -0.9], [0.9, 0.0]])).radius, 6)
    0.9
    """
    return Spectrum(name, torch.linalg.svdvals(matrix).numpy(), spectral_radius(matrix))


def spectral_radius(matrix: Tensor) -> float:
    r"""The greatest modulus of an eigenvalue, by Gelfand's formula.

    .. math:: \rho = \lim_k (\lVert A^{2k} \rVert / \lVert A^k \rVert)^{1/k}

    with k = 8192 by squaring, which takes a tenth of the time of all eigenvalues, and always converges.
    """
    power, log, before = matrix, 0.0, 0.0
    for _ in range(NUM_SQUARINGS):
        norm = float(power.norm())
        if not norm:
            return 0.0
        before = log + math.log(norm)
        power = power / norm
        power, log = power @ power, 2 * before
    norm = float(power.norm())
    return math.exp((log + math.log(norm) - before) / 2 ** (NUM_SQUARINGS - 1)) if norm else 0.0
