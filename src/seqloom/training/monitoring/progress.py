"""What a person sees of a training: a progress bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from typing import final

from seqloom.training.monitoring.callbacks import Callback
from seqloom.training.monitoring.records import Record

SECONDS_BETWEEN_LINES = 10.0
"""Where there is no terminal to draw on."""


@final
class ProgressBar(Callback):
    """Loss, speed and time left on standard error. Each validation stays as a line of its own."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        self._bar = None
        self._last_line = -SECONDS_BETWEEN_LINES
        self._start: tuple[float, float] | None = None
        self._train = self._validation = ""
        if console.is_terminal:
            columns = (
                TextColumn("{task.percentage:>3.0f} %"),
                BarColumn(24),
                TextColumn("{task.description}", markup=False),
            )
            self._bar = Progress(*columns, console=console)
            self._bar_task = self._bar.add_task("the first steps", total=1.0)
            self._bar.start()

    def on_step(self, progress: float, seconds: float) -> None:
        """Redraw the bar, or print a line if the last one was some time ago."""
        texts = [self._time_left(progress), self._train, self._validation]
        line = "   ".join(text for text in texts if text)
        if self._bar is not None:
            self._bar.update(self._bar_task, completed=progress, description=line)
        elif self._train and seconds - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = seconds
            self._print(f"{progress:4.0%}  {line}")

    def _time_left(self, progress: float) -> str:
        """By the speed of this session; empty until there is any."""
        now = monotonic()
        self._start = self._start or (progress, now)
        first, started = self._start
        if progress <= first:
            return ""
        return f"{format_seconds((now - started) * (1 - progress) / (progress - first))} left"

    def on_record(self, record: Record) -> None:
        """Remember the training loss for the bar; print every other measurement."""
        unit = record.unit
        if record.split == "train":
            rate = record.details[f"{unit}s_per_second"]
            self._train = (
                f"step {record.step:,}   loss {record.loss:.3f} nats per {unit}   {rate:,.0f} {unit}s/s"
            )
            return
        self._validation = f"{record.split} {record.loss:.3f}"
        name = record.primary_metric
        is_loss = name not in record.scores or name == f"loss_nats_per_{unit}"
        score = "" if is_loss else f", {name} {record.scores[name]:.4f}"
        place = f"step {record.step:,} after {format_seconds(record.seconds)}"
        self._print(f"{place}: {record.split} {record.loss:.4f} nats per {unit}{score}")

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line)
        else:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()


def format_seconds(seconds: float) -> str:
    """A duration for a person.

    >>> format_seconds(59), format_seconds(125), format_seconds(7260)
    ('59 s', '2 min 05 s', '2 h 01 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
