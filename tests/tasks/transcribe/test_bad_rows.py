"""Bad recordings and transcripts: one line for each, skipped and counted, or an error if strict."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest
import soundfile

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.errors import DataError
from seqloom.runs.config import resolve
from seqloom.tasks.transcribe.toy_data import RATE_HZ

from .recordings import TASK, prepared, sentences, speech, write

BAD = {
    "missing.wav": ("go", r"expected an audio file\. Got no such file\. Its path is /.*/missing\.wav\."),
    "text.wav": ("go", r"expected audio, such as wav, flac or ogg\. Got 9 bytes in no known audio format\."),
    "cut.wav": ("go", r"expected a complete audio file\. Got one truncated after 0\.\d+ s\."),
    "silent.wav": ("go", r"expected audible sound\. Got silence from start to end\."),
    "short.wav": ("go", r"expected at least 45 ms of audio\. Got 5\.0 ms\."),
    "untold.wav": ("", r"`transcription` must be a text\. Got nothing\."),
    "long.wav": (
        "stop stop stop stop stop stop stop",
        r"`transcription` has 34 characters, for which CTC needs 34 steps or more\. Got 10 steps of the "
        r"recording\. Is it the transcript of this file\? If so, set data\.stacked_frames lower\.",
    ),
    "foreign.wav": (
        "quack",
        r"must be made of the characters of the training split\. Got 'a', 'c', 'k', 'q', 'u'\.",
    ),
}


@pytest.fixture
def spoilt(folder: Path, tmp_path: Path) -> Path:
    """The data with bad rows among the good ones of the test split."""
    shutil.copytree(folder, tmp_path / "data")
    place = tmp_path / "data" / "test"
    (place / "text.wav").write_text("no sound\n")
    whole = (place / "0.wav").read_bytes()
    (place / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(place / "silent.wav", numpy.zeros(8000), RATE_HZ)
    soundfile.write(place / "short.wav", speech("go")[:40], RATE_HZ)
    soundfile.write(place / "untold.wav", speech("go"), RATE_HZ)
    soundfile.write(place / "long.wav", speech("go")[:3200], RATE_HZ)
    return tmp_path / "data"


def spoil(folder: Path, names: Sequence[str]) -> None:
    rows = sentences(4, 2) + [(name, BAD[name][0]) for name in names]
    lines = ["file_name,transcription", *(f"{name},{text}" for name, text in rows)]
    for name in names:
        if name == "foreign.wav":
            soundfile.write(folder / "test" / name, speech("go left"), RATE_HZ)
    (folder / "test" / "metadata.csv").write_text("\n".join(lines) + "\n")


def test_bad_rows_among_good_ones_are_skipped_and_counted(spoilt: Path) -> None:
    names = [name for name in BAD if name != "foreign.wav"]
    spoil(spoilt, [*names, "foreign.wav"])
    case = prepared(spoilt)
    source = case.preparation.source(case.data, "test", Batching(8, training=False))
    assert len(source.skipped) == len(BAD)
    assert len(case.rows().nats) == 4


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_one_line_and_an_error_if_strict(name: str, spoilt: Path) -> None:
    spoil(spoilt, [name])
    case = prepared(spoilt)
    (message,) = case.preparation.source(case.data, "test", Batching(8, training=False)).skipped
    assert re.search(rf"metadata\.csv, line 6.*: .*{BAD[name][1]}$", message), message
    assert "\n" not in message
    strict = read(spoilt, strict=True)
    with pytest.raises(DataError, match=BAD[name][1]):
        case.preparation.source(strict, "test", Batching(8, training=False))


def test_symbols_unseen_in_training_count_as_errors(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Skipping such a row would flatter the model. The loss is of the known symbols."""
    shutil.copytree(folder, tmp_path / "data")
    write(tmp_path / "data" / "test", [("0.wav", "go left"), ("1.wav", "go zoo")])
    case = prepared(tmp_path / "data")
    with caplog.at_level(logging.WARNING, "seqloom"):
        rows = case.rows()
        case.rows()
    assert [record.getMessage() for record in caplog.records] == [
        "1 transcripts of test have symbols that the training split has not ('z'): "
        "they count as errors, and the loss leaves them out"
    ]
    assert sorted(rows.units.tolist()) == [5, 7]  # without z
    assert rows.total("words")[3] == 4
    assert rows.total("characters")[3] == 13
    strict = read(tmp_path / "data", strict=True)
    with pytest.raises(DataError, match=r"must be made of the characters of the training split\. Got 'z'\.$"):
        case.preparation.source(strict, "test", Batching(8))


def test_missing_columns_are_named(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "train", sentences(3, 0), "file_name,spoken")
    data = read(tmp_path)
    assert TASK.accepts(data) is None
    with pytest.raises(DataError, match=r"expected columns file, transcription\. Got file, spoken\."):
        TASK.prepare(data, resolve(TASK, []).data)  # type: ignore[arg-type]
    with pytest.raises(
        DataError, match=r"expected columns file, transcription, speaker\. Got file, transcription"
    ):
        prepared(folder, data={"normalization": "speaker"})


def test_stereo_and_resampling_are_mentioned_once(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(folder, tmp_path / "data")
    for name in ("1.wav", "2.wav"):
        sound = numpy.repeat(speech("go left"), 6)
        both = numpy.stack([sound, sound], axis=1)
        soundfile.write(tmp_path / "data" / "train" / name, both, 6 * RATE_HZ)
    with caplog.at_level(logging.WARNING, "seqloom"):
        case = prepared(tmp_path / "data")
        source = case.preparation.source(case.data, "train", Batching(8))
    assert source.skipped == ()
    assert [record.getMessage() for record in caplog.records] == [
        "2 channels averaged to one (first in 1.wav; not repeated for other files)",
        "resampled from 48000 Hz to 8000 Hz (first in 1.wav; not repeated for other files)",
    ]


def test_the_sample_rate_is_that_of_the_first_good_recording(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    (tmp_path / "data" / "train" / "0.wav").write_text("no sound")
    assert prepared(tmp_path / "data").preparation.input.options.sample_rate_hz == RATE_HZ
    chosen = prepared(folder, data={"sample_rate_hz": 16000}).preparation.input.options
    assert chosen.sample_rate_hz == 16000
    with pytest.raises(DataError, match=r"0\.wav: expected audio, such as wav"):
        prepared(tmp_path / "data", strict=True)
    for file in (tmp_path / "data" / "train").glob("*.wav"):
        file.write_text("no sound")
    with pytest.raises(
        DataError, match=r"expected at least one usable row for train\. Got 60 bad rows, the first: "
    ):
        prepared(tmp_path / "data")
