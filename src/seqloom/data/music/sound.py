r"""A tune as sound: decaying partials, or the instruments of a SoundFont.

.. math:: s(t) = \sum_{k=1}^{8} k^{-1.3} e^{-(0.9 + 0.45 k) t \sqrt{f / 220}} \sin(2 \pi k f t)

A note rises within 4 ms and is damped within 60 ms after its end.
"""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy

from seqloom.data.music.tune import DURATION, ONSET, PITCH, VELOCITY, Tune
from seqloom.errors import ConfigError, DataError

SAMPLE_RATE_HZ = 44_100
MAX_SECONDS = 3600
PARTIALS = 8
ATTACK_SECONDS, RELEASE_SECONDS = 0.004, 0.06
LONGEST_SECONDS = 8.0
"""After which a string is silent"""
PEAK = 0.9
SOUNDFONT_PACKAGE = "pip install --no-deps tinysoundfont"
"""Without its dependency pyaudio, which needs a compiler and plays sounds, which nobody asks for here."""


def wav_bytes(tune: Tune, soundfont: Path | None = None) -> bytes:
    """A tune as the bytes of a WAV file of 16 bits at 44,100 Hz.

    Args:
        tune: the notes.
        soundfont: an `.sf2` file, whose first instrument plays, a piano as a rule; None: decaying partials.

    Raises:
        DataError: it is longer than an hour, or the SoundFont cannot be read.
        ConfigError: tinysoundfont is not installed.
    """
    if tune.seconds > MAX_SECONDS:
        raise DataError("sound", f"expected at most {MAX_SECONDS:,} seconds", got=f"{tune.seconds:,.0f}")
    samples = synthesize(tune) if soundfont is None else play(tune, soundfont)
    peak = float(numpy.abs(samples).max(initial=0))
    scaled = samples * (PEAK * 32767 / peak if peak else 0.0)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(numpy.rint(scaled).astype("<i2").tobytes())
    return content.getvalue()


def _times(tune: Tune) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The samples at which each note begins and ends."""
    rate = 60 / tune.tempo / tune.ticks_per_quarter * SAMPLE_RATE_HZ
    begin = tune.notes[:, ONSET]
    return tuple(numpy.rint(ticks * rate).astype(int) for ticks in (begin, begin + tune.notes[:, DURATION]))  # type: ignore[return-value]


def synthesize(tune: Tune) -> numpy.ndarray:
    """Decaying partials, (samples,) float32.

    >>> from seqloom.data.music.tune import make_tune
    >>> synthesize(make_tune([(0, 24, 69)], ticks_per_quarter=24, tempo=60)).shape
    (46746,)
    """
    begins, ends = _times(tune)
    release = round(RELEASE_SECONDS * SAMPLE_RATE_HZ)
    sound = numpy.zeros(int(ends.max(initial=0)) + release, dtype=numpy.float32)
    fade = numpy.linspace(1, 0, release, dtype=numpy.float32) ** 2
    longest = min(int((ends - begins).max(initial=0)) + release, round(LONGEST_SECONDS * SAMPLE_RATE_HZ))
    tones = {pitch: _tone(pitch, longest) for pitch in numpy.unique(tune.notes[:, PITCH]).tolist()}
    for note, begin, end in zip(tune.notes, begins.tolist(), ends.tolist(), strict=True):
        samples = tones[int(note[PITCH])][: end - begin + release] * (note[VELOCITY] / 127) ** 1.5
        held = min(len(samples), end - begin)
        samples[held:] *= fade[: len(samples) - held]
        sound[begin : begin + len(samples)] += samples
    return sound


def _tone(pitch: int, count: int) -> numpy.ndarray:
    """A string that is struck and not damped, (count,) float32."""
    t = numpy.arange(count) / SAMPLE_RATE_HZ
    f = 440 * 2 ** ((pitch - 69) / 12)
    tone = numpy.zeros(count)
    for k in range(1, PARTIALS + 1):
        if k * f < SAMPLE_RATE_HZ / 2:
            tone += (
                k**-1.3
                * numpy.exp(-(0.9 + 0.45 * k) * t * (f / 220) ** 0.5)
                * numpy.sin(2 * numpy.pi * k * f * t)
            )
    return (tone * numpy.minimum(t / ATTACK_SECONDS, 1)).astype(numpy.float32)


def play(tune: Tune, soundfont: Path) -> numpy.ndarray:
    """Play the notes on the first instrument of a SoundFont, (samples, 2) float32.

    Raises:
        DataError: it cannot be read.
        ConfigError: tinysoundfont is not installed.
    """
    try:
        import tinysoundfont
    except ModuleNotFoundError:
        what = "this package is needed for --soundfont and not installed"
        raise ConfigError("tinysoundfont", what, hint=SOUNDFONT_PACKAGE) from None
    try:
        data = soundfont.read_bytes()
    except OSError as error:
        raise DataError(soundfont, "expected a SoundFont file", got=error.strerror or str(error)) from None
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise DataError(soundfont, "expected a SoundFont file (.sf2)", got=repr(data[:12])[1:])
    synth = tinysoundfont.Synth(samplerate=SAMPLE_RATE_HZ)
    try:
        synth.sfload(data)
    except (RuntimeError, ValueError) as error:
        raise DataError(soundfont, "expected a sound SoundFont file", got=str(error)) from None
    return _render(synth, tune)


def _render(synth: Any, tune: Tune) -> numpy.ndarray:
    """Every note on and off at its sample."""
    begins, ends = _times(tune)
    pitches, velocities = tune.notes[:, PITCH].tolist(), tune.notes[:, VELOCITY].tolist()
    # At one moment notes end before others begin: a key that is struck again sounds anew
    events = [(end, 0, pitch, 0) for end, pitch in zip(ends.tolist(), pitches, strict=True)]
    events += [
        (begin, 1, pitch, velocity)
        for begin, pitch, velocity in zip(begins.tolist(), pitches, velocities, strict=True)
    ]
    parts, now = [], 0
    for at, is_on, pitch, velocity in sorted(events):
        if at > now:
            parts.append(numpy.frombuffer(synth.generate(at - now), dtype=numpy.float32).copy())
            now = at
        if is_on:
            synth.noteon(0, pitch, velocity)
        else:
            synth.noteoff(0, pitch)
    parts.append(numpy.frombuffer(synth.generate(SAMPLE_RATE_HZ), dtype=numpy.float32).copy())
    return numpy.concatenate(parts).reshape(-1, 2)
