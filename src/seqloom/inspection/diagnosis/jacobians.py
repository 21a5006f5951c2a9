"""Singular values and spectral radii of recurrent weights, of a step's Jacobian, of products of those."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
    names = [LETTERS.get(letter, letter) for letter in letters]
    return spectra(names, direction.weights.weight_hh.unflatten(0, (spec.num_gates, -1)))


def step_spectrum(direction: Direction, step: int, row: int) -> Spectrum | None:
    """Of the Jacobian of a step; None where a state has more than 1,024 numbers."""
    if direction.size > MAX_STATE:
        return None
    (jacobian,) = step_jacobians(direction, torch.tensor([step], device="cpu"), row)
    return spectra(["step"], jacobian.unsqueeze(0))[0]


def step_jacobians(direction: Direction, steps: Tensor, row: int) -> Iterator[Tensor]:
    """∂ state after / ∂ state before, (size, size), of steps (K,) of a row."""
    rows = torch.full((1,), row, device="cpu")
    at = steps.unsqueeze(1)
    eye = torch.eye(direction.size, dtype=direction.h.dtype, device="cpu")
    for pull_back in direction.pull_backs(direction.products[at, rows], direction.state(at, rows)):
        yield pull_back(eye)


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
    product, log = torch.eye(direction.size, dtype=torch.float64, device="cpu"), 0.0
    steps = torch.arange(length - min(num_steps or length, length), length, device="cpu")
    for jacobian in step_jacobians(direction, steps, row):
        product = jacobian.double() @ product
        scale = float(product.norm())
        if not 0 < scale < float("inf"):
            return scale
        product, log = product / scale, log + float(numpy.log(scale))
    with numpy.errstate(over="ignore"):
        return float(torch.linalg.matrix_norm(product, 2)) * float(numpy.exp(log))


def spectra(names: Sequence[str], matrices: Tensor) -> list[Spectrum]:
    """Singular values and spectral radius of square matrices (N, S, S); NaN where a number is not finite.

    >>> (rotation,) = spectra(["rotation"], torch.tensor([[[0.0, -0.9], [0.9, 0.0]]]))
    >>> round(rotation.radius, 6)
    0.9
    """
    is_finite = matrices.isfinite().all(-1).all(-1)
    usable = matrices.where(is_finite[:, None, None], 0.0)
    singular = torch.linalg.svdvals(usable).where(is_finite[:, None], math.nan)
    radii = spectral_radii(usable).where(is_finite, math.nan)
    return [Spectrum(*values) for values in zip(names, singular.numpy(), radii.tolist(), strict=True)]


def spectral_radii(matrices: Tensor) -> Tensor:
    r"""The greatest modulus of an eigenvalue of each of some matrices (N, S, S), by Gelfand's formula.

    .. math:: \rho = \lim_k (\lVert A^{2k} \rVert / \lVert A^k \rVert)^{1/k}

    with k = 8192 by squaring, which takes a tenth of the time of all eigenvalues, and always converges.
    """
    powers, logs = matrices, torch.zeros(len(matrices), dtype=torch.float64, device="cpu")
    before = logs
    for _ in range(NUM_SQUARINGS):
        norms = torch.linalg.matrix_norm(powers, keepdim=True)
        powers = powers / norms.where(norms > 0, 1.0)
        before = logs + norms.double().log().flatten()
        powers, logs = powers @ powers, 2 * before
    logs = logs + torch.linalg.matrix_norm(powers).double().log()
    return ((logs - before) / 2 ** (NUM_SQUARINGS - 1)).exp().where(logs.isfinite(), 0.0)
