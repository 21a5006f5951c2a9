"""Tunes in all metres."""

from __future__ import annotations

from seqloom.data.music.tune import TimeSignature, Tune, make_tune


def tune_in(*signatures: tuple[int, int]) -> Tune:
    """Four bars in each time signature, a note a beat and a chord a bar, with rests."""
    notes, marks, tick = [], [], 0
    for numerator, denominator in signatures:
        mark = TimeSignature(tick, numerator, denominator)
        marks.append(mark)
        beat, bar = 96 // denominator, mark.bar_ticks(24)
        for number in range(4):
            notes += [(tick, bar, 48), (tick, bar, 55)]
            notes += [(tick + k * beat, beat, 60 + (k + number) % 12) for k in range(numerator) if k % 4 != 2]
            tick += bar
    return make_tune(notes, 24, tuple(marks), tempo=100, length=tick)


METRES = [[(3, 4)], [(6, 8)], [(9, 8)], [(4, 4), (3, 4)], [(3, 4), (6, 8), (9, 8)], [(2, 2), (6, 8)]]
