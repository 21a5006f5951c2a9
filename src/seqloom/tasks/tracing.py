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


class StepOutputs(NamedTuple):
    """What a model gives after each step: how likely it holds each name to be.

    Fields:
        steps: what it read, or wrote, at each step.
        names: of the outputs: tokens, tags, symbols.
        log_probabilities: (T, V), on the CPU.
        expected: for each step the number of the name that came, -1 where that is not known.
        free: what the model writes by itself after the first `free_from` steps, always the most likely token.
        free_from: how many steps it was told; None: it cannot run free.
    """

    steps: Sequence[str]
    names: Sequence[str]
    log_probabilities: Tensor
    expected: Sequence[int]
    free: Sequence[int] = ()
    free_from: int | None = None


@runtime_checkable
class Expecting(Protocol):
    """The capability of a task to say what its model expects after each step of an input."""

    def step_outputs(
        self, model: Any, item: Any, context: Context, target: str | None = None
    ) -> StepOutputs | None:
        """The outputs by step; None where a model of this task has none.

        Args:
            model: in evaluation mode.
            item: an input, encoded.
            context: preparation, settings, and how to decode.
            target: what a decoder reads; None: what it writes itself.

        Raises:
            ConfigError: a target for a model that has no decoder.
            DataError: a target that cannot be used.
        """
        ...
