"""What long work shows while it runs: what it does, how far it is, how long it will take.

Work reports itself by `phase`, wherever it is. Nothing is shown unless somebody listens, as the command line
does: the library itself prints nothing.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Protocol, TypeVar, final

T = TypeVar("T")

QUIET_SECONDS = 1.0
"""A phase that is over sooner is not shown."""
SECONDS_BETWEEN_DRAWINGS = 0.2
SECONDS_BETWEEN_REDRAWINGS = 0.5
SECONDS_BETWEEN_LINES = 10.0
"""Where there is no terminal to draw on."""
GAP = "   "
"""Between the parts of a line"""


class Listener(Protocol):
    """Who is told of phases."""

    def start(self, phase: Phase) -> None:
        """At the beginning of a phase, which may be within another."""
        ...

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
        if self._listener is not None:
            self._listener.start(self)

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        self.done += amount
        if self._listener is not None:
            self._listener.update(self)

    def count(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items, and advance by one for each."""
        for item in items:
            yield item
            self.advance()

    def finish(self) -> None:
        """It is over."""
        if self._listener is not None:
            self._listener.finish(self)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return monotonic() - self.started

    def describe(self) -> str:
        """For example `reading reviews.csv   42 %   12 s left`."""
        if not self.total:
            done = f"   {self.done:,.0f} {self.unit}" if self.done else ""
            return f"{self.what}{done}   {format_seconds(self.seconds)}"
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
        current.finish()


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
    if not show:
        yield
        return
    drawing = StandardError()
    try:
        with listen(drawing):
            yield
    finally:
        drawing.close()


@final
class StandardError:
    """Draws phases on standard error, those that do not advance too."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._last_drawing = float("-inf")
        self._is_drawn = False
        self._phases: list[Phase] = []
        self._lock, self._closed = threading.RLock(), threading.Event()
        self._clock: threading.Thread | None = None

    def start(self, phase: Phase) -> None:
        """Draw the phase from now on."""
        self._phases.append(phase)
        if self._clock is None:
            self._clock = threading.Thread(target=self._redraw, daemon=True)
            self._clock.start()

    def _redraw(self) -> None:
        """Some work cannot say how far it is: its time goes on all the same."""
        while not self._closed.wait(SECONDS_BETWEEN_REDRAWINGS):
            with self._lock:
                if self._phases:
                    self.update(self._phases[-1])

    def update(self, phase: Phase) -> None:
        """Draw the phase, unless it is young or was just drawn."""
        now = monotonic()
        pause = SECONDS_BETWEEN_DRAWINGS if self._is_terminal else SECONDS_BETWEEN_LINES
        age = QUIET_SECONDS if self._is_terminal else SECONDS_BETWEEN_LINES
        if now - phase.started < age or now - self._last_drawing < pause:
            return
        with self._lock:
            self._last_drawing = now
            line = phase.describe()
            if self._is_terminal:
                self._is_drawn = True
                width = shutil.get_terminal_size().columns
                sys.stderr.write(f"\r\x1b[K{fit_line(line.split(GAP), width - 1)}")
            else:
                sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def finish(self, phase: Phase) -> None:
        """Remove the drawing, and leave a line if the phase took long."""
        with self._lock:
            self._phases.remove(phase)
            if self._is_drawn:
                sys.stderr.write("\r\x1b[K")
                self._is_drawn = False
            if phase.seconds >= QUIET_SECONDS and sys.exc_info()[0] is None:
                sys.stderr.write(f"{phase.what}: {format_seconds(phase.seconds)}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Draw nothing more."""
        self._closed.set()
        if self._clock is not None:
            self._clock.join()


def fit_line(parts: list[str], width: int) -> str:
    """As many parts of a line as fit into `width` characters: the last are the least important.

    >>> fit_line(["42 %", "3 s left", "loss 1.2"], 17), fit_line(["a long name"], 6)
    ('42 %   3 s left', 'a long')
    """
    while len(parts) > 1 and len(GAP.join(parts)) > width:
        parts = parts[:-1]
    return GAP.join(parts)[: max(width, 0)]


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
