"""Measure the recurrent layers of a module on a loss: gradients by lag, Jacobians, gates, units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from seqloom.cells.spec import CELLS
from seqloom.errors import ConfigError
from seqloom.inspection.diagnosis.direction import direction_of
from seqloom.inspection.diagnosis.gradients import (
    MAX_LAG,
    NUM_ENTRIES,
    Entries,
    draw_entries,
    entering_gradients,
)
from seqloom.inspection.diagnosis.place import NUM_GATED, PlaceDiagnosis, largest, measure_place
from seqloom.layers.tracing import Call, Place, places, record
from seqloom.layers.tracing.names import nearest_name
from seqloom.state import tensors_of


def measure_module(
    module: nn.Module,
    losses: Sequence[Callable[[], Tensor]],
    *,
    pattern: str = "*",
    seed: int = 0,
    max_lag: int = MAX_LAG,
) -> dict[str, PlaceDiagnosis]:
    """Measure every direction of every recurrent layer.

    Each loss is computed with its backward pass. Parameters keep the gradients of the last one.

    Args:
        module: in evaluation mode.
        losses: of several batches; each runs the module and returns one number.
        pattern: of the names of layers: `layers.0`, `encoder.*`.
        seed: draws rows, steps and units.
        max_lag: greatest lag.

    Raises:
        ConfigError: no layer has such a name; the nearest is named.

    >>> from seqloom.layers.recurrent import RNN
    >>> layer, x = RNN(3, 4).eval(), torch.randn(12, 2, 3)
    >>> place = measure_module(layer, [lambda: layer(x)[0][-1].sum()])["layers.0"]
    >>> place.gradient.max_lag, float(place.gradient.share[0])
    (12, 1.0)
    """
    named = choose_places(module, pattern)
    generator = torch.Generator("cpu").manual_seed(seed)
    calls: dict[str, list[Call]] = {name: [] for name in named}
    entries: dict[str, list[Entries]] = {name: [] for name in named}
    share = max(4, -(-NUM_ENTRIES // max(len(losses), 1)))
    has_cells = any(CELLS[place.layer.cell].has_cell_state for place in named.values())
    for compute in losses:
        is_gated = has_cells or any(len(of_place) < NUM_GATED for of_place in calls.values())
        module.zero_grad(set_to_none=True)
        with torch.enable_grad(), record(module, want_gates=is_gated, detach_gates=True) as recording:
            loss = compute()
            for name in named:
                for call, state in zip(recording.calls[name], recording.states[name], strict=True):
                    for tensor in (call.output, *tensors_of(state)):
                        if tensor.requires_grad:
                            tensor.retain_grad()
            if loss.requires_grad:
                loss.backward()
        for name, place in named.items():
            computed = recording.calls[name]
            if not computed:
                continue
            number = largest(computed)
            call = computed[number]
            if len(calls[name]) < NUM_GATED:
                calls[name].append(call)
            direction = direction_of(place, call)
            entering = entering_gradients(recording, name, direction, number)
            drawn = draw_entries(direction, entering, generator, max_lag, share)
            if drawn is not None:
                entries[name].append(drawn)
    return {
        name: measure_place(place, calls[name], entries[name], generator, max_lag)
        for name, place in named.items()
        if calls[name]
    }


def choose_places(module: nn.Module, pattern: str) -> dict[str, Place]:
    """The places whose name fits a pattern.

    Raises:
        ConfigError: there is none.
    """
    named = places(module)
    chosen = {name: place for name, place in named.items() if fnmatchcase(name, pattern)}
    if not chosen:
        hint = nearest_name(pattern, named)
        raise ConfigError("diagnose", "expected the name of a recurrent layer", got=pattern, hint=hint)
    return chosen
