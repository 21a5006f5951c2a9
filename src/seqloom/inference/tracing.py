"""What a trained model computes at every step of one input, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from seqloom.errors import ConfigError, RunError
from seqloom.inference.inputs import check_size
from seqloom.layers.tracing import match_names, places, record
from seqloom.layers.tracing.names import nearest_name
from seqloom.tasks.tracing import ForwardPass, Traceable

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

ATTENTION = "attention"


@final
class Trace(Mapping[str, Tensor]):
    """Values of recurrent layers at every step of one input, by name.

    `trace["layers.0.forget"]` is (T, H) float32 on the CPU, or (T,) of one unit; of layers that a model runs
    for several rows at a time, as for the keys of a roll or to spell the words of a sentence, (T, rows, H).
    `trace["attention"]` is (T_out, T_in).

    Args:
        steps: what each step of the input is, as a person would say it.
        written: what a decoder read at each of its steps, the start first; empty without a decoder.
        values: the tensors by name.
    """

    def __init__(self, steps: Sequence[str], written: Sequence[str], values: Mapping[str, Tensor]) -> None:
        self.steps, self.written = list(steps), list(written)
        self._values = dict(values)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._values:
            hint = nearest_name(name, self._values)
            raise ConfigError("trace", "expected the name of a traced value", got=name, hint=hint)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"Trace({len(self.steps)} steps, {len(self)} values)"

    def steps_of(self, name: str) -> list[str]:
        """The steps that a value is of: the input's, or those that a decoder wrote."""
        return self.written if name == ATTENTION or name.startswith("decoder.") else self.steps


@torch.inference_mode()
def trace_input(
    predictor: Predictor, value: Any, names: Sequence[str] | None, target: str | None = None
) -> Trace:
    """What `Predictor.trace` does, which explains the arguments and the errors."""
    model, task = predictor.model, predictor.config.task
    named = places(model)
    if not named:
        raise RunError(predictor.folder, "expected a model with recurrent layers to trace", got="one without")
    if not isinstance(task, Traceable):
        raise RunError(predictor.folder, "expected a task that can be traced", got=f"the task {task.name}")
    patterns = None if names is None else [names] if isinstance(names, str) else list(names)
    sizes = {f"{name}.{value}": size for name, place in named.items() for value, size in place.sizes.items()}
    for pattern in patterns or ():
        if pattern != ATTENTION:
            match_names("trace", pattern, sizes)
    item = predictor.preparation.encode(check_size(value, "trace"))
    whole: ForwardPass = task.forward_pass(model, value, item, predictor.context(), target)
    with record(model) as recording:
        weights = whole.run()
    values = {name: _without_rows(tensor) for name, tensor in recording.values().items()}
    if weights is not None:
        values[ATTENTION] = weights.float().cpu()
    if patterns is None:
        return Trace(whole.steps, whole.written, values)
    chosen: dict[str, Tensor] = {}
    for pattern in patterns:
        if pattern == ATTENTION:
            if weights is None:
                raise ConfigError("trace", "expected a model with attention", got="one without")
            chosen[ATTENTION] = values[ATTENTION]
            continue
        for name, unit in match_names("trace", pattern, sizes):
            chosen[name if unit is None else f"{name}.{unit}"] = (
                values[name] if unit is None else values[name][..., unit]
            )
    return Trace(whole.steps, whole.written, chosen)


def _without_rows(value: Tensor) -> Tensor:
    """(T, B, H) float32 on the CPU, without B where it is 1."""
    value = value.float().cpu()
    return value[:, 0] if value.shape[1] == 1 else value
