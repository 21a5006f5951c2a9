r"""The gradient of the loss with respect to a state so many steps earlier, by where it enters a layer.

.. math::

    \delta_t &= \frac{\partial L}{\partial h_t} \text{ as it comes from above, not through later steps} \\
    g_{t,k} &= \delta_t \, J_t J_{t-1} \cdots J_{t-k+1}, \quad
    J_s = \frac{\partial (h_s, c_s)}{\partial (h_{s-1}, c_{s-1})}

One such chain for each step t and lag k is what RNNbow shows (Cashman et al., 2017). Their sum over t is the
whole gradient with respect to the state of a step. A few entries are drawn, and followed back together;
numbers are scaled at every lag, so that nothing underflows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy
import torch
from torch import Tensor

from seqloom.inspection.diagnosis.direction import Direction, in_order
from seqloom.layers.tracing import Recording

NUM_ENTRIES = 24
MAX_LAG = 100
CHUNK = 32
"""Lags whose steps are differentiated together"""
SMALL = 0.01
"""The share of a gradient, or of a bit, that counts as gone"""


class GradientByLag(NamedTuple):
    """How much of a gradient is left so many steps earlier, lag 0 first.

    Fields:
        share: (K + 1,) of the norm at lag 0, in the mean over the entries that have this lag.
        hidden, cell: (K + 1,) mean norms with respect to h and c; `cell` is empty without a cell.
        entries: (N, K + 1) norms of each entry; NaN beyond a row's start.
        decay: the factor a step, of a line through the logarithms; NaN below lag 2.
        gone_after: the first lag at which less than 1 % is left; None: there is none.
    """

    share: numpy.ndarray
    hidden: numpy.ndarray
    cell: numpy.ndarray
    entries: numpy.ndarray
    decay: float
    gone_after: int | None

    @property
    def max_lag(self) -> int:
        """The greatest lag that was measured."""
        return len(self.share) - 1


def entering_gradients(recording: Recording, name: str, direction: Direction, number: int = 0) -> Tensor:
    """δ (T, B, size), in the order of the direction, of a loss whose backward pass has run.

    Args:
        recording: of a module whose outputs retain their gradients.
        name: of the place.
        direction: of the same call.
        number: of the call.
    """
    place, call = direction.place, recording.calls[name][number]
    T, B, P = call.hidden.shape
    entering = call.hidden.new_zeros(T, B, direction.size)
    whole = call.output.grad
    if whole is not None:
        part = whole.chunk(1 + place.layer.bidirectional, -1)[int(place.is_reverse)]
        entering[..., :P] = in_order(part, place, direction.lengths)
    state = recording.states[name][number]
    last = (direction.lengths - 1).clamp(min=0)
    rows = torch.arange(B, device="cpu")[direction.lengths > 0]
    for tensor, columns in zip(_tensors(state), (slice(0, P), slice(P, None)), strict=False):
        if tensor.grad is not None:
            entering[last[rows], rows, columns] += tensor.grad[place.number][rows]
    return entering


class Entries(NamedTuple):
    """Gradients that enter a layer in one call.

    Fields:
        direction: the states of the call.
        gradients: (N, size), each with respect to the state after its step.
        steps: (N,), in the order of the direction.
        rows: (N,).
    """

    direction: Direction
    gradients: Tensor
    steps: Tensor
    rows: Tensor


def draw_entries(
    direction: Direction,
    entering: Tensor,
    generator: torch.Generator,
    max_lag: int = MAX_LAG,
    num_entries: int = NUM_ENTRIES,
) -> Entries | None:
    """Choose a few of the gradients that enter a call.

    Args:
        direction: the states.
        entering: δ (T, B, size), as `entering_gradients` gives it.
        generator: draws them, among those that have a long past; one in four has the longest.
        max_lag: the greatest lag that is wanted.
        num_entries: N at most.

    Returns:
        The entries; None where no gradient enters.
    """
    norms = entering.norm(dim=-1)
    valid = torch.arange(len(norms), device="cpu").unsqueeze(1) < direction.lengths
    steps, rows = torch.nonzero((norms > 0) & valid, as_tuple=True)
    if not len(steps):
        return None
    longest = int(steps.max()) + 1  # lags up to the state before a row's first step
    far = torch.nonzero(steps + 1 >= min(max_lag, longest, (longest + 1) // 2 + 1)).flatten()
    drawn = torch.randperm(len(far), generator=generator, device="cpu")
    # The greatest lags are those of the last step alone, which would often be left out.
    has_all = steps[far[drawn]] + 1 >= min(max_lag, longest)
    first = drawn[has_all][: max(num_entries // 4, 1)]
    rest = drawn[~torch.isin(drawn, first)]
    chosen = far[torch.cat([first, rest])[:num_entries]]
    steps, rows = steps[chosen], rows[chosen]
    of_rows, places = rows.unique(return_inverse=True)
    return Entries(direction.of_rows(of_rows), entering[steps, rows], steps, places)


def follow_back(parts: Sequence[Entries], max_lag: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Norms (N, K + 1) with respect to h and c, of the entries of one place in several calls.

    K is the greatest lag that an entry has, or `max_lag`; a norm is NaN beyond a row's start.
    """
    first = parts[0].direction
    P = first.h.shape[-1]
    gradients = torch.cat([part.gradients for part in parts])
    steps = torch.cat([part.steps for part in parts])
    max_lag = min(max_lag, int(steps.max()) + 1)
    limits = torch.finfo(gradients.dtype)
    followed, scales = [gradients], [gradients.new_ones(len(steps), 1)]
    for start in range(1, max_lag + 1, CHUNK):
        lags = torch.arange(start, min(start + CHUNK, max_lag + 1), device="cpu").unsqueeze(1)
        pairs = [((part.steps - lags + 1).clamp(min=0), part) for part in parts]
        products = torch.cat([part.direction.products[at, part.rows] for at, part in pairs], 1)
        states = torch.cat([part.direction.state(at, part.rows) for at, part in pairs], 1)
        for pull_back in first.pull_backs(products, states):
            size = torch.linalg.vector_norm(followed[-1], dim=1, keepdim=True)
            scales.append(size.clamp(limits.tiny, limits.max))
            followed.append(pull_back(followed[-1] / scales[-1]))
    # Of float32 only at the end: each is small by itself, all scales together would be no number.
    sizes = torch.stack(scales).double().log().cumsum(0).exp()
    whole = torch.stack(followed).double()
    tables = torch.stack([whole[..., :P].norm(dim=-1), whole[..., P:].norm(dim=-1)]) * sizes.squeeze(-1)
    lags = torch.arange(max_lag + 1, device="cpu").unsqueeze(1)
    hidden, cell = tables.masked_fill(lags > steps + 1, math.nan).transpose(1, 2).numpy()
    return hidden, cell


