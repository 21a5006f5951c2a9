"""A trained model measured on data, beside its baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from seqloom.data.batching import Batching
from seqloom.data.bucketing import BATCH_SIZE
from seqloom.errors import DataError
from seqloom.evaluation.measure import measure
from seqloom.evaluation.report import Report, make_report, with_comparison
from seqloom.runs import run_folder

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor


class EvaluationRequest(NamedTuple):
    """Arguments of `Predictor.evaluate`, which explains them."""

    split: str | None
    seed: int
    strict: bool
    reading: Mapping[str, Any] | None
    refit: int | None


def evaluate_data(
    predictor: Predictor,
    data: Path,
    request: EvaluationRequest,
    digest: str,
    log: Callable[[str], object],
    decoding: Mapping[str, Any],
) -> Report:
    """What `Predictor.evaluate` does, which explains the arguments and the errors.

    Args:
        digest: of the data that the model was trained on.
    """
    config, model, split = predictor.config, predictor.model, request.split
    task, context = config.task, predictor.context(**decoding)
    splits = task.divide(predictor.preparation, config.read(data, request.strict, request.reading))
    log(f"data: {data} ({splits.describe()})")
    batching = Batching(BATCH_SIZE, config.training.window, training=False)
    if split is None:
        is_training_data = predictor.preparation.source(splits, "train", batching).digest == digest
        split = "test" if "test" in splits.splits else "validation" if is_training_data else "all"
    if split not in (*splits.splits, "all"):
        raise DataError(data, f"expected a split named {split}", got=", ".join(splits.splits))
    preparation = task.evaluated(predictor.preparation, context.decoding)
    source = preparation.source(splits, split, batching)
    if request.refit is None:
        rows = measure(task, model, source, model.device, context)
    else:
        from seqloom.inference.refitting import measure_refitted

        rows = measure_refitted(predictor.folder, preparation, splits, split, request.refit, context, log)
    seconds = run_folder.training_seconds(predictor.folder)
    report = make_report(task, preparation, splits, split, rows, source.skipped, request.seed, seconds)
    if request.refit is not None and report.baseline:
        report = report._replace(remarks=[*report.remarks, "the baseline is not refitted"])
    return with_comparison(report, task, model, splits, context)
