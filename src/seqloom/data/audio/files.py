"""Audio files to samples of one channel at one sample rate, and one-line errors for unusable files.

Reads whatever libsndfile reads (wav, flac, ogg, mp3, aiff …), through soundfile. Resampling is done by soxr,
which depends on numpy alone and whose default quality has no audible aliasing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy

from seqloom.errors import DataError
from seqloom.optional import import_optional

PCM_SCALE = 32768
"""Full scale of 16-bit samples, which becomes 1."""
UNKNOWN_SIZE = 0x7FFF0000
"""A size in a header from here on means 'unknown': programs that write to a pipe put such a value there."""
MIN_RATE_HZ, MAX_RATE_HZ = 1000, 1_000_000
"""Of a recording: a second of one of 1 Hz would become 16,000 samples, and features begin at 20 Hz"""
SLOW = (
    "A signal as slow as an ECG or an accelerometer's is a series of numbers: give its samples, as "
    "`values`, in rows with a label"
)
MAX_LEVEL = 1 << 31
"""Of samples that are scaled otherwise, as 32-bit numbers are; squares of much larger ones overflow"""
READ_BYTES = 1 << 16
FORMATS = "audio, such as wav, flac or ogg"

_HEADER_SIZES = re.compile(r"^\s*(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_TRUNCATED_OGG = ("without an End-Of-Stream", "lacks an end-of-stream", "Junk after the last page")
"""Messages in libsndfile's log that mean lost audio; others that it logs about Ogg files are harmless."""


class Waveform(NamedTuple):
    """Samples of one channel, (N,) float32 from -1 to 1, and how they were converted."""

    samples: numpy.ndarray
    sample_rate_hz: int
    conversions: tuple[str, ...] = ()
    """For example `resampled from 44100 Hz to 16000 Hz`; files converted alike have the same texts."""


def read_audio(path: Path, sample_rate_hz: int | None = None, where: object = None) -> Waveform:
    """Read an audio file as one channel.

    Several channels are averaged, and another sample rate is resampled; `conversions` reports both.

    Args:
        path: the file.
        sample_rate_hz: the sample rate to return; None: the file's own.
        where: what an error message begins with, for example `metadata.csv, line 3`; None: the file.

    Returns:
        `Waveform`.

    Raises:
        DataError: there is no such file, it is not audio, or it is truncated or silent.
        ConfigError: soundfile or, where it is needed, soxr is not installed.

    >>> import soundfile, tempfile
    >>> tone = numpy.sin(numpy.arange(800) * 0.3).astype("float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/tone.wav", tone, 8000)
    ...     audio = read_audio(Path(folder) / "tone.wav", sample_rate_hz=16000)
    >>> audio.samples.shape, audio.sample_rate_hz, audio.conversions
    ((1600,), 16000, ('resampled from 8000 Hz to 16000 Hz',))
    """
    soundfile = import_optional("soundfile", "speech")
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise _unusable(where, path, "an audio file", got, hint=f"Its path is {path}" if where else "")
    try:
        with soundfile.SoundFile(path) as file:
            # Some codecs cannot seek, such as GSM: then soundfile wants to know how much there is to read.
            frames = -1 if file.seekable() else file.frames
            samples = file.read(frames, dtype="float32", always_2d=True)
            rate, num_frames, libsndfile_log = file.samplerate, file.frames, file.extra_info
    except soundfile.LibsndfileError as error:
        reason = error.error_string.removeprefix("Error : ").rstrip(". ")
        if "ormat" in reason:  # "Format not recognized", and its variants for containers of other content
            got = f"{path.stat().st_size:,} bytes in no known audio format"
            raise _unusable(where, path, FORMATS, got) from None
        raise _unusable(where, path, "a complete audio file", f"a truncated one ({reason})") from None
    except (ValueError, TypeError, RuntimeError, OSError, MemoryError) as error:
        got = f"one that soundfile cannot read ({' '.join(str(error).split())[:200]})"
        raise _unusable(where, path, FORMATS, got) from None
    if len(samples) < num_frames or _is_truncated(libsndfile_log):
        got = f"one truncated after {len(samples) / rate:.2f} s"
        raise _unusable(where, path, "a complete audio file", got)
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        expected = f"a sample rate from {MIN_RATE_HZ:,} to {MAX_RATE_HZ:,} Hz"
        raise _unusable(where, path, expected, f"{rate:,} Hz", hint=SLOW if rate < MIN_RATE_HZ else "")
    conversions: tuple[str, ...] = ()
    mono = samples[:, 0]
    if samples.shape[1] > 1:
        conversions, mono = (f"{samples.shape[1]} channels averaged to one",), samples.mean(axis=1)
    _check_samples(where, path, mono)
    if sample_rate_hz is not None and rate != sample_rate_hz:
        conversions = (*conversions, f"resampled from {rate} Hz to {sample_rate_hz} Hz")
        mono, rate = import_optional("soxr", "speech").resample(mono, rate, sample_rate_hz), sample_rate_hz
    return Waveform(numpy.ascontiguousarray(mono, dtype=numpy.float32), rate, conversions)


def _is_truncated(libsndfile_log: str) -> bool:
    """Whether the file has less audio than its header says: libsndfile logs that and reads the rest."""
    sizes = [(int(header), int(actual)) for header, actual in _HEADER_SIZES.findall(libsndfile_log)]
    return any(actual < header < UNKNOWN_SIZE for header, actual in sizes) or any(
        message in libsndfile_log for message in _TRUNCATED_OGG
    )


def _check_samples(where: object, path: Path, samples: numpy.ndarray) -> None:
    if not len(samples):
        raise _unusable(where, path, "audible sound", "no samples")
    if not numpy.isfinite(samples).all():
        raise _unusable(where, path, "finite samples", "nan or inf")
    if max(-samples.min(), samples.max()) > MAX_LEVEL:
        got = f"{max(-samples.min(), samples.max()):g}"
        raise _unusable(where, path, f"samples of at most {MAX_LEVEL:,}, where 1 is full scale", got)
    if samples.min() == samples.max():
        raise _unusable(where, path, "audible sound", "silence from start to end")


def _unusable(where: object, path: Path, expected: str, got: str, hint: str = "") -> DataError:
    name = path if where is None else f"{where}, {path.name}"
    return DataError(name, f"expected {expected}", got=got, hint=hint)


def read_pcm(file: BinaryIO) -> Iterator[numpy.ndarray]:
    """Read raw 16-bit little-endian samples of one channel, as soon as they are available.

    Args:
        file: for example `sys.stdin.buffer`. It is read without waiting for a full buffer.

    Yields:
        (n,) float32 from -1 to 1.

    Raises:
        DataError: the stream ends in the middle of a sample.

    >>> import io
    >>> [chunk.tolist() for chunk in read_pcm(io.BytesIO(bytes([0, 64, 0, 192])))]
    [[0.5, -0.5]]
    """
    # `read1` returns what one read of the pipe gave; `read` would wait for a full buffer.
    read = getattr(file, "read1", file.read)
    odd_byte = b""
    while data := read(READ_BYTES):
        data = odd_byte + data
        even_size = len(data) & ~1
        odd_byte = data[even_size:]
        if even_size:
            yield numpy.frombuffer(data[:even_size], dtype="<i2").astype(numpy.float32) / PCM_SCALE
    if odd_byte:
        raise DataError("standard input", "expected 16-bit samples", got="an odd number of bytes")
