"""MIDI files, format 0 and 1, read and written by symusic.

A file is checked for its header and the lengths of its chunks before symusic sees it: a malformed one may end
the process there. All tracks but drums become one tune.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy

from seqloom.data.music.tune import (
    DEFAULT_TEMPO,
    DURATION,
    ONSET,
    PITCH,
    VELOCITY,
    TimeSignature,
    Tune,
    make_tune,
)
from seqloom.errors import DataError
from seqloom.optional import import_optional

SUFFIXES = (".mid", ".midi")
EXPECTED = "expected a MIDI file"
MAX_BYTES = 16 << 20
"""A MIDI file of an hour has a few hundred kilobytes."""
MAX_TICKS = 1 << 30
TEMPOS = (5.0, 1000.0)
"""Quarter notes a minute; a tempo outside is a mistake of the file, and taken for the default."""
DENOMINATORS = (1, 2, 4, 8, 16, 32, 64)
MAX_NUMERATOR = 99


def read_midi(path: Path) -> Tune:
    """Read the notes of all tracks but drums.

    Raises:
        DataError: it cannot be read, is no MIDI file, is damaged, or has no notes.
        ConfigError: symusic is not installed.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        got = getattr(error, "strerror", None) or str(error)
        raise DataError(path, "expected a file that can be read", got=got) from None
    return parse_midi(data, path)


def parse_midi(data: bytes, where: object) -> Tune:
    """Read the notes of the bytes of a MIDI file.

    Args:
        data: the whole file.
        where: its name, for messages.

    Raises:
        DataError: it is no MIDI file, is damaged, or has no notes.
        ConfigError: symusic is not installed.
    """
    ticks_per_quarter = check_chunks(data, where)
    symusic = import_optional("symusic", "music")
    try:
        score = symusic.Score.from_midi(data)
        tracks = [(track.is_drum, track.notes.numpy()) for track in score.tracks]
    except (RuntimeError, ValueError) as error:
        raise DataError(where, "expected a sound MIDI file", got=str(error)) from None
    notes = [_as_array(columns) for is_drum, columns in tracks if not is_drum]
    notes = [part[(part[:, DURATION] > 0) & (part[:, VELOCITY] > 0)] for part in notes]
    if not sum(map(len, notes)):
        has_drums = any(is_drum and len(columns["time"]) for is_drum, columns in tracks)
        raise DataError(where, "expected notes", got="drums only" if has_drums else "none")
    joined = numpy.concatenate(notes)
    if joined[:, :PITCH].min() < 0 or (joined[:, ONSET] + joined[:, DURATION]).max() > MAX_TICKS:
        raise DataError(
            where, f"a note must begin and end within {MAX_TICKS:,} ticks", got="one that does not"
        )
    signatures = [_signature(mark, where) for mark in score.time_signatures]
    tempo = score.tempos[0].qpm if len(score.tempos) else DEFAULT_TEMPO
    if not math.isfinite(tempo) or not TEMPOS[0] <= tempo <= TEMPOS[1]:
        tempo = DEFAULT_TEMPO
    return make_tune(joined, ticks_per_quarter, tuple(signatures), float(tempo))


def describe_unkept(path: Path) -> str | None:
    """What a tune does not keep of a MIDI file that `read_midi` can read; None where it keeps all."""
    score = import_optional("symusic", "music").Score.from_midi(path.read_bytes())
    counts = {
        "tempo changes": max(len(score.tempos) - 1, 0),
        "tracks of other instruments than a piano": sum(
            not track.is_drum and track.program != 0 for track in score.tracks
        ),
        "notes of drums": sum(len(track.notes) for track in score.tracks if track.is_drum),
        "pedals": sum(len(track.pedals) for track in score.tracks),
    }
    return ", ".join(f"{name}: {count:,}" for name, count in counts.items() if count) or None


def _as_array(columns: dict[str, numpy.ndarray]) -> numpy.ndarray:
    names = ("time", "duration", "pitch", "velocity")
    return numpy.column_stack([columns[name].astype(numpy.int64) for name in names]).reshape(-1, 4)


