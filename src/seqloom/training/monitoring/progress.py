"""What a person sees of a training: a progress bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from typing import final

from seqloom.progress import GAP, QUIET_SECONDS, Phase, fit_line, format_seconds
from seqloom.training.monitoring.callbacks import Callback
from seqloom.training.monitoring.records import Record

SECONDS_BETWEEN_LINES = 10.0
"""Where there is no terminal to draw on."""
BAR_WIDTH, PERCENT_WIDTH = 25, 6
"""Columns, with the space after each"""
NARROW = 80
"""A narrower terminal has no bar, so that there is room for its figures: the last ones go first."""


@final
class ProgressBar(Callback):
    """Loss, speed and time left on standard error. Each validation stays as a line of its own."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        self._bar = None
        self._last_line = -SECONDS_BETWEEN_LINES
        self._start: tuple[float, float] | None = None
        self._train: tuple[str, ...] = ()
        self._rate = self._validation = ""
        self._progress = 0.0
        if console.is_terminal:
            bar_width = BAR_WIDTH if console.width >= NARROW else 0
            self._width = console.width - PERCENT_WIDTH - bar_width
            columns = [
                TextColumn("{task.percentage:>3.0f} %", table_column=Column(no_wrap=True, min_width=5)),
                *([BarColumn(bar_width - 1)] if bar_width else []),
                TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            ]
            self._bar = Progress(*columns, console=console)
            self._bar_task = self._bar.add_task("the first steps", total=1.0)
            self._bar.start()

    def on_step(self, progress: float, seconds: float) -> None:
        """Redraw the bar, or print a line if the last one was some time ago."""
        texts = [self._time_left(progress), *self._train, self._validation, self._rate]
        parts = [text for text in texts if text]
        self._progress = progress
        if self._bar is not None:
            self._draw(parts)
        elif self._train and seconds - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = seconds
            self._print(f"{progress:4.0%}  {GAP.join(parts)}")

    def _draw(self, parts: list[str]) -> None:
        """Redraw the bar with what fits beside it."""
        assert self._bar is not None
        line = fit_line(parts, self._width)
        self._bar.update(self._bar_task, completed=self._progress, description=line)

    def start(self, phase: Phase) -> None:
        """Nothing: a phase is shown when it takes long."""

    def update(self, phase: Phase) -> None:
        """Show what is done within the training, such as a validation, in place of its own figures."""
        if self._bar is not None and phase.seconds >= QUIET_SECONDS:
            self._draw(phase.describe().split(GAP))

    def finish(self, phase: Phase) -> None:
        """Say how long the phase took if that was long; validations have lines of their own."""
        if phase.seconds >= SECONDS_BETWEEN_LINES and sys.exc_info()[0] is None:
            self._print(f"{phase.what}: {format_seconds(phase.seconds)}")

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
            self._train = (f"step {record.step:,}", f"loss {record.loss:.3f} nats per {unit}")
            self._rate = f"{rate:,.0f} {unit}s/s"
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
