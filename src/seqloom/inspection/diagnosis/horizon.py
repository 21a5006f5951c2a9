"""The memory horizon: the share of the loss that layers explain when they forget all but the last steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqloom.cells.lstm import LSTMState
from seqloom.layers.recurrent.generic import LAYER_CLASSES
from seqloom.layers.recurrent.parameters import Layer
from seqloom.state import map_state

REACHES = (0, 1, 2, 4, 8, 16, 32, 64)
ENOUGH = 0.95
LITTLE = 0.02
"""Of the loss without memory: less than that is no gain"""


class Horizon(NamedTuple):
    """What memory is worth.

    Fields:
        reaches: n, each layer sees its own input and n to 2 n - 1 steps before it.
        losses: nats per unit at each reach.
        full: nats per unit with all steps.
        steps: the least reach that explains 95 % of what all steps explain; None: memory explains nothing.
    """

    reaches: tuple[int, ...]
    losses: tuple[float, ...]
    full: float
    steps: int | None

    @property
    def shares(self) -> tuple[float, ...]:
        """Of what all steps explain beyond the present one, at each reach; zeros where that is nothing."""
        gain = self.losses[0] - self.full
        if gain <= LITTLE * abs(self.losses[0]):
            return (0.0,) * len(self.losses)
        return tuple((self.losses[0] - loss) / gain for loss in self.losses)


def measure_horizon(model: nn.Module, compute_loss: Callable[[], float], longest: int) -> Horizon:
    """The loss of a model whose layers forget.

    Args:
        model: in evaluation mode.
        compute_loss: nats per unit, of the same batches at every call.
        longest: steps of the longest row, above which no reach is tried.
    """
    reaches = tuple(reach for reach in REACHES if reach < max(longest, 1))
    losses = []
    with torch.no_grad():
        full = compute_loss()
        for reach in reaches:
            with short_memory(model, reach):
                losses.append(compute_loss())
    horizon = Horizon(reaches, tuple(losses), full, None)
    enough = [reach for reach, share in zip(reaches, horizon.shares, strict=True) if share >= ENOUGH]
    if not any(horizon.shares):
        return horizon
    return horizon._replace(steps=enough[0] if enough else longest)


@contextmanager
def short_memory(module: nn.Module, reach: int) -> Iterator[None]:
    """Let every recurrent layer of a module forget what is further back than `reach` to 2 `reach` - 1 steps.

    >>> from seqloom.layers.recurrent import GRU
    >>> layer, x = GRU(3, 4), torch.randn(6, 2, 3)
    >>> with short_memory(layer, 0):
    ...     output, _ = layer(x)
    >>> alone, _ = layer(x[4:5])
    >>> torch.allclose(output[4:5], alone, atol=1e-6)
    True
    """
    layers: list[Layer] = [part for part in module.modules() if isinstance(part, LAYER_CLASSES)]
    for layer in layers:
        layer.forward = _forgetful(layer, layer.forward, reach)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forgetful(layer: Layer, forward: Callable[..., Any], reach: int) -> Callable[..., Any]:
    """Overlapping windows of twice the reach, of which each step is read where it has seen enough."""
    stride = max(reach, 1)
    width = 2 * reach or 1

    def forget(input: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        if isinstance(input, PackedSequence):
            padded, valid = pad_packed_sequence(input, layer.batch_first)
            output, state = forget(padded, hx, valid)
            is_sorted = input.sorted_indices is None
            return pack_padded_sequence(output, valid, layer.batch_first, is_sorted), state
        if input.dim() == 2:
            batch = int(not layer.batch_first)
            start = None if hx is None else map_state(lambda part: part.unsqueeze(1), hx)
            output, state = forget(input.unsqueeze(batch), start)
            return output.squeeze(batch), map_state(lambda part: part.squeeze(1), state)
        x = input.transpose(0, 1) if layer.batch_first else input
        T, B = x.shape[:2]
        if stride >= T:
            return forward(input, hx, lengths=lengths)
        counts = (
            torch.full((B,), T, device="cpu") if lengths is None else torch.as_tensor(lengths, device="cpu")
        )
        num = -(-T // stride)
        padded = torch.cat([x, x.new_zeros(num * stride + width - T, *x.shape[1:])])
        windows = torch.cat([padded[k * stride : k * stride + width] for k in range(num)], dim=1)
        valid = torch.cat([(counts - k * stride).clamp(0, width) for k in range(num)])
        first = layer.initial_state(B, x.device, x.dtype) if hx is None else hx
        fresh = layer.initial_state(B * (num - 1), x.device, x.dtype)
        start = _beside(first, fresh)
        read = windows.transpose(0, 1) if layer.batch_first else windows
        output, ends = forward(read, start, lengths=valid)
        output = (output.transpose(0, 1) if layer.batch_first else output).unflatten(1, (num, B))
        parts = list(output.chunk(1 + layer.bidirectional, -1))
        parts[0] = _forward_steps(parts[0], stride, width)
        if layer.bidirectional:
            parts[1] = parts[1][:stride].transpose(0, 1).flatten(0, 1)
        whole = torch.cat([part[:T] for part in parts], -1)
        state = _last_states(layer, ends, counts, stride, width)
        return whole.transpose(0, 1) if layer.batch_first else whole, state

    return forget


def _forward_steps(output: Tensor, stride: int, width: int) -> Tensor:
    """Of windows (W, N, B, P): the first stride of the first, and the last stride of each; (T', B, P)."""
    if width == 1:
        return output[0]
    return torch.cat([output[:stride, 0], output[width - stride :].transpose(0, 1).flatten(0, 1)])


def _last_states(layer: Layer, ends: Any, counts: Tensor, stride: int, width: int) -> Any:
    """The state (L, B, …) after each row: of the window that ends it with enough steps before it."""
    B = len(counts)
    last = (counts - 1).clamp(min=0) // stride
    forward = (last - (width > 1) * 1).clamp(min=0) * B + torch.arange(B, device="cpu")
    backward = torch.arange(B, device="cpu")

    def choose(tensor: Tensor) -> Tensor:
        chosen = tensor[:, forward].clone()
        if layer.bidirectional:
            chosen[1::2] = tensor[1::2][:, backward]
        return chosen

    return map_state(choose, ends)


def _beside(first: Any, rest: Any) -> Any:
    if isinstance(first, Tensor):
        return torch.cat([first, rest], dim=1)
    return LSTMState(*(torch.cat(pair, dim=1) for pair in zip(first, rest, strict=True)))
