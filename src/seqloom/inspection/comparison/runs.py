"""The runs of a comparison: ordinary run folders, trained once, and gone on with after an interruption."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from seqloom.data.batching import Batching
from seqloom.errors import RunError
from seqloom.evaluation.report import Report
from seqloom.files import write_atomically
from seqloom.inference.predictor import load
from seqloom.inspection.comparison.variants import Variant
from seqloom.inspection.report.course import read_course
from seqloom.inspection.report.writing import write_report
from seqloom.runs import run_folder
from seqloom.runs.config import PARTS, RunConfig
from seqloom.training.job import Job
from seqloom.training.train import train

RESULTS = "results.json"


class Result(NamedTuple):
    """What came of a run."""

    score: float
    """The task's primary metric, on the test split where there is one, else on the validation split"""
    split: str
    metric: str
    higher_is_better: bool
    validated: tuple[tuple[int, float], ...]
    """Step, and the metric on the validation split"""
    baseline: float | None
    """The metric of the trivial predictor"""
    digest: str
    """Of the rows of that split: of others it is measured again"""


def run_all(
    data: Path,
    job: Job,
    variants: list[Variant],
    seeds: int,
    out: Path,
    log: Callable[[str], object],
    show_progress: bool = False,
) -> dict[str, list[Result]]:
    """Train every variant with every seed, or take what is there.

    Args:
        data: the file or folder.
        job: its configuration.
        variants: what is compared.
        seeds: how many of each: 0, 1, 2 …
        out: a folder, which has a run folder for each; made if need be.
        log: called with a line a run.
        show_progress: draw a progress bar on standard error.

    Returns:
        By variant's name, a result for each seed.

    Raises:
        RunError: a run folder is of another comparison.
    """
    out.mkdir(parents=True, exist_ok=True)
    results = {
        name: result
        for name, result in _read_results(out).items()
        if result.split in job.data.splits and result.digest == digest_of(job, result.split)
    }
    for seed in range(seeds):  # a first answer of all comes before a second of any
        for variant in variants:
            name = f"{variant.name}-{seed}"
            place = f"run {seed * len(variants) + variants.index(variant) + 1} of {seeds * len(variants)}"
            folder = out / name
            if not folder.exists():
                results.pop(name, None)
            elif name not in results or not (folder / run_folder.CARD).exists():
                log(f"{place}: {name}, which is there in part")
            _refuse_other(folder, variant.config(job.config, seed), job)
            if name in results and (folder / run_folder.CARD).exists():
                log(f"{place}: {name} is there already")
                continue
            size = f"{variant.hidden_size} units"
            report = _finish(
                data, folder, variant.config(job.config, seed), (f"{place}: ", size), log, show_progress
            )
            results[name] = _result(folder, report, job)
            _write_results(out, results)
    return {
        variant.name: [results[f"{variant.name}-{seed}"] for seed in range(seeds)] for variant in variants
    }


def _finish(
    data: Path,
    folder: Path,
    config: RunConfig,
    words: tuple[str, str],
    log: Callable[[str], object],
    show_progress: bool,
) -> Report:
    """Train, go on with, or measure a run; `words` say which of all it is, and its size."""
    place, size = words
    if (folder / run_folder.CARD).exists():
        return load(folder).evaluate(data)
    if folder.exists():
        _, report = train(data, out=folder, resume=True, show_progress=show_progress, at_end=write_report)
    else:
        log(f"{place}training {folder.name}, {size}")
        settings = {key: value for key, value in _flat(config).items() if key != "task"}
        _, report = train(
            data,
            task=config.task.name,
            settings=settings,
            out=folder,
            show_progress=show_progress,
            at_end=write_report,
        )
    name, _ = report.primary_metric
    log(f"{place}{folder.name}: {name} {report.metrics[name]:.4f} ({report.split})")
    return report


def digest_of(job: Job, split: str) -> str:
    """A hash of the rows of a split."""
    return job.preparation.source(job.data, split, Batching(32, job.config.training.window)).digest


def _result(folder: Path, report: Report, job: Job) -> Result:
    metric, higher = report.primary_metric
    records = read_course(folder / run_folder.METRICS, job.preparation.unit).validation
    validated = tuple((record["step"], record[metric]) for record in records if metric in record)
    baseline = report.baseline.get(metric)
    digest = digest_of(job, report.split)
    return Result(report.metrics[metric], report.split, metric, higher, validated, baseline, digest)


def _write_results(out: Path, results: dict[str, Result]) -> None:
    values = {name: result._asdict() for name, result in results.items()}
    write_atomically(out / RESULTS, json.dumps(values))


def _read_results(out: Path) -> dict[str, Result]:
    path = out / RESULTS
    if not path.exists():
        return {}
    try:
        return {name: _restored(values) for name, values in from_json(path.read_bytes()).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # nested too deeply, too
        got = f"{type(error).__name__}: {error}"
        hint = "Delete it: the runs are measured again"
        raise RunError(path, "expected the results of a comparison", got=got, hint=hint) from None


def _restored(values: dict[str, Any]) -> Result:
    validated = tuple((int(step), float(score)) for step, score in values["validated"])
    return Result(**{**values, "validated": validated})


def _refuse_other(folder: Path, config: RunConfig, job: Job) -> None:
    """A run folder that is there must be of this comparison: its settings, its data."""
    if not folder.exists():
        return
    before, digest = run_folder.read_config(folder)
    hint = "Name another folder with --out, or delete this one"
    old, new = _flat(before), _flat(config)
    for key, value in new.items():
        if old.get(key) != value:
            expected = f"expected a run of this comparison, with {key} {value!r}"
            raise RunError(folder, expected, got=repr(old.get(key)), hint=hint)
    training = config.training
    batching = Batching(training.batch_size, training.window, training.seed)
    if job.preparation.source(job.data, "train", batching).digest != digest:
        raise RunError(folder, "expected a run of this data", got="one of other data", hint=hint)


def _flat(config: RunConfig) -> dict[str, Any]:
    """A configuration as `{"task": "tag", "training.seed": 0, ...}`."""
    values = config.to_dict()
    parts = {f"{part}.{key}": value for part in PARTS for key, value in values[part].items()}
    return {"task": values["task"], **parts}
