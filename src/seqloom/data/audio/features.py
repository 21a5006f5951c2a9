"""Log-mel features of audio, of a whole recording or streaming: any chunks give the same frames.

Kaldi's filter-bank features (Povey et al. 2011), computed by kaldi-native-fbank: pre-emphasis, windowed
frames, their power spectrum, triangular mel filters, and the logarithm. No dither, so they are deterministic.
Consecutive frames may be stacked into one step, so that a recurrent layer has fewer steps to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy

from seqloom.data.audio.files import MAX_RATE_HZ
from seqloom.errors import ConfigError
from seqloom.optional import import_optional

MAX_FRAMES = 1000
"""Of a step, and as many that it looks ahead"""


class FeatureOptions(NamedTuple):
    """How samples become features.

    Fields:
        sample_rate_hz: sample rate of the audio.
        num_mels: mel bands, from 20 Hz to half the sample rate.
        frame_length_ms: length of a frame's window.
        frame_shift_ms: from the start of one frame to the start of the next.
        stacked_frames: frames in one step; frames at the end that do not fill a step are dropped.
        lookahead_frames: future frames that a step includes beyond its own (Sak et al. 2015,
            arXiv:1507.06947), for a unidirectional model. They add latency when streaming.

    >>> FeatureOptions(num_mels=40, stacked_frames=3).size
    120
    """

    sample_rate_hz: int = 16000
    num_mels: int = 64
    frame_length_ms: float = 25.0
    frame_shift_ms: float = 10.0
    stacked_frames: int = 1
    lookahead_frames: int = 0

    @property
    def frames_per_step(self) -> int:
        """Frames that one step is made of, lookahead included."""
        return self.stacked_frames + self.lookahead_frames

    @property
    def size(self) -> int:
        """Features per step."""
        return self.num_mels * self.frames_per_step

    @property
    def min_duration_ms(self) -> float:
        """Duration of one step: shorter audio has no features."""
        return self.frame_length_ms + (self.frames_per_step - 1) * self.frame_shift_ms


def log_mel(samples: numpy.ndarray, options: FeatureOptions) -> numpy.ndarray:
    """Compute the features of a whole recording.

    Args:
        samples: (N,) float32 from -1 to 1, at `options.sample_rate_hz`.
        options: see `FeatureOptions`.

    Returns:
        (T, options.size) float32, natural logarithms of filter-bank energies.

    Raises:
        ConfigError: kaldi-native-fbank is not installed.

    >>> log_mel(numpy.zeros(16000, dtype="float32"), FeatureOptions()).shape
    (98, 64)
    """
    return numpy.concatenate(list(log_mel_stream([samples], options)))


def log_mel_stream(chunks: Iterable[numpy.ndarray], options: FeatureOptions) -> Iterator[numpy.ndarray]:
    """Compute the features of a stream; each step is given as soon as its last sample has come.

    Args:
        chunks: samples, (n,) float32 each, of any sizes.
        options: see `FeatureOptions`.

    Yields:
        For every chunk the steps that it completes, (t, options.size) float32; t may be 0.
    """
    fbank = _make_extractor(options)
    num_done = 0
    pending = numpy.empty((0, options.num_mels), dtype=numpy.float32)
    for chunk in chunks:
        fbank.accept_waveform(options.sample_rate_hz, chunk)
        num_ready = fbank.num_frames_ready
        if num_ready > num_done:  # a frame is a view of the extractor's memory: copied before it is popped
            new = numpy.stack([fbank.get_frame(index) for index in range(num_done, num_ready)])
            fbank.pop(num_ready - num_done)
            pending, num_done = numpy.concatenate([pending, new]), num_ready
        steps = max(len(pending) - options.lookahead_frames, 0) // options.stacked_frames
        starts = numpy.arange(steps)[:, None] * options.stacked_frames
        yield pending[starts + numpy.arange(options.frames_per_step)].reshape(steps, options.size)
        pending = pending[steps * options.stacked_frames :]


def check_options(options: FeatureOptions) -> None:
    """Refuse options with which the library would compute nothing, or divide by zero.

    Raises:
        ConfigError: it would.

    >>> try:
    ...     check_options(FeatureOptions(frame_shift_ms=0.01))
    ... except ConfigError as error:
    ...     print(error)
    data.frame_shift_ms: must be at least one sample, 0.0625 ms at 16000 Hz. Got 0.01.
    """
    _make_extractor(options)


def _make_extractor(options: FeatureOptions) -> Any:
    rate = options.sample_rate_hz
    if not 1 <= rate <= MAX_RATE_HZ:
        raise ConfigError("data.sample_rate_hz", f"must be from 1 to {MAX_RATE_HZ:,}", got=rate)
    for name, fewest in (("frame_shift_ms", 1), ("frame_length_ms", 2)):
        value, least = getattr(options, name), fewest * 1000 / rate
        if not value >= least:
            samples = "one sample" if fewest == 1 else f"{fewest} samples"
            expected = f"must be at least {samples}, {least:g} ms at {rate} Hz"
            raise ConfigError(f"data.{name}", expected, got=value)
    package = import_optional("kaldi_native_fbank", "speech")
    fbank_options = package.FbankOptions()
    fbank_options.frame_opts.samp_freq = options.sample_rate_hz
    fbank_options.frame_opts.frame_length_ms = options.frame_length_ms
    fbank_options.frame_opts.frame_shift_ms = options.frame_shift_ms
    fbank_options.frame_opts.dither = 0.0
    # No frame is padded at the edges: so no frame depends on where the recording ends.
    fbank_options.frame_opts.snip_edges = True
    fbank_options.mel_opts.num_bins = options.num_mels
    try:
        return package.OnlineFbank(fbank_options)
    except (ValueError, TypeError, RuntimeError):  # a mel that no frequency of the spectrum is in
        expected = f"must be fewer for frames of {options.frame_length_ms:g} ms at {rate} Hz"
        hint = "Or set data.frame_length_ms higher"
        raise ConfigError("data.num_mels", expected, got=options.num_mels, hint=hint) from None
