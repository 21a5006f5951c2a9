"""Who listens to a training: the metrics file, TensorBoard, and the person at the terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol, final

from seqloom.errors import ConfigError
from seqloom.files import cannot_write

QUIET_SECONDS = 10.0
"""Between lines where there is no terminal to draw on."""


class Hook(Protocol):
    """Told of what happens; decides nothing."""

    def step(self, progress: float, seconds: float) -> None:
        """After each step: the share of the limit that is used up, and seconds since the start."""
        ...

    def record(self, record: dict[str, Any]) -> None:
        """A line for metrics.jsonl."""
        ...

    def written_bytes(self) -> int:
        """What a resumed training keeps of what this hook has written."""
        ...

    def close(self) -> None:
        """The end, however it came."""
        ...


@final
class MetricsFile:
    """`metrics.jsonl`: a line per record.

    Args:
        path: the file.
        keep_bytes: what to keep of it: lines after the checkpoint are about to be written again.
    """

    def __init__(self, path: Path, keep_bytes: int = 0) -> None:
        self._path = path
        self._file = path.open("ab")
        self._file.truncate(min(keep_bytes, path.stat().st_size))

    def step(self, progress: float, seconds: float) -> None:
        """Nothing."""

    def record(self, record: dict[str, Any]) -> None:
        """Append a line, at once readable by others."""
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise cannot_write(self._path, error) from None

    def written_bytes(self) -> int:
        """The file's length, once it is on the disk."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close it."""
        self._file.close()


@final
class TensorBoard:
    """The same numbers as TensorBoard scalars, under `tensorboard/` of the run folder.

    Args:
        folder: the run folder.
        first_step: records from here on are written again.

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

    def step(self, progress: float, seconds: float) -> None:
        """Nothing."""

    def record(self, record: dict[str, Any]) -> None:
        """A scalar for every number."""
        for name, value in _scalars(record):
            self._writer.add_scalar(f"{record['split']}/{name}", value, record["step"])

    def written_bytes(self) -> int:
        """TensorBoard has its own order."""
        return 0

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _scalars(record: dict[str, Any]) -> list[tuple[str, float]]:
    flat = {**record, **{f"gradient_norms/{k}": v for k, v in record.get("gradient_norms", {}).items()}}
    return [
        (k, v)
        for k, v in flat.items()
        if isinstance(v, (int, float)) and k not in ("step", "epoch", "seconds")
    ]


@final
class Terminal:
    """Loss, rate and time left: a live line on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._live = None
        self._said = -QUIET_SECONDS
        self._began: tuple[float, float] | None = None
        self._train = self._validation = ""
        if console.is_terminal:
            columns = TextColumn("{task.percentage:>3.0f} %"), BarColumn(24), TextColumn("{task.description}")
            self._live = Progress(*columns, console=console)
            self._bar = self._live.add_task("the first steps", total=1.0)
            self._live.start()

    def step(self, progress: float, seconds: float) -> None:
        """Redraw, or say a line if the last one is some time ago."""
        self._began = self._began or (progress, time.monotonic())
        before, since = self._began
        left = (
            (time.monotonic() - since) * (1 - progress) / (progress - before) if progress > before else None
        )
        texts = [f"{clock(left)} left" if left is not None else "", self._train, self._validation]
        line = "   ".join(text for text in texts if text)
        if self._live is not None:
            self._live.update(self._bar, completed=progress, description=line)
        elif self._train and seconds - self._said >= QUIET_SECONDS:
            self._said = seconds
            self._say(f"{progress:4.0%}  {line}")

    def record(self, record: dict[str, Any]) -> None:
        """Remember what to show; a validation is always shown."""
        name, loss = next((k, v) for k, v in record.items() if k.startswith("loss_nats_per_"))
        unit = name.removeprefix("loss_nats_per_")
        if record["split"] == "train":
            self._train = (
                f"step {record['step']:,}   loss {loss:.3f} nats per {unit}   "
                f"{record[f'{unit}s_per_second']:,.0f} {unit}s/s"
            )
            return
        self._validation = f"{record['split']} {loss:.3f}"
        place = f"step {record['step']:,} after {clock(record['seconds'])}"
        scores = "".join(f", {name} {record[name]:.4f}" for name in list(record)[5:8] if name in record)
        self._say(f"{place}: {record['split']} {loss:.4f} nats per {unit}{scores}")

    def _say(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, highlight=False)
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def written_bytes(self) -> int:
        """Nothing on disk."""
        return 0

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()


def clock(seconds: float) -> str:
    """Seconds for a person.

    >>> clock(59), clock(125), clock(7260)
    ('59 s', '2 min 05 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
