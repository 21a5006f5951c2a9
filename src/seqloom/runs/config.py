"""The configuration of a run: defaults, then a YAML file, then `--set key=value`; unknown keys are errors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from seqloom.data.batching import MAX_UNITS
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.tables.columns import ExpectedColumns
from seqloom.errors import ConfigError, nearest
from seqloom.settings import PositiveInt, Probability, StrictConfig
from seqloom.stored import read_bytes
from seqloom.tasks.base import Context, LoadedRun, Preparation, Task

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PUNCTUATION = re.compile(r"[^\w\s~]")
"""A value of one such character, as in `data.separator=|`, is that character, whatever it means in YAML."""


class TrainingConfig(StrictConfig):
    """The `training.*` keys: the same for every task."""

    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0
    """Of initial weights, dropout and the order of batches."""
    batch_size: PositiveInt = 16
    """Sequences per step, over all processes."""
    batch_units: PositiveInt | None = None
    """Most tokens or frames per step, padding included, instead of `batch_size`; not for long texts, which
    are cut into windows."""
    max_units: PositiveInt = MAX_UNITS
    """Most tokens or frames of a batch that `batch_size` makes, padding included: where sequences are long, a
    batch has fewer of them. A longer sequence is a batch of its own."""
    window: PositiveInt = 64
    """Tokens per window of a long text, in truncated backpropagation through time; the state is carried from
    one window to the next."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the arithmetic in training; weights are float32. `auto`: bfloat16 where the machine computes it
    natively, else float32. The run folder records which it was."""

    optimizer: Literal["adamw", "sgd"] = "adamw"
    """AdamW, or SGD with `momentum`."""
    learning_rate: Positive = 4e-3
    """The highest, after the warm-up."""
    sparse_learning_rate: Positive = 0.1
    """Of tables with sparse gradients, such as n-gram features, by Adagrad; it follows the same schedule."""
    weight_decay: NotNegative = 0.0
    """Of matrices, not of biases; AdamW's is decoupled."""
    momentum: Probability = 0.0
    """Of `sgd`."""
    schedule: Literal["cosine", "linear", "plateau", "constant"] = "cosine"
    """`cosine` and `linear` fall to 0 at the limit; `plateau` multiplies the rate by `plateau_factor` after
    `plateau_patience` validations in a row without improvement."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    """Steps in which the learning rate rises from 0; at most a tenth of the training."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """What `plateau` multiplies the learning rate by."""
    plateau_patience: PositiveInt = 1
    """Validations in a row without improvement before `plateau` does so."""
    gradient_clip: Positive | None = 1.0
    """Largest norm of the whole gradient; null: not clipped."""
    averaging: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay per step of an exponential moving average of the weights, such as 0.999. The average is then what
    is validated and saved; null: no average."""

    max_epochs: PositiveInt | None = None
    """Passes over the training split; null: no limit."""
    max_steps: PositiveInt | None = None
    """Optimizer steps; null: no limit."""
    max_minutes: Positive | None = None
    """The limit that is reached first ends the training; with none set, `max_epochs` is 20."""
    patience: PositiveInt | None = 10
    """Validations in a row without improvement, of the task's metric or of the loss, that end the training;
    null: none do."""

    validate_every: PositiveInt | None = None
    """Steps between validations; null: once an epoch, within 250 to 2,000 steps, and seldom enough to take
    little of the time."""
    checkpoint_every: PositiveInt = 500
    """Steps between checkpoints, from which a training resumes."""
    checkpoint_minutes: Positive = 5.0
    """Minutes after which there is a checkpoint in any case."""
    log_every: PositiveInt = 50
    """Steps between records of the training loss."""
    tensorboard: bool = False
    """Write TensorBoard events into the run folder too."""
    license: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Of the model, for its card: an identifier of the Hugging Face Hub, such as `apache-2.0` or `cc-by-4.0`;
    null: the card says that none is stated."""


class RunConfig(NamedTuple):
    """A resolved configuration."""

    task: Task
    data: Any
    model: Any
    loss: Any
    training: TrainingConfig
    decoding: Any
    reading: ReadOptions = READ_DEFAULTS
    """The `data.*` keys that are not the task's: how data is read"""

    def context(self, preparation: Preparation, progress: float = 1.0, decoding: Any = None) -> Context:
        """What the task needs beside model and batch.

        Args:
            preparation: the run's.
            progress: the share of the training that is done, 0 to 1.
            decoding: the task's `DecodingConfig`; None: the run's.
        """
        return Context(preparation, self.model, self.loss, decoding or self.decoding, progress, _load_run)

    def read(self, path: Path | str, strict: bool = False, reading: Mapping[str, Any] | None = None) -> Any:
        """Read data as the run's own was read.

        Args:
            path: a file or a folder.
            strict: whether a bad row is an error; otherwise it is skipped and counted.
            reading: `data.*` keys of reading, such as `{"separator": ";"}`; they override the run's.

        Raises:
            DataError: the data cannot be read, or is not of the type that the task reads.
            ConfigError: a key that does not exist or is out of its range.
        """
        from seqloom.data.read import read
        from seqloom.data.series.table import SeriesTable
        from seqloom.data.text.corpus import TextCorpus

        options, expected = self.read_options(reading or {})
        reads = self.task.reads
        wanted = {"as_text": reads is TextCorpus, "as_series": reads is SeriesTable}
        data = read(path, strict, options, expected, **wanted)
        self.task.require(data)
        return data

    def read_options(self, reading: Mapping[str, Any]) -> tuple[ReadOptions, ExpectedColumns]:
        """How other data is read: the options, and what is known of its columns from the run's own data.

        Args:
            reading: `data.*` keys of reading; they override the run's.

        Raises:
            ConfigError: a key that does not exist or is out of its range.
        """
        for key in reading:
            if key not in READING_KEYS:
                raise ConfigError("data", f"unknown key `{key}`", hint=nearest(key, READING_KEYS))
        own = self.reading.model_dump(exclude={"columns"})
        expected = ExpectedColumns(self.reading.columns, categorical=getattr(self.data, "categorical", ()))
        expected = expected.and_of_tasks([self.task.layout])
        return read_options([{"data": own}, {"data": reading}]), expected

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        parts = {name: getattr(self, name).model_dump() for name in PARTS}
        return {"task": self.task.name, **parts, "data": {**self.reading.model_dump(), **parts["data"]}}


