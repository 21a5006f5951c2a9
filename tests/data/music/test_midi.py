"""MIDI files: what is written is read, and no file, however broken, ends the process."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqloom.data.music.midi import midi_bytes, parse_midi, read_midi
from seqloom.data.music.tune import DEFAULT_TEMPO, make_tune
from seqloom.errors import DataError

from .metres import METRES, tune_in
from .midi_files import DRUM, END, NOTE, chunk, midi_file

GOOD = midi_file(NOTE)
BROKEN = {
    "empty": (b"", r"expected a MIDI file\. Got an empty file\."),
    "text": (b"a text file\n", r"begins with MThd\. Got 'a text f'\."),
    "header cut": (GOOD[:12], r"with a header of 6 bytes\. Got 12 bytes\."),
    "header of another length": (GOOD.replace(b"\0\0\0\x06", b"\0\0\0\x07", 1), "with a header of 6 bytes"),
    "truncated": (GOOD[:-3], r"Got a file that is cut off: 3 bytes are missing\."),
    "cut within a chunk's head": (GOOD + b"MTr", r"Got a file that is cut off after \d+ bytes\."),
    "a length beyond the end": (
        GOOD[:18] + b"\xff\xff\xff\xff" + GOOD[22:],
        r"cut off: 4,294,967,\d+ bytes",
    ),
    "format 2": (midi_file(NOTE, file_format=2), r"of format 0 or 1\. Got format 2\."),
    "two tracks in format 0": (midi_file(NOTE, NOTE, file_format=0), "Got 2 tracks"),
    "no track": (midi_file(), r"with a track\. Got none\."),
    "no division": (midi_file(NOTE, division=0), r"must state its ticks per quarter note\. Got 0x0000\."),
    "frames of film": (midi_file(NOTE, division=0xE728), "must state its ticks per quarter note"),
    "no notes": (midi_file(b""), r"expected notes\. Got none\."),
    "drums only": (midi_file(DRUM), r"expected notes\. Got drums only\."),
    "running status without a status": (midi_file(b"\x00\x3c\x40"), "expected a sound MIDI file"),
    "an event without its data": (chunk(b"MThd", GOOD[8:14]) + chunk(b"MTrk", b"\0\x90\x3c"), "sound MIDI"),
    "a time signature of 0/4": (
        midi_file(b"\x00\xff\x58\x04\x00\x02\x18\x08" + NOTE),
        r"expected a time signature such as 3/4\. Got 0/4 at tick 0\.",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, name: str) -> None:
    content, expected = BROKEN[name]
    (tmp_path / "tune.mid").write_bytes(content)
    with pytest.raises(DataError, match=expected) as error:
        read_midi(tmp_path / "tune.mid")
    assert str(error.value).startswith(f"{tmp_path}/tune.mid: ")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a file that can be read\. Got Is a directory\."):
        read_midi(tmp_path)


events = st.binary(max_size=12) | st.sampled_from(
    [
        *(NOTE, DRUM, END, b"\0\xff\x51\x03\0\0\0", b"\0\xff\x58\x04\x03\xff\0\0"),
        *(b"\xff\xff\xff\x7f\x90\x40\x40", b"\0\xf0\x7f", b"\0\xff\x7f\xff\xff\x7f"),
        *(b"\0\xc0\xff", b"\0\xe0\xff\xff", b"\x10\x3c\x40"),
    ]
)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.lists(events, max_size=12).map(b"".join), max_size=3),
    st.integers(0, 3),
    st.integers(0, 65535),
    st.integers(0, 5),
    st.integers(0, 20),
)
def test_no_file_ends_the_process(
    tracks: list[bytes], file_format: int, division: int, count: int, cut: int
) -> None:
    """Sound chunks with anything in them, and files cut off at any place: a tune, or a DataError."""
    content = midi_file(*tracks, file_format=file_format, division=division, count=count)
    for data in (content, content[: len(content) - cut]):
        try:
            tune = parse_midi(data, "made up")
        except DataError:
            continue
        assert len(tune.notes)
        assert tune.num_bars >= 1


def test_all_tracks_but_drums_are_read() -> None:
    other = NOTE.replace(b"\x3c", b"\x43")
    tune = parse_midi(midi_file(NOTE, DRUM, other), "made up")
    assert tune.notes.tolist() == [[0, 24, 60, 64], [0, 24, 67, 64]]


def test_an_absurd_tempo_is_the_default() -> None:
    assert parse_midi(midi_file(b"\x00\xff\x51\x03\x00\x00\x00" + NOTE), "").tempo == DEFAULT_TEMPO
    assert parse_midi(midi_file(b"\x00\xff\x51\x03\x0f\x42\x40" + NOTE), "").tempo == 60


@pytest.mark.parametrize("metres", METRES)
def test_what_is_written_is_read(metres: list[tuple[int, int]]) -> None:
    tune = tune_in(*metres)
    read = parse_midi(midi_bytes(tune), "made up")
    assert numpy.array_equal(read.notes, tune.notes)
    assert read.time_signatures == tune.time_signatures
    assert read.bar_starts().tolist() == tune.bar_starts().tolist()
    assert read.tempo == pytest.approx(100)
    assert midi_bytes(read) == midi_bytes(tune)


def test_notes_of_one_pitch_that_overlap_survive() -> None:
    tune = make_tune([(0, 96, 60), (24, 24, 60), (48, 96, 60)], 24)
    assert numpy.array_equal(parse_midi(midi_bytes(tune), "").notes, tune.notes)
