"""What listens to a training: the metrics file and TensorBoard; `progress` has the terminal."""

from __future__ import annotations

import errno
import io
import json
import os
import platform
import time
from pathlib import Path
from typing import Any, final

from seqloom.errors import ConfigError, RunError
from seqloom.files import cannot_write
from seqloom.training.monitoring.records import Record

PIECE = 1 << 16
"""Bytes that are read at a time"""


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
        keep_bytes: how much of it to keep: lines after the checkpoint are written again, and what is left of
            a torn one is removed.

    Raises:
        RunError: it cannot be written, or is no file.
    """

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self._path = path
        if path.exists() and not path.is_file():
            raise RunError(path, "expected a file of records", got="something else")
        self._file = _open_to_append(path)
        try:
            size = _end_of_lines(self._file, min(keep_bytes, os.fstat(self._file.fileno()).st_size))
            self._file.truncate(size)
        except OSError as error:
            self._file.close()
            raise cannot_write(path, error) from None
        self.missing_bytes = keep_bytes - size
        """What the file should have had, and has not"""

    def on_record(self, record: Record) -> None:
        """Append a line, which others can read at once.

        Raises:
            RunError: it cannot be written, for example because the disk is full.
        """
        _append(self._file, json.dumps(record.to_dict()).encode() + b"\n", self._path)

    def written_bytes(self) -> int:
        """The file's length, once it is on the disk.

        Raises:
            RunError: the disk does not take it.
        """
        try:
            os.fsync(self._file.fileno())
            # Not `tell`: what was cut off since the file was opened would count too.
            return os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise cannot_write(self._path, error) from None

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
        RunError: the folder cannot be written.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
        except ImportError:
            raise ConfigError(
                "training.tensorboard", "needs a package", hint="pip install 'seqloom[tensorboard]'"
            ) from None
        self._events: Any = event_pb2
        self._summaries: Any = summary_pb2
        host, process = platform.node(), os.getpid()
        self._path = folder / "tensorboard" / f"events.out.tfevents.{time.time():.6f}.{host}.{process}"
        try:
            self._path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(self._path.parent, error) from None
        self._file = _open_to_append(self._path)
        try:
            self._write(step=first_step, file_version="brain.Event:2")
            # Whoever reads it forgets what other files have from here on.
            start = self._events.SessionLog(status=self._events.SessionLog.START)
            self._write(step=first_step, session_log=start)
        except BaseException:
            self._file.close()
            raise

    def on_record(self, record: Record) -> None:
        """Write a scalar for every number, as `train/loss_nats_per_character`.

        Raises:
            RunError: it cannot be written, for example because the disk is full.
        """
        norms = record.details.get("gradient_norms", {})
        numbers = {**record.scores, **record.details}
        numbers |= {f"gradient_norms/{parameter}": norm for parameter, norm in norms.items()}
        values = [
            self._summaries.Summary.Value(tag=f"{record.split}/{name}", simple_value=value)
            for name, value in numbers.items()
            if isinstance(value, (int, float))
        ]
        self._write(step=record.step, summary=self._summaries.Summary(value=values))

    def _write(self, **fields: Any) -> None:
        """Append an event. TensorBoard's own writer does so in a thread, whose errors nobody hears of."""
        from tensorboard.summary.writer.record_writer import RecordWriter

        framed = io.BytesIO()
        event = self._events.Event(wall_time=time.time(), **fields)
        RecordWriter(framed).write(event.SerializeToString())
        _append(self._file, framed.getvalue(), self._path)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open_to_append(path: Path) -> io.FileIO:
    """Unbuffered: what could not be written must not be tried again when the file is closed."""
    try:
        return path.open("a+b", buffering=0)
    except OSError as error:
        raise cannot_write(path, error) from None


def _append(file: io.FileIO, content: bytes, path: Path) -> None:
    try:
        if file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise cannot_write(path, error) from None


def _end_of_lines(file: io.FileIO, size: int) -> int:
    """Where the last whole line ends of the first `size` bytes."""
    end = size
    while end > 0:
        start = max(end - PIECE, 0)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0
