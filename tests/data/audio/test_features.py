"""Log-mel features: against an independent computation, streaming in any chunks, stacking and lookahead."""

from __future__ import annotations

import math

import numpy
import pytest

from seqloom.data.audio.features import FeatureOptions, log_mel, log_mel_stream

RATE = 16000
OPTIONS = FeatureOptions(num_mels=20)


def sound(samples: int = 6000) -> numpy.ndarray:
    return (numpy.random.default_rng(1).normal(size=samples) * 0.1).astype("float32")


def mel(hz: float) -> float:
    return 1127.0 * math.log1p(hz / 700.0)


def compute_by_definition(samples: numpy.ndarray, options: FeatureOptions) -> numpy.ndarray:
    """Kaldi's recipe in float64: frames without mean, pre-emphasis, Povey's window, power, triangles."""
    rate = options.sample_rate_hz
    length, shift = int(rate * options.frame_length_ms / 1000), int(rate * options.frame_shift_ms / 1000)
    size = 1 << (length - 1).bit_length()
    window = (0.5 - 0.5 * numpy.cos(2 * math.pi * numpy.arange(length) / (length - 1))) ** 0.85
    low, high = mel(20.0), mel(rate / 2)
    width = (high - low) / (options.num_mels + 1)
    frequencies = numpy.array([mel(rate * place / size) for place in range(size // 2)])
    centres = low + width * numpy.arange(1, options.num_mels + 1)
    triangles = numpy.maximum(0.0, 1 - abs(frequencies - centres[:, None]) / width)
    frames = []
    for start in range(0, len(samples) - length + 1, shift):
        frame = samples[start : start + length].astype(numpy.float64)
        frame = frame - frame.mean()
        frame = frame - 0.97 * numpy.concatenate([frame[:1], frame[:-1]])
        power = abs(numpy.fft.rfft(frame * window, size)) ** 2
        frames.append(numpy.log(numpy.maximum(triangles @ power[: size // 2], 1.1920929e-07)))
    return numpy.array(frames)


@pytest.mark.parametrize(
    "options", [OPTIONS, FeatureOptions(8000, num_mels=40), FeatureOptions(num_mels=23, frame_shift_ms=12.5)]
)
def test_log_mel_equals_its_definition(options: FeatureOptions) -> None:
    features = log_mel(sound(), options)
    assert features.dtype == numpy.float32
    # float32 within kaldi-native-fbank, through a Fourier transform and a logarithm
    numpy.testing.assert_allclose(features, compute_by_definition(sound(), options), atol=2e-3)


def test_features_of_silence_are_finite() -> None:
    features = log_mel(numpy.zeros(RATE, dtype="float32"), OPTIONS)
    numpy.testing.assert_allclose(features, math.log(1.1920929e-07), rtol=1e-6)  # float32


@pytest.mark.parametrize(("stacked_frames", "lookahead_frames"), [(1, 0), (3, 0), (4, 0), (1, 2), (3, 5)])
@pytest.mark.parametrize("chunk", [1, 37, 160, 400, 1600, 5999])
def test_streaming_in_any_chunks_gives_the_same_steps(
    chunk: int, stacked_frames: int, lookahead_frames: int
) -> None:
    options = OPTIONS._replace(stacked_frames=stacked_frames, lookahead_frames=lookahead_frames)
    samples = sound()
    chunks = [samples[start : start + chunk] for start in range(0, len(samples), chunk)]
    steps = list(log_mel_stream(chunks, options))
    assert len(steps) == len(chunks)
    numpy.testing.assert_array_equal(numpy.concatenate(steps), log_mel(samples, options))


def test_a_step_is_given_with_its_last_sample() -> None:
    """Two frames of 25 ms, 10 ms apart, need 35 ms: 560 samples."""
    options = OPTIONS._replace(stacked_frames=2)
    samples = sound(560)
    counts = [len(steps) for steps in log_mel_stream([samples[:559], samples[559:]], options)]
    assert counts == [0, 1]
    assert options.min_duration_ms == 35


def test_a_chunk_of_steps_is_not_overwritten_later() -> None:
    """Frames are views of the extractor's memory, which it reuses: they must be copied."""
    samples = sound(16000)
    stream = log_mel_stream([samples[:8000], samples[8000:]], OPTIONS)
    first = next(stream)
    copy = first.copy()
    next(stream)
    numpy.testing.assert_array_equal(first, copy)


def test_stacked_frames_are_concatenated_and_the_remainder_is_dropped() -> None:
    frames = log_mel(sound(6200), OPTIONS)
    steps = log_mel(sound(6200), OPTIONS._replace(stacked_frames=3))
    assert len(frames) % 3
    assert steps.shape == (len(frames) // 3, 60)
    numpy.testing.assert_array_equal(steps.reshape(-1, 20), frames[: len(steps) * 3])


@pytest.mark.parametrize("lookahead_frames", [0, 1, 4])
def test_lookahead_appends_the_frames_after_a_step(lookahead_frames: int) -> None:
    frames = log_mel(sound(), OPTIONS)
    options = OPTIONS._replace(stacked_frames=3, lookahead_frames=lookahead_frames)
    steps = log_mel(sound(), options)
    assert steps.shape == ((len(frames) - lookahead_frames) // 3, options.size)
    for number, step in enumerate(steps):
        expected = frames[3 * number : 3 * number + 3 + lookahead_frames]
        numpy.testing.assert_array_equal(step.reshape(-1, 20), expected)
    needed = int(options.min_duration_ms * RATE / 1000)
    assert [len(log_mel(sound(needed - less), options)) for less in (1, 0)] == [0, 1]


@pytest.mark.parametrize("samples", [0, 399])
def test_audio_shorter_than_a_frame_has_no_steps(samples: int) -> None:
    assert log_mel(sound(samples), OPTIONS).shape == (0, 20)
