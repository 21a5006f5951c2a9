"""The capability of a task whose model reads one input in steps that have names, for traces of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from seqloom.errors import ConfigError
from seqloom.tasks.base import Context


class ForwardPass(NamedTuple):
    """One pass of a model over one input.

    Fields:
        steps: what each step of the input is, as a person would say it: a word, a time.
        run: one forward pass of the model; the attention weights (T_out, T_in), or None without attention.
        written: what a decoder reads at each of its steps, the start first; empty where there is none.
    """

    steps: Sequence[str]
    run: Callable[[], Tensor | None]
    written: Sequence[str] = ()


@runtime_checkable
class Traceable(Protocol):
    """The capability of a task to run its model once over one input."""

    def forward_pass(
        self, model: Any, value: Any, item: Any, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The pass over an input.

        Args:
            model: in evaluation mode.
            value: the input as a user gives it.
            item: the same, encoded.
            context: preparation, settings, and how to decode.
            target: what a decoder reads; None: what it writes itself, by the most likely token at each step.

        Raises:
            ConfigError: a target for a model that has no decoder.
            DataError: a target that cannot be used.
        """
        ...


def refuse_target(task: str, target: str | None) -> None:
    """Refuse a target for a model that has no decoder which could read it.

    Raises:
        ConfigError: there is one.
    """
    if target is not None:
        expected = f"a target is for a model with a decoder, which {task} has not here"
        raise ConfigError("trace", expected, got=f"{target!r:.60}")
