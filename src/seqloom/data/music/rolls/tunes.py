"""Piano rolls to tunes and back."""

from __future__ import annotations

import numpy

from seqloom.data.music.rolls.roll import HIGHEST_KEY, LOWEST_KEY, NUM_KEYS
from seqloom.data.music.tune import DURATION, ONSET, PITCH, TimeSignature, Tune, make_tune


def frames_of_tune(tune: Tune, frames_per_quarter: int) -> numpy.ndarray:
    """The frames (T, 88) of a tune; onsets and ends go to the nearest frame, and a note fills one at least.

    Pitches that a piano does not have are left out.

    >>> from seqloom.data.music.tune import make_tune
    >>> tune = make_tune([(0, 24, 60), (24, 12, 64)], ticks_per_quarter=24)
    >>> frames_of_tune(tune, frames_per_quarter=2).nonzero()
    (array([0, 1, 2]), array([39, 39, 43]))
    """
    scaled = tune.with_resolution(frames_per_quarter)
    frames = numpy.zeros((max(scaled.end, 1), NUM_KEYS), dtype=numpy.uint8)
    for onset, duration, pitch, _ in scaled.notes.tolist():
        if LOWEST_KEY <= pitch <= HIGHEST_KEY:
            frames[onset : onset + duration, pitch - LOWEST_KEY] = 1
    return frames


def tune_of_frames(
    frames: numpy.ndarray, frames_per_quarter: int, time_signatures: tuple[TimeSignature, ...] = ()
) -> Tune:
    """The tune of frames (T, 88), one tick each: a key that sounds in frames in a row is one note.

    Args:
        frames: 0 and 1.
        frames_per_quarter: frames of a quarter note.
        time_signatures: in frames; none: 4/4.

    >>> frames = numpy.zeros((3, 88))
    >>> frames[:2, 39] = 1
    >>> tune_of_frames(frames, frames_per_quarter=2).notes[:, :3].tolist()
    [[0, 2, 60]]
    """
    silence = numpy.zeros((1, frames.shape[1]), dtype=numpy.int8)
    changes = numpy.diff(numpy.concatenate([silence, frames.astype(numpy.int8), silence]), axis=0)
    keys, onsets = (changes.T == 1).nonzero()
    ends = (changes.T == -1).nonzero()[1]
    notes = numpy.column_stack([onsets, ends - onsets, keys + LOWEST_KEY])
    return make_tune(notes, frames_per_quarter, time_signatures, length=len(frames))


def continue_tune(tune: Tune, added: Tune, start: int) -> Tune:
    """A tune and what follows it, both in the same ticks.

    Args:
        tune: the beginning, all of whose notes stay.
        added: what follows, from its tick 0 on.
        start: the tick of `tune` at which it follows. A note of `added` that begins there, where one of the
            same pitch ends, makes that one longer.
    """
    notes, following = tune.notes.copy(), added.notes.copy()
    following[:, ONSET] += start
    is_new = numpy.ones(len(following), dtype=bool)
    for number, (onset, duration, pitch, _) in enumerate(following.tolist()):
        ends_there = (notes[:, PITCH] == pitch) & (notes[:, ONSET] + notes[:, DURATION] == onset)
        if onset == start and ends_there.any():
            notes[ends_there.argmax(), DURATION] += duration
            is_new[number] = False
    joined = numpy.concatenate([notes, following[is_new]])
    signatures = tuple(mark for mark in tune.time_signatures if mark.tick < start)
    return make_tune(
        joined, tune.ticks_per_quarter, signatures, tune.tempo, length=max(start + added.length, tune.length)
    )
