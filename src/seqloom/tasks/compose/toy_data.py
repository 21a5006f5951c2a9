"""Toy data: short tunes of a made-up grammar, as MIDI files."""

from __future__ import annotations

import random
from pathlib import Path

from seqloom.data.music.midi import midi_bytes
from seqloom.data.music.tune import TimeSignature, Tune, make_tune

SIZES = {"train": 160, "validation": 40, "test": 80}
QUARTER = 24
SCALE = (0, 2, 4, 5, 7, 9, 11)
CHORDS = (0, 3, 4, 0)
"""The degree of the scale on which each bar's chord is built"""
RHYTHMS = {
    "3/4": ((24, 24, 24), (36, 12, 24), (48, 24), (24, 12, 12, 24)),
    "4/4": ((24, 24, 24, 24), (36, 12, 24, 24), (48, 24, 24), (12, 12, 24, 48)),
    "6/8": ((36, 36), (24, 12, 24, 12), (12, 12, 12, 36), (12, 12, 12, 12, 12, 12)),
}
"""Durations of the notes of a bar, in ticks"""


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write a MIDI file a tune, in a folder a split.

    Args:
        folder: where the folders go.
        seed: the same seed makes the same tunes.

    Returns:
        What it is, in a sentence.
    """
    generator = random.Random(seed)
    for split, size in SIZES.items():
        (folder / split).mkdir()
        for number in range(size):
            (folder / split / f"{number:03d}.mid").write_bytes(midi_bytes(make_toy_tune(generator)))
    tunes = sum(SIZES.values())
    return f"{tunes} tunes of four bars over the chords I IV V I, in 3/4, 4/4 or 6/8 and in several keys"


def make_toy_tune(generator: random.Random) -> Tune:
    """A melody that steps through a major scale, and leaps to a note of the chord where a bar begins."""
    name = generator.choice(sorted(RHYTHMS))
    numerator, denominator = map(int, name.split("/"))
    mark = TimeSignature(0, numerator, denominator)
    size, tonic = mark.bar_ticks(QUARTER), 60 + generator.choice((-5, 0, 2))
    rhythm = generator.choice(RHYTHMS[name])
    notes: list[tuple[int, int, int]] = []
    for bar, root in enumerate(CHORDS):
        notes += [(bar * size, size, tonic - 12 + _degree(root + third)) for third in (0, 2, 4)]
        onset, degree = bar * size, root + generator.choice((0, 2, 4))
        for duration in (size,) if bar == len(CHORDS) - 1 else rhythm:
            notes.append((onset, duration, tonic + 12 + _degree(degree)))
            onset += duration
            degree += generator.choice((-1, 1))
    return make_tune(notes, QUARTER, (mark,), length=size * len(CHORDS))


def _degree(degree: int) -> int:
    """Semitones of a degree of the major scale above the tonic."""
    octave, step = divmod(degree, len(SCALE))
    return 12 * octave + SCALE[step]
