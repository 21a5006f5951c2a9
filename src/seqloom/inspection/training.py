"""Training as one call, which ends with a page about it and a model that is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from seqloom.inference.predictor import Predictor, load


def train(
    data: Path | str | None = None,
    *,
    task: str | None = None,
    config: Path | str | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    out: Path | str | None = None,
    resume: bool = False,
    strict: bool = False,
    log: Callable[[str], object] = str,
    show_progress: bool = False,
) -> Predictor:
    """Train a model, write `report.html` into its run folder, and load it as it was at its best validation.

    Args:
        data: a file or a folder of a kind that a task takes; may be left out with `resume`.
        task: a name in `seqloom.tasks.TASKS`; None: inferred from the data.
        config: a YAML file of settings.
        settings: settings over that file's: `["training.batch_size=32"]` or `{"training.batch_size": 32}`.
        out: the run folder, which must be new; None: `runs/` and the data's name.
        resume: go on from the last checkpoint of the run folder `out`.
        strict: whether one bad row among many raises; else it is skipped and counted.
        log: called with each line about what was inferred, and about the course of the training.
        show_progress: draw a progress bar on standard error.

    Raises:
        DataError: the data cannot be read, or no task fits it.
        ConfigError: a setting that does not exist or is out of its range.
        RunError: the run folder cannot be made, or the loss is not finite.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint is written.

    >>> import seqloom
    >>> model = seqloom.train("reviews.csv", settings={"training.max_minutes": 5})   # doctest: +SKIP
    """
    # A model that is only used needs no trainer and no accelerate.
    from seqloom.inspection.report.writing import write_report
    from seqloom.training.train import train as run_training

    is_usual = torch.get_default_device().type == "cpu"
    with nullcontext() if is_usual else torch.device("cpu"):  # accelerate moves what is trained
        folder, _ = run_training(
            data,
            task=task,
            config=config,
            settings=settings,
            out=out,
            resume=resume,
            strict=strict,
            log=log,
            show_progress=show_progress,
            at_end=write_report,
        )
    return load(folder)
