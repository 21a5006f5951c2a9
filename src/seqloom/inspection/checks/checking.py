"""All checks of a run on its data, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from seqloom.data.batching import Batching
from seqloom.errors import ConfigError, DataError, RunError, nearest, one_line
from seqloom.inference.predictor import Predictor, load
from seqloom.inspection.checks.finding import Check, CheckReport, CheckResult, NotApplicableError
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.inspection.checks.table import CHECKS
from seqloom.progress import phase


def check(
    run: Predictor | Path | str,
    data: Path | str,
    split: str | None = None,
    *,
    only: Sequence[str] = (),
    seed: int = 0,
    strict: bool = False,
    reading: Mapping[str, Any] | None = None,
    log: Callable[[str], object] = str,
) -> CheckReport:
    """Check a trained model on its data: whether its score can be trusted.

    Padding, batch mates, batch size and chunks change nothing; no output of a one-way model depends on a
    later input; rows without steps, saving and loading, kernels and precisions; training and test share no
    example; forecasts are no copies of the past, answers differ, the baseline is beaten by more than chance.

    Args:
        run: a run folder, or a loaded model, whose task or modules may be one's own.
        data: a file or folder, as for training.
        split: that is measured. None: `test` where there is one, otherwise `validation`.
        only: names of checks; none: all of them. One that is not applicable is then an error.
        seed: draws the bootstrap interval.
        strict: whether one bad row among many raises; else it is skipped and counted.
        reading: how tables are read, as for `Predictor.evaluate`.
        log: called with a line about the data.

    Returns:
        What each check found, with its numbers; `report.passed`, and `report.failed`, the names.

    Raises:
        RunError: it is no run folder, or a check in `only` is not applicable.
        DataError: the data cannot be read, is not of the type that the task reads, or has no such split.
        ConfigError: a check that does not exist.

    >>> import seqloom
    >>> report = seqloom.check("runs/reviews", "reviews.csv")      # doctest: +SKIP
    >>> report.failed                                              # doctest: +SKIP
    ('shared-examples',)
    """
    names = [check.name for check in CHECKS]
    for name in only:
        if name not in names:
            raise ConfigError("check", f"unknown check `{name}`", hint=nearest(name, names))
    predictor = run if isinstance(run, Predictor) else load(run)
    splits = predictor.config.task.divide(predictor.preparation, predictor.config.read(data, strict, reading))
    log(f"data: {data} ({splits.describe()})")
    split = split or ("test" if "test" in splits.splits else "validation")
    if split not in (*splits.splits, "all"):
        raise DataError(data, f"expected a split named {split}", got=", ".join(splits.splits))
    subject = Subject(predictor, splits, split, seed)
    subject.source(Batching(1, training=False))  # data that cannot be used is no fault of the model
    wanted = [check for check in CHECKS if not only or check.name in only]
    with torch.device("cpu"), phase("checking", total=len(wanted)) as checking:
        results = [answer(item, subject) for item in checking.count(wanted)]
    refused = next((result for result in results if only and result.result == "not applicable"), None)
    if refused is not None:
        expected = f"the check {refused.name} must be applicable"
        raise RunError(predictor.folder, expected, got=refused.evidence)
    task = predictor.config.task.name
    return CheckReport(str(predictor.folder), task, str(data), split, tuple(results))


def answer(item: Check, subject: Subject) -> CheckResult:
    """The answer to one check; whatever a model raises in it is a failure."""
    try:
        passed, evidence, numbers = item.run(subject)
    except NotApplicableError as reason:
        return CheckResult(item.name, item.claim, "not applicable", one_line(str(reason)))
    except Exception as error:  # whatever a user's module raises
        first = str(error).partition("\n")[0] or "nothing more"
        passed, evidence, numbers = False, f"it raises {type(error).__name__}: {first}", {}
    result = "pass" if passed else "fail"
    advice = "" if passed else item.advice
    return CheckResult(item.name, item.claim, result, one_line(evidence), advice, numbers)
