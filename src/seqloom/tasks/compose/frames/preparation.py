"""Piano rolls to batches: the keys of the training split, and how long a frame is."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, final

import numpy
from pydantic import Field, model_validator

from seqloom.data.batching import Batching, Source
from seqloom.data.compression import content_suffix
from seqloom.data.music.dataset import Music
from seqloom.data.music.midi import read_midi
from seqloom.data.music.rolls.formats import READERS, read_file
from seqloom.data.music.rolls.roll import HIGHEST_KEY, LOWEST_KEY, NUM_KEYS, Roll, check_frames
from seqloom.data.music.rolls.tunes import frames_of_tune, tune_of_frames
from seqloom.data.music.tune import TimeSignature, Tune
from seqloom.data.tables.skipped import SkippedRows
from seqloom.errors import ConfigError, DataError
from seqloom.stored import StoredValue, mistake, read_stored
from seqloom.tasks.compose.config import DataConfig, FramesPerBar, FramesPerQuarter
from seqloom.tasks.compose.frames.batches import Augmentation, RollBatches
from seqloom.tasks.compose.output import pitch_name

MARKER = "frames.json"
MAX_BATCH_FRAMES = 4096
"""Of a batch, padding included: where keys are tied, each frame is as many rows of a layer as it has keys."""


class Meter(NamedTuple):
    """How frames are counted.

    Fields:
        frames_per_quarter: frames of a quarter note.
        frames_per_bar: frames of a bar, counted from the first frame of a roll; None: not known.
    """

    frames_per_quarter: int
    frames_per_bar: int | None

    def time_signature(self) -> TimeSignature:
        """That of a bar; 4/4 where it is not known, or is none.

        >>> [str(Meter(2, bar).time_signature()) for bar in (8, 6, 3, None)]
        ['4/4', '3/4', '3/8', '4/4']
        """
        quarters = Fraction(self.frames_per_bar or 4 * self.frames_per_quarter, self.frames_per_quarter)
        if 4 * quarters.denominator > 64 or quarters.denominator & (quarters.denominator - 1):
            return TimeSignature(0, 4, 4)
        return TimeSignature(0, quarters.numerator, 4 * quarters.denominator)

    def frames_of(self, time_signature: str | None) -> int:
        """Frames of a bar.

        Args:
            time_signature: as `6/8`; None: what the rolls have, or 4/4.

        Raises:
            ConfigError: it is no whole number of frames.
        """
        if time_signature is None:
            return self.frames_per_bar or 4 * self.frames_per_quarter
        numerator, _, denominator = time_signature.partition("/")
        frames = Fraction(4 * self.frames_per_quarter * int(numerator), int(denominator))
        if frames.denominator > 1:
            expected = f"a bar must be whole frames, {self.frames_per_quarter} of them a quarter note"
            raise ConfigError("decoding.time_signature", expected, got=time_signature)
        return int(frames)


class _StoredFrames(StoredValue):
    """What `files` writes."""

    first_key: Annotated[int, Field(ge=0, lt=NUM_KEYS)]
    stop_key: Annotated[int, Field(ge=1, le=NUM_KEYS)]
    frames_per_quarter: FramesPerQuarter
    frames_per_bar: FramesPerBar | None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.first_key >= self.stop_key:
            raise mistake("no key between the first and the last")
        return self


@final
class RollPreparation:
    """The range of keys that training rolls have, and the meter.

    Args:
        first_key: the lowest key that is modeled, from 0.
        stop_key: one above the highest.
        meter: frames of a quarter note and of a bar.
        config: excerpts and transposition in training.
    """

    kind: Literal["frames"] = "frames"
    unit = "frame"
    column = "file"

    def __init__(self, first_key: int, stop_key: int, meter: Meter, config: DataConfig) -> None:
        self.first_key, self.stop_key, self.meter, self.config = first_key, stop_key, meter, config

    @classmethod
    def fit(cls, data: Music, config: DataConfig) -> RollPreparation:
        """Find the keys that sound in the training split, and one more to either side.

        Raises:
            DataError: no key sounds, or no roll can be used.
        """
        heard = numpy.zeros(NUM_KEYS, dtype=bool)
        for roll in read_split(data, "train")[0]:
            heard |= roll.frames.any(0)
        if not heard.any():
            raise DataError(data.path, "expected notes to learn from", got="silence in all training rolls")
        first, last = heard.nonzero()[0][[0, -1]].tolist()
        meter = Meter(config.frames_per_quarter, config.frames_per_bar)
        return cls(max(first - 1, 0), min(last + 2, NUM_KEYS), meter, config)

    @classmethod
    def load(cls, folder: Path, config: DataConfig) -> RollPreparation:
        """Read what `files` wrote into a run folder.

        Raises:
            RunError: the file is missing or damaged.
        """
        stored = read_stored(folder / MARKER, _StoredFrames, "expected the frames of a run")
        meter = Meter(stored.frames_per_quarter, stored.frames_per_bar)
        return cls(stored.first_key, stored.stop_key, meter, config)

    def files(self) -> dict[str, str]:
        """Keys and meter."""
        values = {"first_key": self.first_key, "stop_key": self.stop_key, **self.meter._asdict()}
        return {MARKER: json.dumps(values)}

    def describe(self) -> str:
        """For example `54 keys from G1 to C6, 2 frames a quarter note`."""
        lowest, highest = (pitch_name(LOWEST_KEY + key) for key in (self.first_key, self.stop_key - 1))
        frames = self.meter.frames_per_quarter
        unit = "1 frame" if frames == 1 else f"{frames} frames"
        bar = f", {self.meter.frames_per_bar} a bar" if self.meter.frames_per_bar else ""
        return f"{self.stop_key - self.first_key} keys from {lowest} to {highest}, {unit} a quarter note{bar}"

    def encode(self, value: Any) -> Tune:
        """A primer: the path of a MIDI file or of one whose first piano roll it is; a roll (T, 88); a tune.

        Raises:
            DataError: it is none of these, or has no note that a piano has.
        """
        tune = self._tune_of(value)
        if not frames_of_tune(tune, self.meter.frames_per_quarter).any():
            where = value if isinstance(value, str | Path) else "primer"
            raise DataError(where, f"expected notes from {LOWEST_KEY} to {HIGHEST_KEY}", got="none")
        return tune

    def _tune_of(self, value: Any) -> Tune:
        if isinstance(value, Tune):
            return value
        if isinstance(value, numpy.ndarray):
            frames = check_frames(value, "primer")
        elif not isinstance(value, str | Path):
            expected = "the primer must be a MIDI file, a piano roll or a tune"
            raise DataError("compose", expected, got=type(value).__name__)
        elif content_suffix(path := Path(value)) not in READERS:
            return read_midi(path)
        else:
            frames = read_file(path)[0].roll.check().frames
        return tune_of_frames(frames, self.meter.frames_per_quarter, (self.meter.time_signature(),))

    def source(self, data: Music, split: str, batching: Batching) -> Source:
        """Batches of rolls of near length; in training, of excerpts that are moved up or down."""
        rolls, skipped = read_split(data, split)
        augmentation = Augmentation(
            self.config.max_frames,
            self.config.transpose,
            self.first_key,
            self.stop_key,
            self.meter.frames_per_bar or 0,
        )
        frames = [roll.frames for roll in rolls]
        batching = batching._replace(max_units=min(batching.max_units, MAX_BATCH_FRAMES))
        return RollBatches(frames, batching, augmentation if batching.training else None, skipped)


def read_split(data: Music, split: str) -> tuple[list[Roll], SkippedRows]:
    """The rolls of a split that can be used, and a message for each of the others.

    A roll of one frame has nothing to predict, and is one of those.

    Raises:
        DataError: none can be used; or, with `data.strict`, one cannot.
    """
    rolls: list[Roll] = []
    skipped = SkippedRows()
    for raw in data.tunes(split):
        try:
            roll = raw.check()
            if len(roll.frames) < 2:
                raise DataError(roll.place, "a piano roll must have at least 2 steps", got=len(roll.frames))
            rolls.append(roll)
        except DataError as error:
            if data.strict:
                raise
            skipped.append(str(error))
    if not rolls:
        got = skipped.describe() or "none"
        raise DataError(data.path, f"expected at least one usable piano roll for {split}", got=got)
    return rolls, skipped
