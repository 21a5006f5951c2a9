"""A tune in words, for a pipe and a model card."""

from __future__ import annotations

from itertools import pairwise

from seqloom.data.music.tune import DURATION, ONSET, PITCH, Tune, pitch_name
from seqloom.tasks.base import Output


def describe(tune: Tune) -> Output:
    """The notes of a tune by bar; notes that begin together are joined by `+`.

    >>> from seqloom.data.music.tune import make_tune
    >>> describe(make_tune([(0, 24, 60), (0, 24, 64), (96, 24, 62)], ticks_per_quarter=24)).text
    '4/4 | C4+E4 | D4 |'
    """
    starts = tune.bar_starts()
    bars: list[str] = []
    for begin, end in pairwise(starts.tolist()):
        onsets = tune.notes[:, ONSET]
        notes = tune.notes[(onsets >= begin) & (onsets < end)]
        chords: dict[int, list[str]] = {}
        for note in notes.tolist():
            chords.setdefault(note[ONSET], []).append(pitch_name(note[PITCH]))
        mark = next((f"{mark} " for mark in tune.time_signatures if mark.tick == begin and begin), "")
        bars.append(mark + (" ".join("+".join(chord) for chord in chords.values()) or "-"))
    text = f"{tune.time_signatures[0]} | {' | '.join(bars)} |"
    quarter = tune.ticks_per_quarter
    notes = [[note[ONSET] / quarter, note[DURATION] / quarter, note[PITCH]] for note in tune.notes.tolist()]
    details = {"bars": len(bars), "seconds": round(tune.seconds, 3), "notes": notes}
    return Output(text, details)
