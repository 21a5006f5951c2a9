"""What is trained, on what: from a path and settings, or from a run folder to resume."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.data.read import read
from seqloom.data.series.table import SeriesTable
from seqloom.data.tables.columns import ANY_COLUMNS
from seqloom.data.tables.records import Records
from seqloom.data.text.corpus import TextCorpus
from seqloom.data.text.markup import require_plain_text
from seqloom.errors import ConfigError, DataError
from seqloom.runs import run_folder
from seqloom.runs.config import (
    PARTS,
    RunConfig,
    categorical_columns,
    merge,
    nest,
    parse_settings,
    read_options,
    resolve,
)
from seqloom.tasks import all_tasks, infer, task_named
from seqloom.tasks.base import Data, Preparation, Task
from seqloom.training import checkpoint
from seqloom.training.precision import with_precision

RESUMABLE = (
    *(
        "learning_rate",
        "gradient_clip",
        "patience",
        "checkpoint_every",
        "checkpoint_minutes",
        "log_every",
        "tensorboard",
    ),
    "license",
    *("max_epochs", "max_steps", "max_minutes"),
)
"""`training.*` keys that may change when a training resumes; any other would make it another training."""


class Job(NamedTuple):
    """A configuration, and the data and preparation that it is for."""

    config: RunConfig
    preparation: Preparation
    data: Data
    data_path: Path


def nested_settings(settings: Sequence[str] | Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`["training.batch_size=32"]` or `{"training.batch_size": 32}` as `{"training": {"batch_size": 32}}`."""
    if not isinstance(settings, Mapping):
        return parse_settings(settings)
    nested: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        if "." not in name:
            raise ConfigError("settings", "expected keys such as training.batch_size", got=name)
        merge(nested, nest(name, value))
    return nested


def new_job(
    path: Path,
    task_name: str | None,
    layers: Sequence[Mapping[str, Any]],
    log: Callable[[str], object],
    strict: bool = False,
) -> Job:
    """Infer the task where none is named, resolve the configuration, fit the preparation.

    Raises:
        DataError: the data cannot be read, or no task fits it.
        ConfigError: more than one task fits, or a setting does not exist or is out of its range.
    """
    named = task_name or next((str(layer["task"]) for layer in layers if "task" in layer), None)
    known = task_named(named) if named else None  # a wrong name is refused before the data is read
    options = read_options(layers)
    expected = ANY_COLUMNS.and_of_tasks(task.layout for task in ([known] if known else all_tasks()))
    expected = expected._replace(categorical=categorical_columns(layers))
    data = read(
        path,
        strict,
        options,
        expected,
        as_text=known is not None and known.reads is TextCorpus,
        as_series=None if known is None else known.reads is SeriesTable,
    )
    if known is None:
        require_plain_text(data)
    else:
        known.require(data)
    chosen, reason = (known, "as asked") if known else _infer(data, path)
    config = with_precision(resolve(chosen, layers))
    if isinstance(data, Records | SeriesTable):  # another table is read by what was recognized in this one
        columns = {**options.columns, **data.mapping}
        config = config._replace(reading=options.model_copy(update={"columns": columns}))
    log(f"task: {chosen.name} ({chosen.shape}), {'' if known else 'because the data is '}{reason}")
    preparation = chosen.prepare(data, config.data)
    return Job(config, preparation, chosen.divide(preparation, data), path)


def _infer(data: Any, path: Path) -> tuple[Task, str]:
    fitting = infer(data)
    if len(fitting) > 1:
        names = ", ".join(task.name for task, _ in fitting)
        hint = "Name the task with --task"
        raise ConfigError(path, "expected data that one task fits", got=names, hint=hint)
    if not fitting:
        takes = "; ".join(f"{task.name} takes {task.data_description}" for task in all_tasks())
        columns = ", ".join(getattr(data, "columns", ()))
        got = f"columns {columns}" if columns else "none that fits"
        hint = f"{data.suggest('text', 'label')}. {takes}" if isinstance(data, Records) else takes
        raise DataError(path, "expected data that a task takes", got=got, hint=hint)
    return fitting[0]


def folder_to_resume(data: Path | str | None, out: Path | str | None) -> Path:
    """The run folder `out`; None: the last one that was named after the data.

    Raises:
        ConfigError: there is none.
    """
    folder = Path(out) if out is not None else run_folder.last_name(Path(data)) if data is not None else None
    if folder is None:
        got = "none" if data is None else f"none, and there is no run named after {data}"
        raise ConfigError("--resume", "expected --out RUN, the run folder to go on with", got=got)
    return folder


def resumed_job(
    folder: Path, data: Path | str | None, task_name: str | None, layers: Sequence[Mapping[str, Any]]
) -> tuple[Job, checkpoint.Checkpoint]:
    """What a run folder trains, and its last checkpoint.

    Args:
        folder: the run folder.
        data: where its data is now; None: where it was.
        task_name: the task, if it is named again.
        layers: settings; those of a training that may not change must be what they were.

    Raises:
        ConfigError: a setting may not change.
        DataError: the data has moved.
        RunError: the run folder is damaged.
    """
    before, _ = run_folder.read_config(folder)
    named = task_name or next((str(layer["task"]) for layer in layers if "task" in layer), before.task.name)
    if named != before.task.name:
        raise ConfigError("--resume", f"the task must be {before.task.name}, as before", got=named)
    saved = before.to_dict()
    settings = with_precision(resolve(before.task, [{part: saved[part] for part in PARTS}, *layers]))
    _refuse_changes(saved, settings.to_dict())
    resumed = checkpoint.load(folder)
    path = Path(data) if data is not None else Path(resumed.data_path)
    if not path.exists():
        hint = f"If it has moved: seqloom train NEW --out {shlex.quote(str(folder))} --resume"
        raise DataError(
            path, "expected the data that the training began with", got="nothing there", hint=hint
        )
    preparation = run_folder.restore_preparation(folder, settings)
    divided = before.task.divide(preparation, settings.read(path))
    return Job(settings, preparation, divided, path), resumed


def _refuse_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for part in PARTS:
        for key, value in after[part].items():
            is_free = part == "training" and key in RESUMABLE
            if not is_free and value != before[part].get(key, value):
                allowed = ", ".join(f"training.{name}" for name in RESUMABLE)
                raise ConfigError(
                    "--resume", f"only these may change: {allowed}", got=f"{part}.{key}={value}"
                )
