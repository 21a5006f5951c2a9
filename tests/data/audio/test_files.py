"""Reading audio: conversions, and one clear line for every kind of unusable file."""

from __future__ import annotations

import io
import os
import struct
import threading
from pathlib import Path

import numpy
import pytest
import soundfile

from seqloom.data.audio.files import read_audio, read_pcm
from seqloom.errors import ConfigError, DataError
from seqloom.optional import import_optional

RATE = 16000


def noise(samples: int = RATE, seed: int = 0) -> numpy.ndarray:
    return (numpy.random.default_rng(seed).normal(size=samples) * 0.1).astype("float32")


def write(path: Path, samples: numpy.ndarray, rate: int = RATE, subtype: str | None = None) -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def truncate(path: Path, share: float) -> Path:
    """Drop the end of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def test_float_samples_are_read_exactly(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", noise(), subtype="FLOAT")
    audio = read_audio(path)
    assert audio.sample_rate_hz == RATE
    assert audio.conversions == ()
    assert audio.samples.dtype == numpy.float32
    numpy.testing.assert_array_equal(audio.samples, noise())


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "au", "mp3"])
def test_every_common_format_is_read_completely(suffix: str, tmp_path: Path) -> None:
    assert len(read_audio(write(tmp_path / f"a.{suffix}", noise())).samples) == RATE


@pytest.mark.parametrize("subtype", ["GSM610", "G721_32", "IMA_ADPCM", "MS_ADPCM", "ULAW", "ALAW", "PCM_U8"])
def test_codecs_of_telephones_are_read_completely(subtype: str, tmp_path: Path) -> None:
    """GSM and G.721 cannot seek: soundfile raises a ValueError unless it is told how much to read."""
    samples = read_audio(write(tmp_path / "a.wav", noise(), subtype=subtype)).samples
    assert RATE <= len(samples) < RATE + 600  # whole blocks
    assert samples.std() > 0.05


@pytest.mark.parametrize("error", [ValueError, TypeError, RuntimeError, OSError, MemoryError])
def test_whatever_soundfile_raises_is_one_line(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error("first line\nsecond line")

    path = write(tmp_path / "a.wav", noise())
    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    with pytest.raises(DataError, match=r"one that soundfile cannot read \(first line second line\)\.$"):
        read_audio(path)


def test_channels_are_averaged(tmp_path: Path) -> None:
    both = numpy.stack([noise(seed=1), noise(seed=2)], axis=1)
    audio = read_audio(write(tmp_path / "a.wav", both, subtype="FLOAT"))
    assert audio.conversions == ("2 channels averaged to one",)
    numpy.testing.assert_array_equal(audio.samples, both.mean(axis=1))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_another_sample_rate_is_resampled(rate: int, tmp_path: Path) -> None:
    seconds = numpy.arange(rate) / rate
    path = write(tmp_path / "a.wav", numpy.sin(2 * numpy.pi * 440 * seconds).astype("float32"), rate, "FLOAT")
    audio = read_audio(path, RATE)
    assert (audio.sample_rate_hz, len(audio.samples)) == (RATE, RATE)
    assert audio.conversions == (f"resampled from {rate} Hz to 16000 Hz",)
    expected = numpy.sin(2 * numpy.pi * 440 * numpy.arange(RATE) / RATE)
    inner = slice(800, -800)  # without the edges, where the filter lacks samples
    # soxr's high quality keeps errors 120 dB down; float32 has that too
    numpy.testing.assert_allclose(audio.samples[inner], expected[inner], atol=1e-4)


def test_the_same_sample_rate_is_not_resampled(tmp_path: Path) -> None:
    assert read_audio(write(tmp_path / "a.wav", noise()), RATE).conversions == ()


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "aiff", "au"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
def test_a_truncated_file_is_refused(suffix: str, share: float, tmp_path: Path) -> None:
    path = truncate(write(tmp_path / f"a.{suffix}", noise(3 * RATE)), share)
    with pytest.raises(
        DataError,
        match=rf"a\.{suffix}: expected a complete audio file\. Got (one truncated after|a truncated one)",
    ):
        read_audio(path)


def test_the_error_says_where_a_wav_is_truncated(tmp_path: Path) -> None:
    path = truncate(write(tmp_path / "a.wav", noise()), 0.5)
    with pytest.raises(DataError, match=r"truncated after 0\.50 s\.$"):
        read_audio(path)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_of_unknown_size_is_read_to_its_end(size: int, tmp_path: Path) -> None:
    """ffmpeg and sox write one to a pipe, where they cannot fill the size in afterwards."""
    path = write(tmp_path / "a.wav", noise())
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = struct.pack("<I", size)
    path.write_bytes(content)
    assert len(read_audio(path).samples) == RATE


SILENCE = numpy.zeros(RATE, dtype="float32")


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (SILENCE, r"a\.wav: expected audible sound\. Got silence from start to end\."),
        (SILENCE + 0.25, r"silence from start to end"),
        (SILENCE[:0], r"a\.wav: expected audible sound\. Got no samples\."),
        (
            numpy.array([0.1, numpy.nan], "float32"),
            r"a\.wav: expected finite samples\. Got nan or inf",
        ),
        (numpy.array([0.1, numpy.inf], "float32"), r"Got nan or inf\."),
    ],
)
def test_silent_or_invalid_samples_are_refused(samples: numpy.ndarray, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(DataError, match=message):
        read_audio(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("this is a text")
    with pytest.raises(
        DataError,
        match=r"a\.wav: expected audio, such as wav, flac or ogg\. Got 14 bytes in no known audio format\.",
    ):
        read_audio(tmp_path / "a.wav")
    (tmp_path / "empty.wav").touch()
    with pytest.raises(
        DataError, match=r"empty\.wav: expected audio.* Got 0 bytes in no known audio format\."
    ):
        read_audio(tmp_path / "empty.wav")
    with pytest.raises(DataError, match=r"no\.wav: expected an audio file\. Got no such file\."):
        read_audio(tmp_path / "no.wav")
    with pytest.raises(DataError, match=r"expected an audio file\. Got a folder\."):
        read_audio(tmp_path)


def test_an_error_names_the_row_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"^metadata\.csv, line 3, no\.wav: expected .*\. Got no such file\. Its path is /.*/no\.wav\.$",
    ):
        read_audio(tmp_path / "no.wav", where="metadata.csv, line 3")


def test_a_missing_package_is_reported_with_its_pip_command() -> None:
    with pytest.raises(
        ConfigError,
        match=r"nosuch_package: this package is needed and not installed\. pip install 'seqloom\[speech\]'",
    ):
        import_optional("nosuch_package", "speech")


def test_a_package_that_fails_to_import_is_not_reported_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("import nosuch_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nosuch_package"):
        import_optional("broken_package", "speech")


def test_pcm_is_16_bit_little_endian() -> None:
    samples = numpy.array([0, 1, -1, 32767, -32768], dtype="<i2")
    (chunk,) = read_pcm(io.BytesIO(samples.tobytes()))
    assert chunk.dtype == numpy.float32
    numpy.testing.assert_array_equal(chunk, samples / 32768)


def test_pcm_is_read_without_waiting_and_across_split_samples() -> None:
    reading, writing = os.pipe()
    samples = (noise(1001) * 32768).astype("<i2")
    content = samples.tobytes()
    received = threading.Event()

    def feed() -> None:
        os.write(writing, content[:333])
        assert received.wait(10)  # the first chunk was given before the second was written
        os.write(writing, content[333:])
        os.close(writing)

    feeder = threading.Thread(target=feed)
    feeder.start()
    chunks = []
    with open(reading, "rb") as file:
        for chunk in read_pcm(file):
            chunks.append(chunk)
            received.set()
    feeder.join()
    assert len(chunks[0]) == 166
    numpy.testing.assert_array_equal(numpy.concatenate(chunks), samples / 32768)


def test_half_a_sample_at_the_end_is_refused() -> None:
    stream = read_pcm(io.BytesIO(b"\0\1\2"))
    assert len(next(stream)) == 1
    with pytest.raises(
        DataError, match=r"standard input: expected 16-bit samples\. Got an odd number of bytes\."
    ):
        next(stream)
