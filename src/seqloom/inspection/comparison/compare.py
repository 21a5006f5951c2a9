"""Compare cells and directions on data: train each with several seeds, measure, and say what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seqloom.errors import ConfigError
from seqloom.inference.predictor import load
from seqloom.inspection.comparison.comparison import Comparison, make_comparison
from seqloom.inspection.comparison.measures import first_batches, gradient_reach, measure_steps
from seqloom.inspection.comparison.runs import run_all
from seqloom.inspection.comparison.variants import Variant, choose_variants
from seqloom.runs.config import read_yaml
from seqloom.training.job import Job, nested_settings, new_job

REACH_BATCHES = 8


def compare(
    data: Path | str,
    *,
    cells: Sequence[str] = ("rnn", "lstm", "gru"),
    directions: Sequence[str] = ("one",),
    equal: str = "parameters",
    seeds: int = 3,
    task: str | None = None,
    config: Path | str | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    out: Path | str = "runs/comparison",
    log: Callable[[str], object] = str,
    show_progress: bool = False,
) -> Comparison:
    """Train cells and directions with several seeds, and put what came of them into one table.

    Args:
        data: a file or a folder, as for `seqloom.train`.
        cells: cell types.
        directions: `one`, `both`.
        equal: `parameters`, of the whole model, or `width`; the first variant has the width of the settings.
        seeds: runs of each.
        task: a name in `seqloom.tasks.TASKS`; None: inferred from the data.
        config: a YAML file of settings.
        settings: settings over that file's, as for `seqloom.train`.
        out: the folder of the run folders; what is finished there is not trained again, and what was
            interrupted goes on.
        log: called with lines about what is done.
        show_progress: draw a progress bar on standard error.

    Raises:
        DataError: the data cannot be read.
        ConfigError: a setting or a name that does not exist.
        RunError: `out` holds runs of another comparison.

    >>> import seqloom
    >>> seqloom.compare("reviews.csv", cells=["lstm", "gru"], seeds=3).differences   # doctest: +SKIP
    """
    if seeds < 1:
        raise ConfigError("compare", "--seeds must be an int >= 1", got=seeds)
    layers = [*([read_yaml(Path(config))] if config else []), nested_settings(settings)]
    job = new_job(Path(data), task, layers, log)
    variants = choose_variants(job, cells, directions, equal)
    for variant in variants:
        log(f"{variant.name}: {variant.hidden_size:,} units, {variant.parameters:,} parameters")
    results = run_all(Path(data), job, variants, seeds, Path(out), log, show_progress)
    log("timing a step of each in turn")
    costs = measure_steps(job, variants)
    rows = [
        (variant, results[variant.name], costs[variant.name], _reach(job, variant, seeds, Path(out)))
        for variant in variants
    ]
    return make_comparison((str(data), job.config.task.name, equal), rows, seeds)


def _reach(job: Job, variant: Variant, seeds: int, out: Path) -> tuple[int, int] | None:
    """The median over seeds of how far back the trained models' gradients reach, in that of the first
    batches which has the longest sequences."""
    batches = first_batches(job, REACH_BATCHES)
    reaches: list[tuple[int, int]] = []
    for seed in range(seeds):
        run = load(out / f"{variant.name}-{seed}", device="cpu")
        loss = partial(run.config.task.loss, run.model, state=None, context=run.context())
        measured = [gradient_reach(run.model, partial(loss, batch=batch)) for batch in batches]
        known = [reach for reach in measured if reach is not None]
        reaches += [max(known, key=lambda reach: reach[1])] if known else []
    return sorted(reaches)[len(reaches) // 2] if reaches else None
