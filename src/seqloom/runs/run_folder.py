"""A run folder: config.json, model.safetensors, the preparation, metrics.jsonl, README.md and resume/.

It appears whole, under its own name, once it can be resumed; nothing in it is a pickle.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

import seqloom
from seqloom.errors import ConfigError, RunError
from seqloom.files import cannot_write, write_atomically
from seqloom.runs import format_1, weights
from seqloom.runs.config import PARTS, RunConfig, resolve
from seqloom.tasks import task_named
from seqloom.tasks.base import LoadedRun, Preparation

FORMAT = 2
CONFIG, MODEL, METRICS, CARD = "config.json", "model.safetensors", "metrics.jsonl", "README.md"

LAST_BYTES = 1 << 20
"""Of `metrics.jsonl`, in which its last record is."""


def refuse_taken(folder: Path) -> None:
    """Refuse a run folder that would overwrite something.

    Raises:
        RunError: `folder` exists and is not an empty folder, or its parent is a file.
    """
    parent = next(parent for parent in folder.absolute().parents if parent.exists())
    if not parent.is_dir():
        raise RunError(folder, "must be in a folder", got=f"{parent}, a file", hint="Name another with --out")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    is_run = (folder / CONFIG).exists()
    raise RunError(
        folder,
        "expected a new folder",
        got="one that holds a run" if is_run else "one that holds something else",
        hint="Go on with it by --resume, or name another with --out" if is_run else "Name another with --out",
    )


def create(
    folder: Path, config: RunConfig, digest: str, preparation: Preparation, fill: Callable[[Path], None]
) -> None:
    """Make a run folder under a temporary name, and rename it once it can be resumed.

    Args:
        folder: its final name; its parents are made.
        config: the resolved configuration.
        digest: digest of the training data.
        preparation: whose files go into the folder.
        fill: writes the first checkpoint into the folder, whose temporary name it is given.

    Raises:
        RunError: something is there already, or it cannot be written.
    """
    refuse_taken(folder)
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        (temporary / "resume").mkdir()
        write_config(temporary, config, digest)
        save_preparation(temporary, preparation)
        fill(temporary)
        os.chmod(temporary, 0o755)
        os.replace(temporary, folder)
    except OSError as error:
        raise cannot_write(folder, error) from None
    finally:
        if temporary is not None and temporary.exists():
            shutil.rmtree(temporary)


def save_preparation(folder: Path, preparation: Preparation) -> None:
    """Write or replace the files of the preparation."""
    for name, text in preparation.files().items():
        write_atomically(folder / name, text)


def write_config(folder: Path, config: RunConfig, digest: str) -> None:
    """Write or replace `config.json`."""
    content = {"format": FORMAT, "seqloom": seqloom.__version__, "data_digest": digest, **config.to_dict()}
    write_atomically(folder / CONFIG, json.dumps(content, indent=2) + "\n")


def reopen(folder: Path, config: RunConfig, digest: str) -> None:
    """Before a training resumes: write its configuration as it is now, and remove the last report."""
    write_config(folder, config, digest)
    (folder / CARD).unlink(missing_ok=True)


def read_config(folder: Path) -> tuple[RunConfig, str]:
    """The configuration of a run folder, and the digest of its training data.

    Raises:
        RunError: it is no run folder, is damaged, or was written by a newer version.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise RunError(folder, "expected a run folder", got="no such folder")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["format"]
        if version == 1:
            content, version = format_1.upgrade(content), FORMAT
        parts: dict[str, Any] = {name: content.get(name, {}) for name in PARTS}
        digest = content["data_digest"]
        task = task_named(content["task"]) if version == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        got = "no config.json" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise RunError(path, "expected the config.json of a run folder", got=got) from None
    if task is None:
        raise RunError(
            path,
            f"expected format {FORMAT}",
            got=f"format {version}, written by seqloom {content.get('seqloom')}",
            hint=f"Update seqloom; this is {seqloom.__version__}",
        )
    try:
        return resolve(task, [parts]), digest
    except ConfigError as error:
        raise RunError(path, "expected settings of this version", got=str(error)) from None


def save_model(folder: Path, model: nn.Module) -> None:
    """Replace `model.safetensors`."""
    write_atomically(folder / MODEL, weights.to_bytes(weights.unique_state(model), {"format": "pt"}))


def load_model(folder: Path, model: nn.Module) -> None:
    """Load `model.safetensors` into `model`.

    Raises:
        RunError: it is missing, damaged, or of another model.
    """
    if not (folder / MODEL).exists():
        raise RunError(
            folder / MODEL,
            "expected the weights of a trained model",
            got="no such file",
            hint="The training has not validated yet; go on with it by --resume",
        )
    weights.load_state(model, weights.read(folder / MODEL)[0], folder / MODEL)


def load_run(folder: Path) -> LoadedRun:
    """The trained model of a run folder, in evaluation mode on the CPU, with its task and preparation.

    Raises:
        RunError: it is no run folder, or is damaged.
    """
    config, _ = read_config(folder)
    preparation = config.task.restore(folder, config.data)
    model = config.task.build(preparation, config.model)
    load_model(folder, model)
    return LoadedRun(config.task, preparation, model.eval())


def training_seconds(folder: Path) -> float | None:
    """How long the training took, by the last record of `metrics.jsonl`; None where that does not say it."""
    try:
        with (folder / METRICS).open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LAST_BYTES, 0))
            return float(json.loads(file.read().splitlines()[-1])["seconds"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def free_name(data: Path) -> Path:
    """`runs/NAME`, named after the data, or the first of `runs/NAME-2`, `-3` … that does not exist."""
    base = Path("runs") / (data.resolve().stem or "run")
    candidates = (
        base if number == 1 else base.with_name(f"{base.name}-{number}") for number in range(1, 10_000)
    )
    return next(candidate for candidate in candidates if not candidate.exists())
