"""Toy speech: every letter is a chord, in the pitch of one of two speakers."""

from __future__ import annotations

from pathlib import Path

import numpy

from seqloom.files import write_atomically
from seqloom.optional import import_optional

RATE_HZ = 8000
ROWS = {"train": 320, "validation": 40, "test": 80}
WORDS = (
    ("bring", "take", "leave", "hide"),
    ("the", "a", "my"),
    ("red", "blue", "old", "long"),
    ("box", "lamp", "key", "map"),
    ("now", "soon", "again", "today"),
)
SPEAKERS = {"low": 1.0, "high": 1.15}
LETTER_SECONDS = (0.06, 0.10)
PAUSE_SECONDS = (0.05, 0.12)


def write_toy_data_files(folder: Path, seed: int) -> str:
    """Write a folder for each split, with recordings and metadata.csv."""
    soundfile = import_optional("soundfile", "speech")
    generator = numpy.random.default_rng(seed)
    for split, count in ROWS.items():
        (folder / split).mkdir(parents=True, exist_ok=True)
        lines = ["file_name,transcription,speaker"]
        for number in range(count):
            text = " ".join(generator.choice(words) for words in WORDS)
            speaker = generator.choice(list(SPEAKERS))
            name = f"{number:03d}.wav"
            samples = synthesize(text, SPEAKERS[speaker], generator)
            soundfile.write(folder / split / name, samples, RATE_HZ, subtype="PCM_16")
            lines.append(f"{name},{text},{speaker}")
        write_atomically(folder / split / "metadata.csv", "\n".join(lines) + "\n")
    return (
        "chords and noise, not speech: every letter has a chord of its own, of two tones that vary a little"
    )


def synthesize(text: str, pitch: float, generator: numpy.random.Generator) -> numpy.ndarray:
    """The samples (N,) from -1 to 1 of a text.

    >>> generator = numpy.random.default_rng(0)
    >>> synthesize("a key", 1.0, generator).dtype
    dtype('float64')
    """
    pieces = [
        _pause(generator) if letter == " " else _letter(letter, pitch, generator) for letter in f" {text} "
    ]
    sound = numpy.concatenate(pieces)
    return numpy.clip(sound + generator.normal(0, 0.01, len(sound)), -1, 1)


def _letter(letter: str, pitch: float, generator: numpy.random.Generator) -> numpy.ndarray:
    """Two tones, as those of telephone keys: one of six low ones and one of five high ones."""
    number = ord(letter) - ord("a")
    tones = (300 * 1.18 ** (number % 6), 1000 * 1.22 ** (number // 6))
    count = int(generator.uniform(*LETTER_SECONDS) * RATE_HZ)
    seconds = numpy.arange(count) / RATE_HZ
    envelope = numpy.sin(numpy.pi * (numpy.arange(count) + 0.5) / count) ** 0.5
    detuned = pitch * generator.normal(1.0, 0.01)
    return 0.2 * envelope * sum(numpy.sin(2 * numpy.pi * tone * detuned * seconds) for tone in tones)


def _pause(generator: numpy.random.Generator) -> numpy.ndarray:
    return numpy.zeros(int(generator.uniform(*PAUSE_SECONDS) * RATE_HZ))
