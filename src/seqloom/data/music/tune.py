"""A tune: notes in ticks, with their bars. Every reader makes one, and every file is written of one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy

from seqloom.errors import DataError

DEFAULT_TEMPO = 120.0
"""Quarter notes a minute where none is stated, as the MIDI standard says."""
DEFAULT_VELOCITY = 80
ONSET, DURATION, PITCH, VELOCITY = range(4)
"""The columns of `Tune.notes`."""


class TimeSignature(NamedTuple):
    """From `tick` on, a bar has `numerator` notes of length 1 / `denominator`."""

    tick: int
    numerator: int
    denominator: int

    def bar_ticks(self, ticks_per_quarter: int) -> int:
        """Ticks of a bar.

        >>> TimeSignature(0, 6, 8).bar_ticks(480)
        1440
        """
        return max(int(Fraction(4 * ticks_per_quarter * self.numerator, self.denominator)), 1)

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


COMMON_TIME = TimeSignature(0, 4, 4)
"""Where none is stated, as the MIDI standard says."""


class Tune(NamedTuple):
    """Notes in time.

    Fields:
        notes: (N, 4) int64, by onset, then by pitch: onset and duration in ticks, MIDI pitch (60 is
            middle C), velocity 1 to 127.
        ticks_per_quarter: ticks of a quarter note.
        time_signatures: the first is at tick 0.
        tempo: quarter notes a minute.
        length: ticks to the end of its last bar; 0: until its last note ends.
        primer_end: the tick before which its notes are those of a primer, which a model continued.

    >>> tune = make_tune([(0, 24, 60), (24, 24, 64)], ticks_per_quarter=24)
    >>> tune.end, tune.seconds, [str(signature) for signature in tune.time_signatures]
    (48, 1.0, ['4/4'])
    """

    notes: numpy.ndarray
    ticks_per_quarter: int
    time_signatures: tuple[TimeSignature, ...] = (COMMON_TIME,)
    tempo: float = DEFAULT_TEMPO
    length: int = 0
    primer_end: int = 0

    @property
    def end(self) -> int:
        """The tick at which it is over: that of its last bar, or of a note that rings longer."""
        ends = self.notes[:, ONSET] + self.notes[:, DURATION]
        return max(self.length, int(ends.max(initial=0)))

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.end / self.ticks_per_quarter * 60 / self.tempo

    @property
    def num_bars(self) -> int:
        """Bars, the last one as a whole; counted without listing them."""
        bars, end = 0, max(self.end, 1)
        until = [*(mark.tick for mark in self.time_signatures[1:]), end]
        for mark, stop in zip(self.time_signatures, until, strict=True):
            bars += -(-max(min(stop, end) - mark.tick, 0) // mark.bar_ticks(self.ticks_per_quarter))
        return bars

    def bar_starts(self) -> numpy.ndarray:
        """The tick at which each bar begins, and that at which the last one is over: (bars + 1,).

        A time signature that comes before a bar is over ends that bar.

        >>> make_tune([(0, 24, 60), (100, 24, 64)], ticks_per_quarter=24).bar_starts()
        array([  0,  96, 192])
        """
        starts, end = [0], max(self.end, 1)
        for number, signature in enumerate(self.time_signatures):
            is_last = number + 1 == len(self.time_signatures)
            until = end if is_last else min(self.time_signatures[number + 1].tick, end)
            size = signature.bar_ticks(self.ticks_per_quarter)
            while starts[-1] < until:
                following = starts[-1] + size
                starts.append(following if is_last else min(following, until))
        return numpy.array(starts)

    def signature_at(self, tick: int) -> TimeSignature:
        """The time signature in force at a tick."""
        return next(mark for mark in reversed(self.time_signatures) if mark.tick <= max(tick, 0))

    def take_bars(self, first: int, stop: int) -> Tune:
        """The notes that begin in the bars `first` to `stop`, cut where those end, from tick 0 on."""
        starts = self.bar_starts()
        begin, end = int(starts[min(first, len(starts) - 1)]), int(starts[min(stop, len(starts) - 1)])
        onsets = self.notes[:, ONSET]
        notes = self.notes[(onsets >= begin) & (onsets < end)].copy()
        notes[:, DURATION] = numpy.minimum(notes[:, DURATION], end - notes[:, ONSET])
        notes[:, ONSET] -= begin
        marks = [self.signature_at(begin)._replace(tick=0)]
        marks += [
            mark._replace(tick=mark.tick - begin) for mark in self.time_signatures if begin < mark.tick < end
        ]
        return self._replace(notes=notes, time_signatures=tuple(marks), length=end - begin, primer_end=0)

    def with_resolution(self, ticks_per_quarter: int) -> Tune:
        """The same tune in other ticks, rounded to the nearest where they are coarser."""
        if ticks_per_quarter == self.ticks_per_quarter:
            return self

        def scale(ticks: numpy.ndarray) -> numpy.ndarray:
            return (2 * ticks * ticks_per_quarter + self.ticks_per_quarter) // (2 * self.ticks_per_quarter)

        notes = self.notes.copy()
        ends = scale(notes[:, ONSET] + notes[:, DURATION])
        notes[:, ONSET] = scale(notes[:, ONSET])
        notes[:, DURATION] = numpy.maximum(ends - notes[:, ONSET], 1)
        marks = tuple(mark._replace(tick=int(scale(numpy.array(mark.tick)))) for mark in self.time_signatures)
        length, primer_end = (int(scale(numpy.array(tick))) for tick in (self.length, self.primer_end))
        return Tune(notes, ticks_per_quarter, marks, self.tempo, length, primer_end)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write it as a MIDI file, as sound or as a picture: `.mid`, `.wav` or `.svg`.

        Raises:
            RunError: there is such a file, no such folder, or it cannot be written.
            DataError: another ending; a tune of more than an hour as `.wav`.
        """
        from seqloom.data.music.files import save_tune  # which needs this module

        save_tune(self, path, overwrite=overwrite)


