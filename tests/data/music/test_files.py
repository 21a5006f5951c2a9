"""Tunes as files: MIDI, sound, picture; nothing is overwritten unasked."""

from __future__ import annotations

import sys
import types
import wave
from pathlib import Path
from xml.etree import ElementTree

import numpy
import pytest

from seqloom.data.music.files import save_tune
from seqloom.data.music.midi import read_midi
from seqloom.data.music.picture import MAX_BARS, roll_svg
from seqloom.data.music.sound import SAMPLE_RATE_HZ, synthesize, wav_bytes
from seqloom.data.music.tune import TimeSignature, make_tune
from seqloom.errors import ConfigError, DataError, RunError

TUNE = make_tune([(0, 24, 69, 80), (24, 48, 60, 20), (24, 24, 64, 80)], 24, (TimeSignature(0, 3, 4),))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("suffix", [".mid", ".midi", ".wav", ".svg"])
def test_a_tune_is_written_by_the_ending_of_a_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tune{suffix}"
    TUNE.save(path)
    first = path.read_bytes()
    with pytest.raises(RunError, match=r"expected a new file\. Got one that exists\. Name another"):
        TUNE.save(path)
    TUNE.save(path, overwrite=True)
    assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    if suffix.startswith(".mid"):
        assert numpy.array_equal(read_midi(path).notes, TUNE.notes)


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        ("tune.mp3", DataError, r"ends in \.mid, \.midi, \.wav or \.svg\. Got \.mp3\."),
        ("tune", DataError, "Got no ending"),
        ("nowhere/tune.mid", RunError, "expected a folder that exists"),
        ("folder.mid", RunError, r"expected a new file\. Got a folder\."),
    ],
)
def test_names_that_cannot_be_written(
    tmp_path: Path, name: str, error: type[Exception], expected: str
) -> None:
    (tmp_path / "folder.mid").mkdir()
    with pytest.raises(error, match=expected):
        TUNE.save(tmp_path / name, overwrite=True)


def test_a_note_sounds_at_its_pitch_and_dies_away() -> None:
    sound = synthesize(make_tune([(0, 96, 69)], 24))
    half = SAMPLE_RATE_HZ // 2
    spectrum = numpy.abs(numpy.fft.rfft(sound[:half]))
    assert numpy.argmax(spectrum) * SAMPLE_RATE_HZ / half == pytest.approx(440, abs=2)  # a bin is 2 Hz
    loudness = [float(numpy.abs(part).max()) for part in numpy.split(sound[: 4 * half], 4)]
    assert loudness == sorted(loudness, reverse=True)
    assert loudness[3] < loudness[0] / 4
    assert abs(sound[-1]) < 1e-6


def test_a_loud_note_is_louder() -> None:
    soft, loud = (synthesize(make_tune([(0, 24, 60, velocity)], 24)) for velocity in (30, 120))
    assert numpy.abs(loud).max() > 2 * numpy.abs(soft).max()


def test_sound_lasts_as_long_as_the_tune(tmp_path: Path) -> None:
    save_tune(TUNE._replace(tempo=60), tmp_path / "tune.wav")
    with wave.open(str(tmp_path / "tune.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE_HZ)
        assert file.getnframes() / SAMPLE_RATE_HZ == pytest.approx(3.06, abs=0.001)  # 3 beats and a release


def test_sound_of_hours_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected at most 3,600 seconds\. Got 7,200\."):
        wav_bytes(make_tune([(0, 24 * 14_400, 60)], 24))


def test_a_soundfont_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tinysoundfont", None)
    with pytest.raises(ConfigError, match=r"needed for --soundfont .* pip install --no-deps tinysoundfont"):
        wav_bytes(TUNE, tmp_path / "piano.sf2")


class Synth:
    """Stands in for tinysoundfont's: a key that is down sounds as its number."""

    def __init__(self, samplerate: int) -> None:
        self.rate, self.down = samplerate, dict[int, int]()

    def sfload(self, data: bytes) -> int:
        if data.endswith(b"damaged"):
            raise RuntimeError("no presets")
        return 0

    def noteon(self, _: int, key: int, velocity: int) -> None:
        self.down[key] = velocity

    def noteoff(self, _: int, key: int) -> None:
        del self.down[key]

    def generate(self, samples: int) -> memoryview:
        level = float(sum(self.down))
        return memoryview(numpy.full((samples, 2), level, dtype=numpy.float32).tobytes())


def test_a_soundfont_plays_every_note_for_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tinysoundfont", types.SimpleNamespace(Synth=Synth))
    (tmp_path / "piano.sf2").write_bytes(b"RIFF\0\0\0\0sfbk")
    save_tune(TUNE._replace(tempo=60), tmp_path / "tune.wav", soundfont=tmp_path / "piano.sf2")
    with wave.open(str(tmp_path / "tune.wav")) as file:
        assert file.getnchannels() == 2
        sound = numpy.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)[:, 0]
    at = [sound[round(seconds * SAMPLE_RATE_HZ)] / sound.max() for seconds in (0.5, 1.5, 2.5, 3.5)]
    assert at == pytest.approx([69 / 124, 1, 60 / 124, 0], abs=1e-3)  # 16 bits


@pytest.mark.parametrize(
    ("content", "expected"), [(b"a text", "Got 'a text'"), (b"RIFF\0\0\0\0sfbkdamaged", "Got no presets")]
)
def test_a_damaged_soundfont_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, expected: str
) -> None:
    monkeypatch.setitem(sys.modules, "tinysoundfont", types.SimpleNamespace(Synth=Synth))
    (tmp_path / "piano.sf2").write_bytes(content)
    with pytest.raises(DataError, match=rf"piano\.sf2: expected a .*SoundFont file.*\. {expected}"):
        wav_bytes(TUNE, tmp_path / "piano.sf2")


def rectangles(svg: str, kind: str) -> list[ElementTree.Element]:
    return [rect for rect in ElementTree.fromstring(svg).iter(f"{SVG}rect") if rect.get("class") == kind]


def test_every_note_of_a_picture_says_what_it_is() -> None:
    titles = [rect.findtext(f"{SVG}title") for rect in rectangles(roll_svg(TUNE), "note")]
    assert titles == [
        "A4, bar 1, beat 1, 1 beat",
        "C4, bar 1, beat 2, 2 beats",
        "E4, bar 1, beat 2, 1 beat",
    ]


def test_the_primer_has_its_own_color() -> None:
    svg = roll_svg(TUNE._replace(primer_end=10))
    assert [len(rectangles(svg, kind)) for kind in ("primer", "note")] == [1, 2]


def test_a_picture_has_light_and_dark_and_escapes_its_title() -> None:
    svg = roll_svg(TUNE, "<a & b>")
    assert "prefers-color-scheme: dark" in svg
    assert ElementTree.fromstring(svg).findtext(f"{SVG}title") == "<a & b>"


def test_a_picture_of_many_bars_is_cut_and_says_so() -> None:
    tune = make_tune([(96 * bar, 24, 60) for bar in range(MAX_BARS + 7)], 24)
    svg = roll_svg(tune, "long")
    assert len(rectangles(svg, "note")) == MAX_BARS
    assert "long (without the last 7 bars)" in svg


def test_a_picture_of_no_notes_is_empty_bars() -> None:
    assert rectangles(roll_svg(make_tune([], 24, length=192)), "note") == []
