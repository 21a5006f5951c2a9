"""Made-up speech: recordings that are read, their own transcripts, and the same bytes for the same seed."""

from __future__ import annotations

import numpy
import pytest

from seqloom.data.audio.files import read_audio
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.tasks.transcribe.toy_data import RATE_HZ, ROWS, SPEAKERS, synthesize, write_toy_data_files


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Records:
    folder = tmp_path_factory.mktemp("sample")
    assert "not speech" in write_toy_data_files(folder, 3)  # it says that it is made up
    found = read(folder, strict=True)
    assert isinstance(found, Records)
    return found


def test_it_is_in_the_format_that_the_task_reads(data: Records) -> None:
    assert {name: len(rows) for name, rows in data.splits.items()} == ROWS
    assert set(data.columns) == {"file", "transcription", "speaker"}
    assert {row.fields["speaker"] for row in data.examples("train")} == set(SPEAKERS)
    audio = read_audio(data.examples("test")[0].fields["file"])
    assert audio.sample_rate_hz == RATE_HZ
    assert audio.conversions == ()
    assert 0.01 < abs(audio.samples).mean() < 0.5


def test_longer_texts_take_longer(data: Records) -> None:
    rows = data.examples("test")
    seconds = [len(read_audio(row.fields["file"]).samples) / RATE_HZ for row in rows]
    letters = [len(row.fields["transcription"]) for row in rows]
    assert numpy.corrcoef(seconds, letters)[0, 1] > 0.8


def test_letters_differ_and_speakers_do() -> None:
    """The lower of the two tones of each."""

    def tone(letter: str, pitch: float) -> float:
        sound = synthesize(letter, pitch, numpy.random.default_rng(0))
        hz = numpy.fft.rfftfreq(len(sound), 1 / RATE_HZ)
        return float(hz[(abs(numpy.fft.rfft(sound)) * (hz < 900)).argmax()])

    assert len({round(tone(letter, 1.0)) for letter in "abcdef"}) == 6
    assert tone("a", 1.15) / tone("a", 1.0) == pytest.approx(
        1.15, rel=0.02
    )  # a spectrum's lines are 3 Hz apart
