"""What long work shows while it runs: what it does, how far it is, how long it will take.

Work reports itself by `phase`, wherever it is. Nothing is shown unless somebody listens, as the command line
does: the library itself prints nothing.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Protocol, final

QUIET_SECONDS = 1.0
"""A phase that is over sooner is not shown."""
SECONDS_BETWEEN_DRAWINGS = 0.2
SECONDS_BETWEEN_LINES = 10.0
"""Where there is no terminal to draw on."""


class Listener(Protocol):
    """Who is told of phases."""

    def update(self, phase: Phase) -> None:
        """After each advance."""
        ...

    def finish(self, phase: Phase) -> None:
        """At the end of a phase, whether it is complete or not."""
        ...


_listener: ContextVar[Listener | None] = ContextVar("seqloom_progress", default=None)


@final
class Phase:
    """A piece of work.

    Args:
        what: what it does, as `reading reviews.csv`.
        total: how much there is to do; None: nobody knows.
        unit: what is counted where the total is unknown.
    """

    def __init__(self, what: str, total: float | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0.0
        self.started = monotonic()
        self._listener = _listener.get()

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        self.done += amount
        if self._listener is not None:
            self._listener.update(self)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return monotonic() - self.started

    def describe(self) -> str:
        """For example `reading reviews.csv   42 %   12 s left`."""
        if not self.total:
            return f"{self.what}   {self.done:,.0f} {self.unit}   {format_seconds(self.seconds)}"
        share = min(self.done / self.total, 1.0)
        left = f"   {format_seconds(self.seconds * (1 - share) / share)} left" if share else ""
        return f"{self.what}   {100 * share:.0f} %{left}"


@contextmanager
def phase(what: str, total: float | None = None, unit: str = "rows") -> Iterator[Phase]:
    """Report a piece of work to whoever listens.

    Args:
        what: what it does, in a few words.
        total: how much there is to do; None: nobody knows.
        unit: what is counted where the total is unknown.

    Yields:
        `Phase`, to be told of every advance. An interruption is noted with what it interrupted.

    >>> with phase("counting", total=3) as counting:
    ...     for _ in range(3):
    ...         counting.advance()
    >>> counting.describe()
    'counting   100 %   0 s left'
    """
    current = Phase(what, total, unit)
    try:
        yield current
    except KeyboardInterrupt as interruption:
        if not hasattr(interruption, "__notes__"):
            interruption.add_note(f"while {what}")
        raise
    finally:
        if current._listener is not None:
            current._listener.finish(current)


@contextmanager
def listen(listener: Listener | None) -> Iterator[None]:
    """Tell `listener`, and nobody else, of the phases within."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def shown(show: bool = True) -> Iterator[None]:
    """Show phases that take longer than a second on standard error.

    A terminal has one line that is redrawn; elsewhere a line is printed every ten seconds.
    """
    if show:
        with listen(StandardError()):
            yield
    else:
        yield


@final
class StandardError:
    """Draws phases on standard error."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._last_drawing = float("-inf")
        self._is_drawn = False

    def update(self, phase: Phase) -> None:
        """Draw the phase, unless it is young or was just drawn."""
        now = monotonic()
        pause = SECONDS_BETWEEN_DRAWINGS if self._is_terminal else SECONDS_BETWEEN_LINES
        age = QUIET_SECONDS if self._is_terminal else SECONDS_BETWEEN_LINES
        if now - phase.started < age or now - self._last_drawing < pause:
            return
        self._last_drawing = now
        line = phase.describe()
        if self._is_terminal:
            self._is_drawn = True
            width = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\x1b[K{fit_line(line.split('   '), width - 1)}")
        else:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def finish(self, phase: Phase) -> None:
        """Remove the drawing, and leave a line if the phase took long."""
        if self._is_drawn:
            sys.stderr.write("\r\x1b[K")
            self._is_drawn = False
        if phase.seconds >= QUIET_SECONDS and sys.exc_info()[0] is None:
            sys.stderr.write(f"{phase.what}: {format_seconds(phase.seconds)}\n")
        sys.stderr.flush()


def fit_line(parts: list[str], width: int) -> str:
    """As many parts of a line as fit into `width` characters: the last are the least important.

    >>> fit_line(["42 %", "3 s left", "loss 1.2"], 17), fit_line(["a long name"], 6)
    ('42 %   3 s left', 'a long')
    """
    while len(parts) > 1 and len("   ".join(parts)) > width:
        parts = parts[:-1]
    return "   ".join(parts)[: max(width, 0)]


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
