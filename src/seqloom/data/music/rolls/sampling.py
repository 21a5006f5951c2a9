"""MIDI files as piano rolls: what sounds at every step of a set duration."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, final

import numpy

from seqloom.data.music.dataset import Music
from seqloom.data.music.midi import read_midi
from seqloom.data.music.rolls.roll import HIGHEST_KEY, LOWEST_KEY, RawRoll
from seqloom.data.music.rolls.tunes import frames_of_tune
from seqloom.data.music.tune import PITCH
from seqloom.errors import DataError
from seqloom.progress import phase


def sample_music(data: Music, frames_per_quarter: int, max_bars: int) -> Music:
    """The tunes of a folder of MIDI files as piano rolls. All files are read, by every call anew.

    Args:
        data: MIDI files; piano rolls stay as they are.
        frames_per_quarter: frames of a quarter note.
        max_bars: a longer tune cannot be used.
    """
    if data.kind == "frames":
        return data
    sampling = _Sampling(frames_per_quarter, max_bars)
    splits = {
        split: tuple(RawRoll(str(file), file, sampling.convert) for file in files)
        for split, files in data.splits.items()
    }
    files = [file for part in data.splits.values() for file in part]
    with phase("sampling MIDI files", total=len(files)) as reading:
        for file in reading.count(files):
            with suppress(DataError):  # said when the roll is used
                sampling.convert(file, str(file))
    count = len(files)
    unit = "frame" if frames_per_quarter == 1 else "frames"
    remark = (
        f"{count:,} MIDI files are sampled, {frames_per_quarter} {unit} a quarter note: notes begin and end "
        f"at the nearest; {sampling.outside:,} of {sampling.notes:,} notes are outside a piano and left out"
    )
    return Music(data.path, "frames", splits, (*data.remarks, remark), data.strict)


@final
class _Sampling:
    """Frames of MIDI files, each made once; how many notes they have, and how many a piano does not."""

    def __init__(self, frames_per_quarter: int, max_bars: int) -> None:
        self._frames_per_quarter, self._max_bars = frames_per_quarter, max_bars
        self.notes = self.outside = 0
        self._made: dict[Path, numpy.ndarray | DataError] = {}

    def convert(self, path: Any, place: object) -> numpy.ndarray:
        if path not in self._made:
            try:
                self._made[path] = self._sample(path, place)
            except DataError as error:
                self._made[path] = error
        made = self._made[path]
        if isinstance(made, DataError):
            raise made
        return made

    def _sample(self, path: Path, place: object) -> numpy.ndarray:
        tune = read_midi(path)
        if tune.num_bars > self._max_bars:
            hint = "Set data.max_bars higher to learn from it"
            got = f"{tune.num_bars:,}"
            raise DataError(place, f"expected at most {self._max_bars:,} bars", got=got, hint=hint)
        pitch = tune.notes[:, PITCH]
        is_inside = (pitch >= LOWEST_KEY) & (pitch <= HIGHEST_KEY)
        if not is_inside.any():
            raise DataError(place, f"expected notes from {LOWEST_KEY} to {HIGHEST_KEY}", got="none")
        self.notes += len(pitch)
        self.outside += int((~is_inside).sum())
        return frames_of_tune(tune, self._frames_per_quarter)
