"""What claims share: trainings that several of them need are run once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, final

import torch

from seqloom.data.batching import Batching
from seqloom.inference.predictor import Predictor
from seqloom.inspection.memory import MemoryResult, MemorySettings, train_memory
from seqloom.inspection.memory.training import DEFAULTS
from seqloom.runs.run_folder import build_model
from seqloom.tasks.base import Context
from seqloom.tasks.toy_data import toy_data
from seqloom.training.job import Job, nested_settings, new_job
from seqloom.training.optimizer import build_optimizer

VALIDATION_BATCHES = 3
EPOCHS = 1000


class ToyRun(NamedTuple):
    """A short training on a task's made-up data."""

    job: Job
    run: Predictor
    shape: str
    before: float
    """Nats per unit of some validation batches, untrained"""
    after: float
    steps: int

    @property
    def fall(self) -> float:
        """Which share of the loss the training took away."""
        return 1 - self.after / self.before if self.before > 0 else self.before - self.after


@final
class Bench:
    """Runs trainings, each once.

    Args:
        folder: an empty one, for made-up data.
        log: called with a line a training.
    """

    def __init__(self, folder: Path, log: Callable[[str], object] = str) -> None:
        self._folder, self._log = folder, log
        self._toys: dict[Any, ToyRun] = {}
        self._data: dict[Any, Path] = {}
        self._memories: dict[Any, MemoryResult] = {}

    def memory(
        self,
        problem: str,
        cell: str,
        lag: int,
        seed: int = 0,
        settings: MemorySettings = DEFAULTS,
    ) -> MemoryResult:
        """A memory task, as `train_memory` learns it."""
        key = (problem, cell, lag, seed, settings)
        if key not in self._memories:
            self._log(f"{problem} at lag {lag}: {cell}, seed {seed}")
            self._memories[key] = train_memory(problem, cell, lag, seed=seed, settings=settings)
        return self._memories[key]

    def data(self, task: str, kind: str | None = None) -> Path:
        """Made-up data for a task."""
        key = (task, kind)
        if key not in self._data:
            folder = self._folder / f"{task}-{kind or 'usual'}"
            toy_data(task, folder, kind=kind)
            self._data[key] = folder
        return self._data[key]

    def write(self, name: str, write: Callable[[Path], object]) -> Path:
        """Other made-up data, which `write` writes into a folder once."""
        if name not in self._data:
            folder = self._folder / name
            folder.mkdir()
            write(folder)
            self._data[name] = folder
        return self._data[name]

    def toy(
        self,
        task: str,
        *,
        kind: str | None = None,
        steps: int = 30,
        path: Path | None = None,
        **settings: Any,
    ) -> ToyRun:
        """A short training on made-up data.

        Args:
            task: its name.
            kind: of its made-up data; None: the usual.
            steps: of training.
            path: other data; None: the task's made-up data.
            settings: with `__` for the point: `model__hidden_size=32`.
        """
        key = (task, kind, steps, path, tuple(sorted(settings.items())))
        if key not in self._toys:
            named = {name.replace("__", "."): value for name, value in settings.items()}
            self._log(f"{task}: {steps} steps on made-up data" + (f" ({kind})" if kind else ""))
            self._toys[key] = _train(path or self.data(task, kind), task, named, steps)
        return self._toys[key]


def _train(path: Path, task: str, settings: dict[str, Any], steps: int) -> ToyRun:
    """Some steps of the loss and the optimizer that `seqloom train` has, without its run folder."""
    job = new_job(path, task, [nested_settings(settings)], str)
    training, context = job.config.training, job.config.context(job.preparation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model: Any = build_model(job.config, job.preparation)
        before = measure_loss(job, model, context)
        optimizer = build_optimizer(model, training)
        model.train()
        for batch in islice(_batches(job), steps):
            loss = job.config.task.loss(model, batch, None, context)
            (loss.nats.sum() / loss.units.sum()).backward()
            torch.nn.utils.clip_grad_norm_(_dense(model.parameters()), training.gradient_clip or float("inf"))
            optimizer.step()
            optimizer.zero_grad()
    after = measure_loss(job, model, context)
    run = Predictor(path, job.config, "", job.preparation, model.eval())
    return ToyRun(job, run, job.config.task.shape_of(job.preparation), before, after, steps)


def measure_loss(job: Job, model: Any, context: Context) -> float:
    """Nats per unit of the first validation batches, as a training computes them, without dropout."""
    batching = Batching(32, job.config.training.window, training=False)
    source = job.preparation.source(job.data, "validation", batching)
    nats = units = 0.0
    model.eval()
    with torch.no_grad():
        for batch in islice(source.batches(0), VALIDATION_BATCHES):
            loss = job.config.task.loss(model, batch, None, context)
            nats, units = nats + float(loss.nats.sum()), units + float(loss.units.sum())
    return nats / units


def _batches(job: Job) -> Iterator[Any]:
    training = job.config.training
    batching = Batching(
        training.batch_size,
        training.window,
        training.seed,
        batch_units=training.batch_units,
        max_units=training.max_units,
    )
    source = job.preparation.source(job.data, "train", batching)
    return chain.from_iterable(source.batches(epoch) for epoch in range(EPOCHS))


def _dense(parameters: Iterable[Any]) -> list[Any]:
    return [p for p in parameters if p.grad is None or not p.grad.is_sparse]