def make_tune(
    notes: list[tuple[int, ...]] | numpy.ndarray,
    ticks_per_quarter: int,
    time_signatures: tuple[TimeSignature, ...] = (),
    tempo: float = DEFAULT_TEMPO,
    length: int = 0,
) -> Tune:
    """A tune of notes in any order.

    Args:
        notes: (onset, duration, pitch) or (onset, duration, pitch, velocity) of each.
        ticks_per_quarter: ticks of a quarter note.
        time_signatures: in any order; 4/4 until the first of them.
        tempo: quarter notes a minute.
        length: ticks to the end of its last bar; 0: until its last note ends.

    Raises:
        DataError: a negative onset, a duration below 1, or a pitch or velocity that MIDI does not have.
    """
    array = numpy.asarray(notes, dtype=numpy.int64).reshape(len(notes), -1 if len(notes) else VELOCITY)
    if array.shape[1] <= VELOCITY:
        array = numpy.column_stack(
            [array.reshape(len(array), 3), numpy.full(len(array), DEFAULT_VELOCITY, dtype=numpy.int64)]
        )
    low, high = numpy.array([0, 1, 0, 1]), numpy.array([2**40, 2**40, 127, 127])
    if (wrong := ((array < low) | (array > high)).any(axis=1)).any():
        got = tuple(int(value) for value in array[wrong][0])
        expected = "a note must have an onset >= 0, a duration >= 1, a pitch 0 to 127 and a velocity 1 to 127"
        raise DataError("tune", expected, got=repr(got))
    order = numpy.lexsort((array[:, DURATION], array[:, PITCH], array[:, ONSET]))
    return Tune(array[order], ticks_per_quarter, tidy_signatures(time_signatures), tempo, length)


def tidy_signatures(marks: tuple[TimeSignature, ...] | list[TimeSignature]) -> tuple[TimeSignature, ...]:
    """Time signatures in order, the first at tick 0, without those that change nothing.

    >>> tidy_signatures([TimeSignature(96, 3, 4), TimeSignature(0, 3, 4)])
    (TimeSignature(tick=0, numerator=3, denominator=4),)
    """
    by_tick = {mark.tick: mark for mark in sorted(marks, key=lambda mark: mark.tick)}  # the last at a tick
    tidy: list[TimeSignature] = [] if 0 in by_tick else [COMMON_TIME]
    for mark in by_tick.values():
        if not tidy or mark[1:] != tidy[-1][1:]:
            tidy.append(mark)
    return tuple(tidy)


PITCH_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def pitch_name(pitch: int) -> str:
    """The name of a MIDI pitch.

    >>> pitch_name(60), pitch_name(21)
    ('C4', 'A0')
    """
    return f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"
