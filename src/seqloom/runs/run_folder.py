"""A run folder: config.json, model.safetensors, the preparation, metrics.jsonl, README.md and resume/.

It appears whole, under its own name, once it can be resumed; nothing in it is a pickle.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, final

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

import seqloom
from seqloom.errors import ConfigError, RunError
from seqloom.files import cannot_write, write_atomically
from seqloom.runs import checksums, format_1, weights
from seqloom.runs.config import PARTS, RunConfig, resolve
from seqloom.runs.lock import RunLock
from seqloom.stored import open_file, read_bytes
from seqloom.tasks import task_named
from seqloom.tasks.base import LoadedRun, Preparation

FORMAT = 2
CONFIG, MODEL, METRICS, CARD = "config.json", "model.safetensors", "metrics.jsonl", "README.md"
REPORT = "report.html"

MAX_NUMBERS = 4096
"""That a model without memory counts in memory"""
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
) -> RunLock:
    """Make a run folder under a temporary name, and rename it once it can be resumed.

    Args:
        folder: its final name; its parents are made.
        config: the resolved configuration.
        digest: digest of the training data.
        preparation: whose files go into the folder.
        fill: writes the first checkpoint into the folder, whose temporary name it is given.

    Returns:
        The right to write it.

    Raises:
        RunError: something is there already, or it cannot be written.
    """
    refuse_taken(folder)
    temporary = lock = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        (temporary / "resume").mkdir()
        lock = RunLock(temporary)
        write_config(temporary, config, digest)
        save_preparation(temporary, preparation)
        fill(temporary)
        os.chmod(temporary, 0o755)
        os.replace(temporary, folder)
        return lock
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            lock.release()
        if isinstance(error, OSError):
            raise cannot_write(folder, error) from None
        raise


def save_preparation(folder: Path, preparation: Preparation) -> None:
    """Write or replace the files of the preparation, and their checksums in `config.json`.

    While a file is replaced, both the old and the new one are valid: a process may be killed in between.
    """
    content = _read_json(folder / CONFIG)
    files, before = preparation.files(), checksums.signed_files(content)
    after = {name: [checksums.compute_checksum(text)] for name, text in files.items()}
    _write_json(
        folder, content, {name: sorted({*before.get(name, ()), *sums}) for name, sums in after.items()}
    )
    for name, text in files.items():
        write_atomically(folder / name, text)
    if before.keys() & after.keys():
        _write_json(folder, content, after)


def write_config(folder: Path, config: RunConfig, digest: str) -> None:
    """Write or replace `config.json`; the checksums of other files stay."""
    path = folder / CONFIG
    files = checksums.signed_files(_read_json(path)) if path.exists() else {}
    content = {"format": FORMAT, "seqloom": seqloom.__version__, "data_digest": digest, **config.to_dict()}
    _write_json(folder, content, files)


def _write_json(folder: Path, content: dict[str, Any], files: dict[str, list[str]]) -> None:
    rest = {key: value for key, value in content.items() if key != checksums.KEY}
    write_atomically(folder / CONFIG, json.dumps(checksums.sign(rest, files), indent=2) + "\n")


def _read_json(path: Path) -> dict[str, Any]:
    """The content of a `config.json`, as it was written.

    Raises:
        RunError: there is none, or it is damaged.
    """
    try:
        content = json.loads(read_bytes(path))
        is_newer = content["format"] > FORMAT
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        got = "no config.json" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise RunError(path, "expected the config.json of a run folder", got=got) from None
    if not is_newer:
        checksums.verify_content(path, content)
    return content


def restore_preparation(folder: Path, config: RunConfig) -> Preparation:
    """The preparation of a run folder, from files as they were written.

    Raises:
        RunError: a file is missing or damaged.
    """
    checksums.verify_files(folder, checksums.signed_files(_read_json(folder / CONFIG)))
    return config.task.restore(folder, config.data)


def lock(folder: Path) -> RunLock:
    """The right to write a run folder.

    Raises:
        RunError: it is no run folder, or another process trains it.
    """
    read_config(folder)
    try:
        (folder / "resume").mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(folder / "resume", error) from None
    return RunLock(folder)


def reopen(folder: Path, config: RunConfig, digest: str) -> None:
    """Before a training resumes: write its configuration as it is now, and remove the last report."""
    write_config(folder, config, digest)
    try:
        (folder / CARD).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder / CARD, error) from None


def read_config(folder: Path) -> tuple[RunConfig, str]:
    """The configuration of a run folder, and the digest of its training data.

    Raises:
        RunError: it is no run folder, is damaged, or was written by a newer version.
    """
    path = folder / CONFIG
    if not folder.is_dir():
        raise RunError(folder, "expected a run folder", got="no such folder")
    content = _read_json(path)
    try:
        version = content["format"]
        if version == 1:
            content, version = format_1.upgrade(content), FORMAT
        parts: dict[str, Any] = {name: content.get(name, {}) for name in PARTS}
        digest = content["data_digest"]
        task = task_named(content["task"]) if version == FORMAT else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
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
    weights.write(folder / MODEL, weights.unique_state(model), {"format": "pt"})


def build_model(config: RunConfig, preparation: Preparation) -> nn.Module:
    """The untrained model of a run, on the CPU whatever torch's default device is."""
    with torch.device("cpu"):
        return config.task.build(preparation, config.model)


