"""Record what recurrent layers read and compute in the calls of a module, on the kernels that they run on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias, final
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seqloom.layers.recurrent.execution import DirectionTrace
from seqloom.layers.recurrent.forward import trace_layers
from seqloom.layers.recurrent.parameters import Layer
from seqloom.layers.tracing.names import HIDDEN, LETTERS, Place, places

Call: TypeAlias = DirectionTrace
"""One call of one direction of a layer"""


def value_of(call: Call, name: str) -> Tensor:
    """A value (T, B, …) of a call by its name: `forget`, `cell`, `hidden` …"""
    if name == HIDDEN:
        return call.hidden
    letters = {LETTERS.get(letter, letter): letter for letter in call.gates._fields}
    return getattr(call.gates, letters[name])


@final
class Recording:
    """The calls of every place of a module, in their order.

    `calls` and `states` are by the name of the place: what it computed, and the state (L, B, …) that its
    layer returned.

    Args:
        named: the places, as `places` names them.
    """

    def __init__(self, named: dict[str, Place]) -> None:
        self.places = named
        self.calls: dict[str, list[Call]] = {name: [] for name in named}
        self.states: dict[str, list[Any]] = {name: [] for name in named}

    def values(self) -> dict[str, Tensor]:
        """Every value by its full name, (T, B, …): what consecutive calls of a layer computed is joined.

        Raises:
            ValueError: calls of one layer had other numbers of rows.
        """
        joined: dict[str, Tensor] = {}
        for name, calls in self.calls.items():
            for value in self.places[name].sizes if calls else ():
                parts = [value_of(call, value) for call in calls]
                if len({part.shape[1] for part in parts}) > 1:
                    raise ValueError(f"{name} was called with other numbers of rows.")
                joined[f"{name}.{value}"] = parts[0] if len(parts) == 1 else torch.cat(parts)
        return joined


@contextmanager
def record(module: nn.Module, *, want_gates: bool = True, detach_gates: bool = False) -> Iterator[Recording]:
    """Record what the recurrent layers of `module` compute while it runs; their results are the same.

    Only what the thread computes that records: others may use the module, and record too.

    Args:
        module: with layers of seqloom anywhere in it.
        want_gates: False: gates are not computed, which takes time where gradients are needed.
        detach_gates: gates without gradients, which takes less.

    >>> from seqloom.layers.recurrent import LSTM
    >>> model = nn.ModuleDict({"encoder": LSTM(3, 4, num_layers=2)})
    >>> with record(model) as recording:
    ...     output, state = model["encoder"](torch.randn(5, 2, 3))
    >>> torch.equal(recording.values()["encoder.layers.1.hidden"], output)
    True
    """
    recording = Recording(places(module))
    names: dict[Layer, list[str]] = {}
    for name, place in recording.places.items():
        names.setdefault(place.layer, []).append(name)
    owner = threading.get_ident()
    recorders = {
        layer: _Recorder(owner, of_layer, recording, want_gates, detach_gates)
        for layer, of_layer in names.items()
    }
    with _LOCK:
        for layer, recorder in recorders.items():
            if layer not in _recorders:
                layer.forward = _recorded(layer, layer.forward)
            _recorders[layer] = (*_recorders.get(layer, ()), recorder)
    try:
        yield recording
    finally:
        with _LOCK:
            for layer, recorder in recorders.items():
                rest = tuple(other for other in _recorders[layer] if other is not recorder)
                if rest:
                    _recorders[layer] = rest
                else:
                    del _recorders[layer]
                    del layer.forward


class _Recorder(NamedTuple):
    """What a thread records of a layer."""

    owner: int
    names: Sequence[str]
    recording: Recording
    want_gates: bool
    detach_gates: bool


_LOCK = threading.Lock()
_recorders: WeakKeyDictionary[nn.Module, tuple[_Recorder, ...]] = WeakKeyDictionary()
"""Of the layers that are recorded now, by any thread"""


def _recorded(layer: Layer, usual: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """What takes the place of a layer's `forward`, whoever records it."""

    def forward(input: Any, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        here = threading.get_ident()
        recorders = [recorder for recorder in _recorders.get(layer, ()) if recorder.owner == here]
        if not recorders:
            return usual(input, hx, lengths=lengths)
        if isinstance(input, PackedSequence):
            padded, counts = pad_packed_sequence(input, layer.batch_first)
            output, state = forward(padded, hx, counts)
            is_sorted = input.sorted_indices is None
            return pack_padded_sequence(output, counts, layer.batch_first, is_sorted), state
        detached = [recorder.detach_gates for recorder in recorders if recorder.want_gates]
        traced = trace_layers(
            layer, input, hx, lengths, want_gates=bool(detached), detach_gates=all(detached)
        )
        for recorder in recorders:
            for name, call in zip(recorder.names, traced.calls, strict=True):
                recorder.recording.calls[name].append(call)
                recorder.recording.states[name].append(traced.state)
        return traced.output, traced.state

    return forward