def _signature(mark: Any, where: object) -> TimeSignature:
    if not 1 <= mark.numerator <= MAX_NUMERATOR or mark.denominator not in DENOMINATORS or mark.time < 0:
        got = f"{mark.numerator}/{mark.denominator} at tick {mark.time}"
        raise DataError(where, "expected a time signature such as 3/4", got=got)
    return TimeSignature(mark.time, mark.numerator, mark.denominator)


def check_chunks(data: bytes, where: object) -> int:
    """Check the header and the lengths of all chunks; the ticks of a quarter note.

    Raises:
        DataError: they are not those of a MIDI file.
    """
    if not data:
        raise DataError(where, EXPECTED, got="an empty file")
    if len(data) > MAX_BYTES:
        raise DataError(where, f"{EXPECTED} of at most {MAX_BYTES >> 20} MiB", got="a larger one")
    if data[:4] != b"MThd":
        raise DataError(where, f"{EXPECTED}, which begins with MThd", got=repr(data[:8])[1:])
    if len(data) < 14 or struct.unpack(">I", data[4:8])[0] != 6:
        raise DataError(where, f"{EXPECTED} with a header of 6 bytes", got=f"{len(data):,} bytes")
    file_format, _, division = struct.unpack(">HHH", data[8:14])
    if file_format > 1:
        raise DataError(where, f"{EXPECTED} of format 0 or 1", got=f"format {file_format}")
    if not 0 < division < 0x8000:
        raise DataError(where, "a MIDI file must state its ticks per quarter note", got=f"0x{division:04x}")
    position, tracks = 14, 0
    while position < len(data):
        if position + 8 > len(data):
            raise DataError(where, EXPECTED, got=f"a file that is cut off after {len(data):,} bytes")
        name, length = (
            data[position : position + 4],
            struct.unpack(">I", data[position + 4 : position + 8])[0],
        )
        position += 8 + length
        if position > len(data):
            missing = position - len(data)
            raise DataError(where, EXPECTED, got=f"a file that is cut off: {missing:,} bytes are missing")
        tracks += name == b"MTrk"
    if not tracks:
        raise DataError(where, f"{EXPECTED} with a track", got="none")
    if file_format == 0 and tracks > 1:
        raise DataError(where, f"{EXPECTED} of format 0 with one track", got=f"{tracks} tracks")
    return division


def midi_bytes(tune: Tune) -> bytes:
    """A tune as the bytes of a MIDI file, of format 1; the same tune gives the same bytes.

    A note that begins while another of its pitch still sounds goes to a further track, as one track could
    not say which of them ends.

    Raises:
        ConfigError: symusic is not installed.
    """
    symusic = import_optional("symusic", "music")
    score = symusic.Score(tune.ticks_per_quarter)
    score.tempos.append(symusic.Tempo(0, tune.tempo))
    for mark in tune.time_signatures:
        score.time_signatures.append(symusic.TimeSignature(mark.tick, mark.numerator, mark.denominator))
    for part in split_voices(tune.notes):
        track = symusic.Track("", 0, False)
        for note in part:
            track.notes.append(symusic.Note(*note))
        score.tracks.append(track)
    return bytes(score.dumps_midi())


def split_voices(notes: numpy.ndarray) -> list[list[tuple[int, ...]]]:
    """Divide notes into parts, in none of which a pitch begins while it sounds.

    >>> split_voices(numpy.array([[0, 48, 60, 80], [24, 24, 60, 80], [48, 24, 60, 80]]))
    [[(0, 48, 60, 80), (48, 24, 60, 80)], [(24, 24, 60, 80)]]
    """
    voices: list[list[tuple[int, ...]]] = []
    ends: list[dict[int, int]] = []
    for note in map(tuple, notes.tolist()):
        pitch = note[PITCH]
        voice = next((k for k, end in enumerate(ends) if end.get(pitch, 0) <= note[ONSET]), len(voices))
        if voice == len(voices):
            voices.append([])
            ends.append({})
        voices[voice].append(note)
        ends[voice][pitch] = note[ONSET] + note[DURATION]
    return voices
