"""What is checked: a trained model, its data, and a few rows of all lengths that most checks look at."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, TypeAlias, final

import numpy
import torch

from seqloom.data.batching import Batching, Shard, Source, Spanned, to_device
from seqloom.data.tables.examples import Examples
from seqloom.errors import DataError
from seqloom.inference.predictor import Predictor
from seqloom.inspection.checks.finding import NotApplicableError
from seqloom.inspection.checks.sampling.batches import as_float64, take_rows
from seqloom.tasks.base import Context, Loss, Preparation, Task

ROWS = 16
"""Of the sample"""
MOST_READ = 1024
"""Rows of the split among which the sample is chosen"""
REPEATS = 1e-5
"""Of a row's nats: more than a GPU gives that adds in another order each time, less than dropout"""
STREAM_STEPS = 61
"""Of a window of a long text: a prime, which no layer is likely to be as wide as"""
NO_LIMIT = 1 << 62

Evaluate: TypeAlias = Callable[[Any], Loss]
"""What a batch costs"""


class Sample(NamedTuple):
    """Rows of the split in one batch, short and long ones, and each of them in a batch of its own."""

    batch: Any
    size: int
    alone: tuple[Any, ...] | None
    """None: rows are windows of a text, which have no batches of their own"""
    carries_state: bool

    def take(self, rows: list[int]) -> Any:
        """Some rows of the batch, with their padding."""
        return take_rows(self.batch, rows, self.size)


@final
class Subject:
    """A trained model and its data.

    Args:
        predictor: the model.
        data: with its splits, as the task divides it.
        split: that is measured.
        seed: of bootstrap intervals.
    """

    def __init__(self, predictor: Predictor, data: Any, split: str, seed: int = 0) -> None:
        self.predictor, self.data, self.split, self.seed = predictor, data, split, seed
        self.model: Any = predictor.model
        self.task: Task = predictor.config.task
        self.context: Context = predictor.context()

    @cached_property
    def preparation(self) -> Preparation:
        """The preparation whose sources give what is measured."""
        return self.task.evaluated(self.predictor.preparation, self.context.decoding)

    def source(self, batching: Batching) -> Source:
        """The batches of some rows of the split."""
        return self.preparation.source(self._some_data, self.split, batching)

    @cached_property
    def _some_data(self) -> Any:
        """The data with fewer rows of the split: a sample needs not all of them to be read."""
        rows = self.data.splits.get(self.split)
        if not isinstance(rows, Examples) or len(rows) <= MOST_READ:
            return self.data
        numbers = numpy.linspace(0, len(rows) - 1, MOST_READ).astype(numpy.int64)
        return self.data._replace(splits={**self.data.splits, self.split: rows.take(numbers)})

    def evaluate(self, batch: Any) -> Loss:
        """What a batch costs, by the model as it is."""
        return self.evaluate_by(self.model, batch)

    @torch.inference_mode()
    def evaluate_by(self, model: Any, batch: Any) -> Loss:
        """What a batch costs, by another model of the same kind, in evaluation mode."""
        model.eval()
        return self.task.evaluate_batch(model, to_device(batch, self.device), None, self.context)

    @cached_property
    def device(self) -> torch.device:
        """Where the model is."""
        return next((parameter.device for parameter in self.model.parameters()), torch.device("cpu"))

    @cached_property
    def exact(self) -> Evaluate | None:
        """The same in float64; None: the model cannot do that."""
        try:
            model = deepcopy(self.model).double()
            self.evaluate_by(model, as_float64(self.sample.batch))
        except (RuntimeError, TypeError, ValueError):
            return None
        return lambda batch: self.evaluate_by(model, as_float64(batch))

    @cached_property
    def is_random(self) -> bool:
        """Whether the same batch does not cost the same twice, but for the order in which a GPU adds."""
        first, second = (self.evaluate(self.sample.batch).nats for _ in range(2))
        return not torch.allclose(first, second, rtol=REPEATS, atol=REPEATS, equal_nan=True)

    @cached_property
    def sample(self) -> Sample:
        """Some rows of the split.

        Raises:
            DataError: the split has no usable row.
        """
        source = self.source(Batching(1, STREAM_STEPS, training=False))
        return self._streams() if source.carries_state else self._rows(source)

    def _rows(self, singles: Source) -> Sample:
        """Every n-th of the rows by length, in one batch and alone; where a task's batches have fewer rows,
        those of the first."""
        count = len(singles)
        if not count:
            raise NotApplicableError(f"the split {self.split} has no row")
        stride = max(count // ROWS, 1)
        shard = Shard(stride // 2, stride)
        source = self.source(Batching(count, training=False, shard=shard, max_units=NO_LIMIT))
        batch = next(source.batches(0))
        size = len(self.evaluate(batch).nats)
        places = range(shard.rank, count, stride)[:size]
        if isinstance(source, Spanned) and isinstance(singles, Spanned):
            items = next(source.spans())[:, 0].tolist()
            spans = islice(singles.spans(), shard.rank, None, stride)
            if [int(span[0, 0]) for span in islice(spans, size)] != items:
                return Sample(batch, size, None, False)
        alone = tuple(next(singles.batches(0, first=place)) for place in places)
        return Sample(batch, size, alone if len(alone) == size else None, False)

    def _streams(self) -> Sample:
        """Windows of a text, the second of each stream: what is before them is known to none."""
        refusal: DataError | None = None
        for size in (ROWS, 6, 3, 2, 1):
            try:
                source = self.source(Batching(size, STREAM_STEPS, training=True))
            except DataError as error:
                refusal = error
                continue
            return Sample(next(source.batches(0)), size, None, True)
        raise NotApplicableError(str(refusal))

    @cached_property
    def windows(self) -> Sample | None:
        """Windows whose state is carried from one to the next; None: rows are read whole."""
        if self.sample.carries_state:
            return self.sample
        try:
            source = self.source(Batching(3, STREAM_STEPS, training=True))
            return Sample(next(source.batches(0)), 3, None, True) if source.carries_state else None
        except DataError:
            return None