PARTS = ("data", "model", "loss", "training", "decoding")
READING_KEYS = tuple(ReadOptions.model_fields)


def resolve(task: Task, layers: Sequence[Mapping[str, Any]]) -> RunConfig:
    """Resolve a configuration: the task's defaults, overridden by nested mappings, the last of which wins.

    Args:
        task: whose keys and defaults these are.
        layers: mappings such as `{"training": {"batch_size": 8}}`.

    Raises:
        ConfigError: an unknown key, with the nearest known one, or a value out of its range.
    """
    schemas = {
        "data": task.DataConfig,
        "model": task.ModelConfig,
        "loss": task.LossConfig,
        "training": TrainingConfig,
        "decoding": task.DecodingConfig,
    }
    known = [f"{part}.{key}" for part in PARTS for key in schemas[part].model_fields]
    known += [f"data.{key}" for key in READING_KEYS]
    merged: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for layer in ({"training": task.training_defaults}, *layers):
        for part, values in layer.items():
            if part == "task":
                continue
            if part not in merged:
                raise ConfigError(
                    "configuration", f"unknown key `{part}`", hint=nearest(part, [*known, *PARTS])
                )
            if not isinstance(values, Mapping):
                raise ConfigError("configuration", f"`{part}` must hold keys of its own", got=values)
            merge(merged[part], values)
    for part in PARTS:
        for key in merged[part]:
            if f"{part}.{key}" not in known:
                raise ConfigError(
                    "configuration", f"unknown key `{part}.{key}`", hint=nearest(f"{part}.{key}", known)
                )
    own_keys = schemas["data"].model_fields.keys()
    reading = {key: value for key, value in merged["data"].items() if key in READING_KEYS}
    merged["data"] = {key: value for key, value in merged["data"].items() if key in own_keys}
    data, model, loss, training, decoding = (_validated(part, schemas[part], merged[part]) for part in PARTS)
    if training.max_epochs is None and training.max_steps is None and training.max_minutes is None:
        training = training.model_copy(update={"max_epochs": 20})
    return RunConfig(task, data, model, loss, training, decoding, _validated("data", ReadOptions, reading))