def gradient_by_lag(parts: Sequence[Entries], max_lag: int = MAX_LAG) -> GradientByLag | None:
    """Follow entries back, and say what is left of them; None where there is none."""
    if not parts:
        return None
    hidden, cell = follow_back(parts, max_lag)
    has_cell = bool(numpy.nansum(cell) > 0)
    both = numpy.sqrt(hidden**2 + numpy.nan_to_num(cell) ** 2)
    there = ~numpy.isnan(both)
    first = numpy.where(there, both[:, :1], 0.0).sum(0)
    with numpy.errstate(invalid="ignore"):  # of gradients that are not finite
        share = numpy.where(there, both, 0.0).sum(0) / first
    lags = numpy.arange(len(share))
    usable = (share > 0) & numpy.isfinite(share)
    decay = math.nan
    if usable.sum() > 2:
        slope = numpy.polyfit(lags[usable], numpy.log(share[usable]), 1)[0]
        decay = math.exp(slope)
    gone = numpy.flatnonzero(share < SMALL)
    means = [numpy.nanmean(table, 0) for table in (hidden, cell)]
    gone_after = int(gone[0]) if len(gone) else None
    return GradientByLag(share, means[0], means[1] if has_cell else numpy.zeros(0), both, decay, gone_after)


def _tensors(state: Any) -> list[Tensor]:
    return [state] if isinstance(state, Tensor) else list(state)
