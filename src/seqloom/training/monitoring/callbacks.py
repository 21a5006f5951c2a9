"""What listens to a training: the metrics file and TensorBoard; `progress` has the terminal."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import final

from seqloom.errors import ConfigError, RunError
from seqloom.files import cannot_write
from seqloom.training.monitoring.records import Record


class Callback:
    """Is told what happens in a training and decides nothing. Every method does nothing unless overridden."""

    def on_step(self, progress: float, seconds: float) -> None:
        """After each step.

        Args:
            progress: the share of the training that is done, 0 to 1.
            seconds: time spent in training so far.
        """

    def on_record(self, record: Record) -> None:
        """After each measurement: every `training.log_every` steps, and at each validation."""

    def written_bytes(self) -> int:
        """How much of metrics.jsonl a resumed training keeps."""
        return 0

    def close(self) -> None:
        """At the end of the training, whether it finished, failed or was interrupted."""


@final
class MetricsFile(Callback):
    """`metrics.jsonl`: a line per record.

    Args:
        path: the file.
        keep_bytes: how much of it to keep: lines after the checkpoint are written again.

    Raises:
        RunError: it cannot be written, or is no file.
    """

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self._path = path
        if path.exists() and not path.is_file():
            raise RunError(path, "expected a file of records", got="something else")
        try:
            # Unbuffered: what could not be written must not be tried again when the file is closed.
            self._file = path.open("ab", buffering=0)
            self._file.truncate(min(keep_bytes, path.stat().st_size))
        except OSError as error:
            raise cannot_write(path, error) from None

    def on_record(self, record: Record) -> None:
        """Append a line, which others can read at once.

        Raises:
            RunError: it cannot be written, for example because the disk is full.
        """
        line = json.dumps(record.to_dict()).encode() + b"\n"
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def written_bytes(self) -> int:
        """The file's length, once it is on the disk.

        Raises:
            RunError: the disk does not take it.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self._path, error) from None
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@final
class TensorBoard(Callback):
    """Every number of a record as a TensorBoard scalar, under `tensorboard/` of the run folder.

    Args:
        folder: the run folder.
        first_step: records from this step on are written again.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "training.tensorboard", "needs a package", hint="pip install 'seqloom[tensorboard]'"
            ) from None
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)

    def on_record(self, record: Record) -> None:
        """Write a scalar for every number, as `train/loss_nats_per_character`."""
        norms = record.details.get("gradient_norms", {})
        numbers = {**record.scores, **record.details}
        numbers |= {f"gradient_norms/{parameter}": norm for parameter, norm in norms.items()}
        for name, value in numbers.items():
            if isinstance(value, (int, float)):
                self._writer.add_scalar(f"{record.split}/{name}", value, record.step)

    def close(self) -> None:
        """Write what is still in memory."""
        self._writer.close()
