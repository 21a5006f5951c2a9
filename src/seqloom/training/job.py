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
from seqloom.runs.config import PARTS, RunConfig, merge, nest, parse_settings, read_options, resolve
from seqloom.tasks import all_tasks, infer, task_named
from seqloom.tasks.base import Data, Preparation, Task
from seqloom.training import checkpoint
from seqloom.training.precision import with_precision

RESUMABLE = (
    *("learning_rate", "gradient_clip", "patience", "checkpoint_every", "log_every", "tensorboard"),
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
    data = chosen.arrange(data, config.data)
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


def resumed_job(
    data: Path | str | None, config: Path | str | None, layer: Mapping[str, Any], out: Path | str | None
) -> tuple[Path, Job, checkpoint.Checkpoint]:
    """The run folder `out`, what it trains, and its last checkpoint.

    Raises:
        ConfigError: `out` is missing, or a setting may not change.
        DataError: the data has moved.
        RunError: the run folder is damaged.
    """
    if out is None:
        raise ConfigError("--resume", "expected --out RUN, the run folder to go on with", got="none")
    if config is not None:
        raise ConfigError(
            "--resume", "takes the run folder's configuration", got="--config", hint="Leave it out"
        )
    folder = Path(out)
    before, _ = run_folder.read_config(folder)
    for part, values in layer.items():
        for key in values:
            if part != "training" or key not in RESUMABLE:
                resolve(before.task, [layer])  # an unknown key is the first mistake to name
                allowed = ", ".join(f"training.{name}" for name in RESUMABLE)
                raise ConfigError("--resume", f"only these may change: {allowed}", got=f"{part}.{key}")
    saved = before.to_dict()
    settings = resolve(before.task, [{part: saved[part] for part in PARTS}, layer])
    resumed = checkpoint.load(folder)
    path = Path(data) if data is not None else Path(resumed.data_path)
    if not path.exists():
        hint = f"If it has moved: seqloom train NEW --out {shlex.quote(str(folder))} --resume"
        raise DataError(
            path, "expected the data that the training began with", got="nothing there", hint=hint
        )
    preparation = before.task.restore(folder, settings.data)
    divided = before.task.divide(preparation, settings.read(path))
    return folder, Job(settings, preparation, divided, path), resumed
