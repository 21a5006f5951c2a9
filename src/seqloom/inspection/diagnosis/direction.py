"""One direction of a layer in one call, in the order in which it reads: what lags and step Jacobians need."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights, input_product
from seqloom.cells.spec import CELLS
from seqloom.kernels.reference import zone_out
from seqloom.layers.recurrent.execution import zoneout
from seqloom.layers.recurrent.parameters import plain_weights
from seqloom.layers.tracing import Call, Place


class Direction(NamedTuple):
    """The states of a call, and the step that leads from each to the next.

    Time runs as the direction reads: step 0 of a reverse direction is a row's last one.

    Fields:
        place: the layer and its direction.
        weights: of it, without gradients.
        products: (T, B, G), the input's part of each step.
        h: (T + 1, B, P), before each step and after the last.
        c: (T + 1, B, H) of a cell that has one.
        lengths: (B,) int64, the steps of each row.
    """

    place: Place
    weights: Weights
    products: Tensor
    h: Tensor
    c: Tensor | None
    lengths: Tensor

    @property
    def size(self) -> int:
        """Numbers of a state: P, and H more of a cell that has one."""
        return self.h.shape[-1] + (0 if self.c is None else self.c.shape[-1])

    def state(self, steps: Tensor, rows: Tensor) -> Tensor:
        """The states (N, size) before steps (N,) of rows (N,), h and c beside one another."""
        h = self.h[steps, rows]
        return h if self.c is None else torch.cat([h, self.c[steps, rows]], -1)

    def advance(self, products: Tensor, state: Tensor) -> Tensor:
        """The states (N, size) after one step, from input products (N, G) and states (N, size) before it."""
        layer = self.place.layer
        before = self._split(state)
        after, _ = CELLS[layer.cell].step(products, before, self.weights)
        mixing = zoneout(layer)
        if mixing is not None:
            after = zone_out(before, after, mixing._replace(training=False))
        return after if isinstance(after, Tensor) else torch.cat([after.h, after.c], -1)

    def pull_back(self, products: Tensor, state: Tensor, gradient: Tensor) -> Tensor:
        """The gradient with respect to states before a step, from that with respect to those after it."""
        with torch.enable_grad():
            before = state.detach().requires_grad_()
            # Of one number: given gradients, torch imports its symbolic shapes, which takes seconds.
            return torch.autograd.grad((self.advance(products, before) * gradient).sum(), before)[0]

    def _split(self, state: Tensor) -> Any:
        if self.c is None:
            return state
        return LSTMState(*state.split([self.h.shape[-1], self.c.shape[-1]], -1))


def direction_of(place: Place, call: Call) -> Direction:
    """A recorded call as a `Direction`."""
    layer = place.layer
    T, B = call.input.shape[:2]
    lengths = torch.full((B,), T, device="cpu") if call.lengths is None else call.lengths
    with torch.no_grad():
        tensors = plain_weights(layer)[place.number]
        detached = (None if w is None else w.detach() for w in tensors)
        weights = Weights(*detached)  # type: ignore[arg-type]
        products = input_product(call.input.detach(), weights, CELLS[layer.cell].norm_blocks)
        start = call.start if isinstance(call.start, Tensor) else call.start.h
        h = torch.cat([start.detach().unsqueeze(0), in_order(call.hidden.detach(), place, lengths)])
        c = None
        if isinstance(call.start, LSTMState):
            cells = in_order(call.gates.c.detach(), place, lengths)
            c = torch.cat([call.start.c.detach().unsqueeze(0), _carried(place, call.start.c.detach(), cells)])
    return Direction(place, weights, in_order(products, place, lengths), h, c, lengths)


def _carried(place: Place, start: Tensor, cells: Tensor) -> Tensor:
    """The cells (T, B, H) that go on to the next step: zoneout mixes each with the one before it."""
    mixing = zoneout(place.layer)
    if mixing is None or not mixing.cell:
        return cells
    carried, before = [], start
    for cell in cells:
        before = mixing.cell * before + (1 - mixing.cell) * cell
        carried.append(before)
    return torch.stack(carried) if carried else cells


def in_order(values: Tensor, place: Place, lengths: Tensor) -> Tensor:
    """Values (T, B, …) by time, in the order in which the place reads each row; or back again."""
    if not place.is_reverse:
        return values
    times = torch.arange(len(values), device=values.device).unsqueeze(1)
    last = lengths.to(values.device).unsqueeze(0) - 1
    order = torch.where(times <= last, last - times, times)
    rows = torch.arange(values.shape[1], device=values.device)
    return values[order, rows]
