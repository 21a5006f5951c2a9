"""Samples to log-mel frames, whole or as they come: the same frames in any chunks.

Kaldi's features (Povey et al. 2011), computed by kaldi-native-fbank: pre-emphasis, windows of some
milliseconds, their power spectrum, its sums in triangles on the mel scale, and the logarithm of those.
Nothing is drawn (no dither). Frames that follow one another may be stacked to one step, so that a recurrent
layer has fewer steps to run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy

from seqloom.optional import optional_package


class FeatureOptions(NamedTuple):
    """How samples become features.

    Fields:
        sample_rate_hz: of the samples.
        num_mels: bands of the mel scale, from 20 Hz to half the sample rate.
        frame_length_ms: one frame sees so much.
        frame_shift_ms: from the start of a frame to the start of the next.
        stacked_frames: frames that make up one step; what is left at the end, less than a step, is dropped.
        lookahead_frames: frames after its own that a step sees too (Sak et al. 2015, arXiv:1507.06947), for a
            model that reads in one direction. A step is known so much later.

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
    def seen_frames(self) -> int:
        """Frames that a step sees."""
        return self.stacked_frames + self.lookahead_frames

    @property
    def size(self) -> int:
        """Features of a step."""
        return self.num_mels * self.seen_frames

    @property
    def shortest_ms(self) -> float:
        """What a step needs: shorter audio has none."""
        return self.frame_length_ms + (self.seen_frames - 1) * self.frame_shift_ms


def log_mel(samples: numpy.ndarray, options: FeatureOptions) -> numpy.ndarray:
    """The steps of a whole recording.

    Args:
        samples: (N,) float32 from -1 to 1, at `options.sample_rate_hz`.
        options: how they become features.

    Returns:
        (T, options.size) float32, in nats.

    Raises:
        ConfigError: kaldi-native-fbank is not installed.

    >>> log_mel(numpy.zeros(16000, dtype="float32"), FeatureOptions()).shape
    (98, 64)
    """
    return numpy.concatenate(list(log_mel_stream([samples], options)))


def log_mel_stream(chunks: Iterable[numpy.ndarray], options: FeatureOptions) -> Iterator[numpy.ndarray]:
    """The same steps, as soon as their samples are there.

    Args:
        chunks: samples, (n,) float32 each, of any sizes.
        options: how they become features.

    Returns:
        For each chunk the steps that it completes, (t, options.size) float32; t may be 0.
    """
    fbank = _extractor(options)
    done = 0
    waiting = numpy.empty((0, options.num_mels), dtype=numpy.float32)
    for chunk in chunks:
        fbank.accept_waveform(options.sample_rate_hz, chunk)
        ready = fbank.num_frames_ready
        if ready > done:  # a frame is a view of the extractor's own memory: copied before it is given up
            new = numpy.stack([fbank.get_frame(number) for number in range(done, ready)])
            fbank.pop(ready - done)
            waiting, done = numpy.concatenate([waiting, new]), ready
        steps = max(len(waiting) - options.lookahead_frames, 0) // options.stacked_frames
        starts = numpy.arange(steps)[:, None] * options.stacked_frames
        yield waiting[starts + numpy.arange(options.seen_frames)].reshape(steps, options.size)
        waiting = waiting[steps * options.stacked_frames :]


def _extractor(options: FeatureOptions) -> Any:
    package = optional_package("kaldi_native_fbank", "speech")
    chosen = package.FbankOptions()
    chosen.frame_opts.samp_freq = options.sample_rate_hz
    chosen.frame_opts.frame_length_ms = options.frame_length_ms
    chosen.frame_opts.frame_shift_ms = options.frame_shift_ms
    chosen.frame_opts.dither = 0.0
    # No frame reaches beyond the recording, so that none depends on where a recording ends.
    chosen.frame_opts.snip_edges = True
    chosen.mel_opts.num_bins = options.num_mels
    return package.OnlineFbank(chosen)
