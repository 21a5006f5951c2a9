"""One direction of a layer in one call, in the order in which it reads: what lags and step Jacobians need."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights, hidden_product, input_product
from seqloom.cells.spec import CELLS
from seqloom.kernels.reference import zone_out
from seqloom.layers.recurrent.execution import zoneout
from seqloom.layers.recurrent.parameters import plain_weights
from seqloom.layers.tracing import Call, Place

PullBack: TypeAlias = Callable[[Tensor], Tensor]
"""From the gradient with respect to states after a step to that with respect to those before it"""


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

    def of_rows(self, rows: Tensor) -> Direction:
        """Of some rows only, so that the others need not be kept."""
        c = None if self.c is None else self.c[:, rows]
        return self._replace(
            products=self.products[:, rows], h=self.h[:, rows], c=c, lengths=self.lengths[rows]
        )

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

    def pull_backs(self, products: Tensor, states: Tensor) -> list[PullBack]:
        """`pull_back` of many steps, each of N rows, which does the work of all of them once.

        In a step of the cells that have a compiled kernel units meet only in the product of W_hh and h; all
        else is computed unit by unit, so that its derivative is one number for each unit. Where h is
        projected or normalized that is not so.

        Args:
            products: (K, N, G), the input's part of each step.
            states: (K, N, size), before it.

        Returns:
            K functions from the gradient (N, size) after a step to that before it; of one row, from any
            number of gradients.
        """
        w, P = self.weights, self.h.shape[-1]
        if w.weight_hr is not None or w.gain_hh is not None or CELLS[self.place.layer.cell].native_id is None:
            pairs = zip(products, states, strict=True)
            return [partial(self._pull_back_rows, product, state) for product, state in pairs]
        with torch.enable_grad():
            before = states.detach().flatten(0, 1).requires_grad_()
            hidden = hidden_product(before.detach()[:, :P], w).requires_grad_()
            alone = self._replace(weights=w._replace(weight_hh=torch.zeros_like(w.weight_hh), bias_hh=hidden))
            after = alone.advance(products.flatten(0, 1), before).split(P, -1)
            derivatives = [
                torch.autograd.grad(part.sum(), (before, hidden), retain_graph=part is not after[-1])
                for part in after
            ]
        # (K, N, parts of the state before or gates, parts of the state after, P)
        shape = (*states.shape[:2], -1, P)
        itself, through = (
            torch.stack([part.view(shape) for part in parts], 3) for parts in zip(*derivatives, strict=True)
        )

        def pull(itself: Tensor, through: Tensor, gradient: Tensor) -> Tensor:
            parts = gradient.view(len(gradient), 1, -1, P)
            before = (itself * parts).sum(2)
            before[:, 0] += (through * parts).sum(2).flatten(1) @ w.weight_hh
            return before.flatten(1)

        return [partial(pull, *pair) for pair in zip(itself, through, strict=True)]

    def _pull_back_rows(self, products: Tensor, state: Tensor, gradient: Tensor) -> Tensor:
        """`pull_back`, with one row of products and states for all gradients if there is but one."""
        count = len(gradient)
        return self.pull_back(products.expand(count, -1), state.expand(count, -1), gradient)

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