def build_without_memory(config: RunConfig, preparation: Preparation) -> nn.Module:
    """The model of a run as shapes alone, on torch's device without memory."""
    with torch.device("meta"), _Described():
        return config.task.build(preparation, config.model)


def load_model(folder: Path, model: nn.Module) -> None:
    """Load `model.safetensors` into `model`.

    Raises:
        RunError: it is missing, damaged, or of another model.
    """
    path = _trained_weights(folder)
    weights.load_state(model, weights.read(path)[0], path)


def load_trained(folder: Path, config: RunConfig, preparation: Preparation) -> nn.Module:
    """The trained model of a run, in evaluation mode on the CPU.

    What its configuration describes is built without memory first, and must have the shapes of the file: a
    small folder from a stranger must not ask for gigabytes.

    Raises:
        RunError: the weights are missing, damaged, or of another model.
    """
    path = _trained_weights(folder)
    try:
        described = build_without_memory(config, preparation)
    except (RuntimeError, TypeError, OverflowError, ConfigError) as error:  # of torch: sizes beyond 64 bits
        got = str(error).partition("\n")[0].removesuffix(".")
        raise RunError(folder / CONFIG, "must describe a model that can be built", got=got) from None
    weights.require_shapes(described, weights.read_shapes(path), path)
    model = build_model(config, preparation)
    load_model(folder, model)
    return model.eval()


@final
class _Described(TorchFunctionMode):
    """Computes nothing for which, without memory, torch would import its compiler, which takes seconds.

    Normal values are not drawn; the few numbers that a model counts up to are in memory.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.normal_ or func is nn.init.normal_:
            return args[0] if args else kwargs["tensor"]
        if func is torch.arange and all(type(value) is int for value in args):
            numbers: Sequence[Any] = range(*args)
        else:
            numbers = args[0] if func is torch.tensor and isinstance(args[0], list) else ()
        if 0 < len(numbers) <= MAX_NUMBERS:
            kwargs.setdefault("device", "cpu")
        return func(*args, **kwargs)


def _trained_weights(folder: Path) -> Path:
    if not (folder / MODEL).exists():
        raise RunError(
            folder / MODEL,
            "expected the weights of a trained model",
            got="no such file",
            hint="The training has not validated yet; go on with it by --resume",
        )
    return folder / MODEL


def load_run(folder: Path) -> LoadedRun:
    """The trained model of a run folder, in evaluation mode on the CPU, with its task and preparation.

    Raises:
        RunError: it is no run folder, or is damaged.
    """
    config, _ = read_config(folder)
    preparation = restore_preparation(folder, config)
    return LoadedRun(config.task, preparation, load_trained(folder, config, preparation))


def training_seconds(folder: Path) -> float | None:
    """How long the training took, by the last record of `metrics.jsonl`; None where that does not say it."""
    try:
        with open_file(folder / METRICS) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - LAST_BYTES, 0))
            return float(json.loads(file.read().splitlines()[-1])["seconds"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def free_name(data: Path) -> Path:
    """`runs/NAME`, named after the data, or the first of `runs/NAME-2`, `-3` … that does not exist."""
    return next(name for name in _names(data) if not name.exists())


def last_name(data: Path) -> Path | None:
    """The folder that `free_name` gave last; None: it gave none that exists."""
    existing = list(takewhile(Path.exists, _names(data)))
    return existing[-1] if existing else None


def _names(data: Path) -> Iterator[Path]:
    base = Path("runs") / (data.resolve().stem or "run")
    return (base if number == 1 else base.with_name(f"{base.name}-{number}") for number in range(1, 10_000))
