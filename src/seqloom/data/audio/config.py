"""The settings of audio, which every task that reads recordings has."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from seqloom.data.audio.features import MAX_FRAMES, FeatureOptions
from seqloom.data.audio.files import MAX_RATE_HZ, MIN_RATE_HZ
from seqloom.data.audio.spec_augment import SpecAugment
from seqloom.settings import StrictConfig

Milliseconds: TypeAlias = Annotated[float, Field(gt=0, le=1000)]
NotNegativeInt: TypeAlias = Annotated[int, Field(ge=0)]


class AudioConfig(StrictConfig):
    """The `data.*` keys of recordings; a task may have defaults of its own."""

    sample_rate_hz: Annotated[int, Field(ge=MIN_RATE_HZ, le=MAX_RATE_HZ)] | None = None
    """Recordings of another rate are resampled. None: the rate of the first training recording."""
    num_mels: Annotated[int, Field(ge=1, le=256)] = 64
    """Frequency bands of the log-mel features."""
    frame_length_ms: Milliseconds = 25.0
    """Length of the window that a frame of features is computed from."""
    frame_shift_ms: Milliseconds = 10.0
    """From the start of one frame to that of the next."""
    stacked_frames: Annotated[int, Field(ge=1, le=MAX_FRAMES)] = 1
    """Frames that make one step of the model."""
    lookahead_frames: Annotated[int, Field(ge=0, le=MAX_FRAMES)] = 0
    """Frames after its own that a step sees too, for a model of one direction. They delay a stream."""
    spec_augment: bool = False
    """Whether stretches of time and bands of frequency are masked in training (SpecAugment)."""
    time_masks: NotNegativeInt = 2
    """Masked stretches of time of a recording."""
    time_mask_frames: NotNegativeInt = 25
    """Longest stretch in frames; at most a fifth of the recording in any case."""
    frequency_masks: NotNegativeInt = 2
    """Masked bands of frequency of a recording."""
    frequency_mask_mels: NotNegativeInt = 10
    """Widest band in mels."""

    def feature_options(self, sample_rate_hz: int) -> FeatureOptions:
        """How samples become features at that rate."""
        frames = (self.frame_length_ms, self.frame_shift_ms, self.stacked_frames, self.lookahead_frames)
        return FeatureOptions(sample_rate_hz, self.num_mels, *frames)

    def augmentation(self) -> SpecAugment | None:
        """SpecAugment with these masks; None where it is off."""
        if not self.spec_augment:
            return None
        return SpecAugment(
            time_masks=self.time_masks,
            time_mask_frames=self.time_mask_frames,
            frequency_masks=self.frequency_masks,
            frequency_mask_mels=self.frequency_mask_mels,
        )
