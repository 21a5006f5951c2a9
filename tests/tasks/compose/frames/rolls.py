"""Made-up piano rolls: a bar of four frames has one chord, and above it four steps that fall."""

from __future__ import annotations

import json
import random
from pathlib import Path

CHORDS = ((48, 64, 67), (53, 65, 69), (55, 62, 71))
SETTINGS = [
    "data.frames_per_bar=4",
    "data.frames_per_quarter=1",
    "data.transpose=0",
    "model.cell_type=gru",
    "model.key_hidden_size=12",
    "model.key_output_size=16",
    "model.key_reach=6",
    "model.dropout=0",
    "training.batch_size=8",
    "training.learning_rate=0.02",
    "training.max_steps=90",
    "training.validate_every=45",
]


def make_roll(generator: random.Random, bars: int) -> list[list[int]]:
    """The MIDI numbers of each frame."""
    chords = generator.choices(CHORDS, k=bars)
    return [[*chord, 79 - beat] for chord in chords for beat in range(4)]


def write_rolls(path: Path, train: int = 24, seed: int = 0) -> Path:
    """A .json file with the splits train, validation and test."""
    generator = random.Random(seed)
    counts = {"train": train, "validation": 6, "test": 6}
    rolls = {
        name: [make_roll(generator, generator.randint(2, 5)) for _ in range(count)]
        for name, count in counts.items()
    }
    path.write_text(json.dumps(rolls))
    return path