def read_options(layers: Sequence[Mapping[str, Any]]) -> ReadOptions:
    """How data is read, of nested mappings, the last of which wins: known before the task is.

    Raises:
        ConfigError: a value out of its range.

    >>> read_options([{"data": {"separator": ";", "unit": "word"}}]).separator
    ';'
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        values = layer.get("data", {})
        merge(merged, values if isinstance(values, Mapping) else {})
    return _validated("data", ReadOptions, {key: merged[key] for key in merged if key in READING_KEYS})


def categorical_columns(layers: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The columns of words that nested mappings name, the last of which wins: known before the task is.

    >>> categorical_columns([{"data": {"categorical": ["weather"]}}, {"data": {"horizon": 3}}])
    ('weather',)
    """
    names: Any = ()
    for layer in layers:
        values = layer.get("data", {})
        names = values.get("categorical", names) if isinstance(values, Mapping) else names
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list | tuple) else ()


def merge(target: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Put `values` over those of `target`; where both are mappings, key by key."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            inner = target.get(key)
            target[key] = dict(inner) if isinstance(inner, Mapping) else {}
            merge(target[key], value)
        else:
            target[key] = value


def nest(name: str, value: Any) -> dict[str, Any]:
    """A setting as a nested mapping.

    >>> nest("data.columns.text", "review")
    {'data': {'columns': {'text': 'review'}}}
    """
    for key in reversed(name.split(".")):
        value = {key: value}
    return value


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigError: it is missing, is not YAML, or is not a mapping.
    """
    from seqloom.runs.yaml_values import YAMLError, parse_yaml

    try:
        content = parse_yaml(read_bytes(path).decode())
    except OSError as error:
        raise ConfigError(path, "expected a YAML file", got=error.strerror or "nothing") from None
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f"{path}, line {place.line + 1}" if place else str(path)
        raise ConfigError(where, "must be YAML", got=getattr(error, "problem", None) or str(error)) from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(path, "must hold keys such as `training:`", got=type(content).__name__)
    return content


def parse_settings(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`["training.learning_rate=3e-4"]` as a nested mapping.

    Raises:
        ConfigError: not of the form part.key=value.

    >>> parse_settings(["training.learning_rate=3e-4", "data.columns.text=review"])
    {'training': {'learning_rate': 0.0003}, 'data': {'columns': {'text': 'review'}}}
    """
    from seqloom.runs.yaml_values import YAMLError, parse_yaml

    nested: dict[str, dict[str, Any]] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        part, dot, key = name.strip().partition(".")
        if not (equals and dot and part and key):
            raise ConfigError("--set", "expected part.key=value, as in training.batch_size=32", got=setting)
        try:
            merge(nested, nest(name.strip(), value if PUNCTUATION.fullmatch(value) else parse_yaml(value)))
        except (YAMLError, RecursionError):
            raise ConfigError(
                "--set", f"the value of {name} must be a number, a word or a list", got=value
            ) from None
    return nested


def _validated(part: str, schema: type[BaseModel], values: dict[str, Any]) -> Any:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(place) for place in first["loc"][: 2 if part == "data" else 1])
        message = first["msg"][0].lower() + first["msg"][1:]
        got, hint = json.dumps(first["input"], default=str), first.get("ctx", {}).get("hint", "")
        raise ConfigError(f"{part}.{key}", message, got=got, hint=hint) from None


def _load_run(folder: Path) -> LoadedRun:
    from seqloom.runs.run_folder import load_run  # which needs this module

    return load_run(folder)
