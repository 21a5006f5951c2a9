"""A sample of the batches that a run learns from, and its losses as functions of no arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, final

from torch import Tensor

from seqloom.data.batching import Batching, to_device
from seqloom.data.tables.records import Records
from seqloom.inspection.checks.finding import NotApplicableError
from seqloom.inspection.checks.sampling.batches import take_rows
from seqloom.state import State, detach
from seqloom.training import checkpoint

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

MAX_ROWS = 32
"""Of a batch of the sample"""
MAX_COMPARED = 20_000
"""Rows of a split that are compared with those of another"""


class Sample(NamedTuple):
    """Batches of the training split.

    Fields:
        losses: nats per unit of each batch, with the state that it begins from.
        few: the loss of a quarter of the rows of the first, or of all where they cannot be taken apart.
        rows: of all batches.
        carries_state: whether rows go on from batch to batch.
        data: its path.
        shared: the share of test inputs, or of those of validation, that training has too; None: not known.
    """

    losses: list[Callable[[], Tensor]]
    few: Callable[[], Tensor]
    rows: int
    carries_state: bool
    data: Path
    shared: float | None


def draw_sample(
    run: Predictor,
    data: Path | str | None,
    num_batches: int,
    *,
    strict: bool,
    reading: Mapping[str, Any] | None,
    log: Callable[[str], object],
) -> Sample:
    """The first batches of an epoch, as training reads them.

    Args:
        run: the trained model.
        data: a file or folder; None: what it was trained on.
        num_batches: how many.
        strict: whether one bad row raises.
        reading: how tables are read.
        log: called with a line about the data.

    Raises:
        RunError: the data of the training is not there any more.
        DataError: the data cannot be read, or is that of another task.
    """
    config, task = run.config, run.config.task
    purpose = "the examples to diagnose it with"
    path = checkpoint.find_data(run.folder, purpose) if data is None else Path(data)
    splits = task.divide(run.preparation, config.read(path, strict, reading))
    log(f"data: {path} ({splits.describe()})")
    training = config.training
    batching = Batching(
        min(training.batch_size, MAX_ROWS),
        training.window,
        training.seed,
        batch_units=training.batch_units,
        max_units=training.max_units,
    )
    source = run.preparation.source(splits, "train", batching)
    context = config.context(run.preparation)
    batches = [to_device(batch, run.model.device) for batch in islice(source.batches(0), num_batches)]
    states = _States() if source.carries_state else None
    losses = [_loss_of(run, batch, context, states, number) for number, batch in enumerate(batches)]
    sizes = [len(batch[0]) for batch in batches]
    try:
        few = take_rows(batches[0], range(max(1, sizes[0] // 4)), sizes[0])
    except NotApplicableError:
        few = batches[0]
    few_loss = _loss_of(run, few, context)
    return Sample(losses, few_loss, sum(sizes), source.carries_state, path, shared_inputs(splits, run))


def shared_inputs(splits: Any, run: Predictor) -> float | None:
    """The share of the held-out inputs that training has too, of tables; None of other data."""
    if not isinstance(splits, Records):
        return None
    held_out = "test" if "test" in splits.splits else "validation"
    column = run.preparation.column
    known = {_key(row.fields.get(column)) for row in islice(splits.examples("train"), MAX_COMPARED)}
    tested = [_key(row.fields.get(column)) for row in islice(splits.examples(held_out), MAX_COMPARED)]
    return sum(key in known for key in tested) / len(tested) if tested else None


def _key(value: Any) -> str:
    return str(value)


@final
class _States:
    """The state that each batch begins from: what the batch before it left when it was last computed."""

    def __init__(self) -> None:
        self.before: dict[int, State] = {}


def _loss_of(
    run: Predictor, batch: Any, context: Any, states: _States | None = None, number: int = 0
) -> Callable[[], Tensor]:
    def compute() -> Tensor:
        state = None if states is None else states.before.get(number)
        loss = run.config.task.loss(run.model, batch, state, context)
        if states is not None and loss.state is not None:
            states.before[number + 1] = detach(loss.state)
        return loss.nats.sum() / loss.units.sum().clamp(min=1)

    return compute
