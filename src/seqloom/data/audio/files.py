"""Files of sound to samples: one channel, one sample rate, and one clear line for what cannot be used.

Whatever libsndfile reads (wav, flac, ogg, mp3, aiff …) through soundfile. Resampling is soxr's: it asks for
numpy alone, and its default is free of audible aliasing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy

from seqloom.errors import DataError
from seqloom.optional import optional_package

PCM_SCALE = 32768
"""Of 16-bit samples: full scale is 1."""
UNKNOWN_SIZE = 0x7FFF0000
"""Programs that write into a pipe put about this, or twice this, where a header wants a size."""
READ_BYTES = 1 << 16

_SIZES = re.compile(r"^\s*(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_BROKEN_OGG = ("without an End-Of-Stream", "lacks an end-of-stream", "Junk after the last page")
"""What libsndfile remarks, and reads on; it remarks more than this, of which nothing is lost."""


class Waveform(NamedTuple):
    """Samples (N,), float32 from -1 to 1, and what was done to them that a person should hear of once."""

    samples: numpy.ndarray
    sample_rate_hz: int
    notes: tuple[str, ...] = ()
    """For example `resampled from 44100 Hz to 16000 Hz`; the same words for every such file"""


def read_audio(path: Path, sample_rate_hz: int | None = None, where: object = None) -> Waveform:
    """Read a file of sound as one channel.

    Several channels are averaged, and another rate is resampled: `notes` says so.

    Args:
        path: the file.
        sample_rate_hz: the rate that is wanted; None: the file's own.
        where: who speaks in an error, for example `metadata.csv, line 3`; None: the file.

    Raises:
        DataError: there is no such file, it is not audio, it was cut short, or it is silent.
        ConfigError: soundfile or, where it is needed, soxr is not installed.

    >>> import soundfile, tempfile
    >>> tone = numpy.sin(numpy.arange(800) * 0.3).astype("float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     soundfile.write(f"{folder}/tone.wav", tone, 8000)
    ...     audio = read_audio(Path(folder) / "tone.wav", sample_rate_hz=16000)
    >>> audio.samples.shape, audio.sample_rate_hz, audio.notes
    ((1600,), 16000, ('resampled from 8000 Hz to 16000 Hz',))
    """
    soundfile = optional_package("soundfile", "speech")
    if not path.is_file():
        raise _unusable(where, path, "a file of sound", "no such file")
    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(dtype="float32", always_2d=True)
            rate, frames, remarks = file.samplerate, file.frames, file.extra_info
    except soundfile.LibsndfileError as error:
        words = error.error_string.removeprefix("Error : ").rstrip(". ")
        if "ormat" in words:  # "Format not recognized", and the like of a container that holds something else
            got = f"{path.stat().st_size:,} bytes of something else"
            raise _unusable(where, path, "audio, such as wav, flac or ogg", got) from None
        raise _unusable(where, path, "audio that is whole", f"a file that breaks off ({words})") from None
    if len(samples) < frames or _breaks_off(remarks):
        got = f"a file that breaks off after {len(samples) / rate:.2f} s"
        raise _unusable(where, path, "audio that is whole", got)
    notes: tuple[str, ...] = ()
    mono = samples[:, 0]
    if samples.shape[1] > 1:
        notes, mono = (f"{samples.shape[1]} channels averaged to one",), samples.mean(axis=1)
    _check_sound(where, path, mono)
    if sample_rate_hz is not None and rate != sample_rate_hz:
        notes = (*notes, f"resampled from {rate} Hz to {sample_rate_hz} Hz")
        mono, rate = optional_package("soxr", "speech").resample(mono, rate, sample_rate_hz), sample_rate_hz
    return Waveform(numpy.ascontiguousarray(mono, dtype=numpy.float32), rate, notes)


def _breaks_off(remarks: str) -> bool:
    """Whether libsndfile, which reads what there is, found less than the file said of itself."""
    sizes = ((int(said), int(there)) for said, there in _SIZES.findall(remarks))
    return any(there < said < UNKNOWN_SIZE for said, there in sizes) or any(
        remark in remarks for remark in _BROKEN_OGG
    )


def _check_sound(where: object, path: Path, samples: numpy.ndarray) -> None:
    if not len(samples):
        raise _unusable(where, path, "audio with something to hear", "no samples")
    if not numpy.isfinite(samples).all():
        raise _unusable(where, path, "samples that are numbers", "nan or inf")
    if samples.min() == samples.max():
        raise _unusable(where, path, "audio with something to hear", "silence from start to end")


def _unusable(where: object, path: Path, expected: str, got: str) -> DataError:
    name = path if where is None else f"{where}, {path.name}"
    return DataError(name, f"expected {expected}", got=got)


def read_pcm(file: BinaryIO) -> Iterator[numpy.ndarray]:
    """Raw samples as they come: 16-bit little-endian integers of one channel, to float32 from -1 to 1.

    Args:
        file: for example `sys.stdin.buffer`; what is there is given at once, and nothing is waited for.

    >>> import io
    >>> [chunk.tolist() for chunk in read_pcm(io.BytesIO(bytes([0, 64, 0, 192])))]
    [[0.5, -0.5]]
    """
    # `read1` gives what one read of the pipe gave; `read` would wait for a full buffer.
    read = getattr(file, "read1", file.read)
    half = b""
    while piece := read(READ_BYTES):
        piece = half + piece
        whole = len(piece) & ~1
        half = piece[whole:]
        if whole:
            yield numpy.frombuffer(piece[:whole], dtype="<i2").astype(numpy.float32) / PCM_SCALE
    if half:
        raise DataError("standard input", "expected 16-bit samples", got="an odd number of bytes")
