"""From a file or a folder to piano rolls by split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy

from seqloom.data.compression import content_suffix
from seqloom.data.folders import list_files, list_names
from seqloom.data.music.dataset import Music
from seqloom.data.music.rolls.formats import READERS, NamedRoll, holds_rolls, read_file, refuse
from seqloom.data.music.rolls.roll import RawRoll
from seqloom.data.splits import SPLITS, hold_out, infer_split
from seqloom.errors import DataError
from seqloom.progress import phase

TABLE_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".conll", ".conllu")


def contains_rolls(path: Path) -> bool:
    """Whether `path` is a file of piano rolls, or a folder that has such files and no tables."""
    files = list_files(path)
    others = [file for file in files.with_suffix([*TABLE_SUFFIXES, ".json"]) if not holds_rolls(file)]
    return not others and bool(_find_files(path))


def read_rolls(path: Path, strict: bool = False) -> Music:
    """Read the piano rolls of a file, or of a folder of such files; what they hold is not looked at yet.

    Splits are named by variables, keys, files or folders. Where none is named train, rolls without such a
    name are the training split; where none is named validation, a tenth of the training rolls is held out.

    Args:
        path: a `.mat`, `.npz` or `.json` file, or a folder of them.
        strict: whether a bad roll is an error; otherwise it is skipped and counted.

    Raises:
        DataError: a file alone is damaged, or there are no rolls to train on.
    """
    files = _find_files(path)
    splits: dict[str, list[RawRoll]] = {}
    unnamed: list[RawRoll] = []
    with phase("reading piano rolls", total=len(files)) as reading:
        for file in reading.count(files):
            file_split = infer_split(file, path) if path.is_dir() else None
            for roll, named_split in _read(file, strict or len(files) == 1):
                split = named_split or file_split
                (unnamed if split is None else splits.setdefault(split, [])).append(roll)
    remarks = [list_files(path).describe_rest(files)]
    if "train" in splits and unnamed:
        names = list_names([roll.place for roll in unnamed])
        remarks.insert(0, f"ignored, since others are named train: {names}")
    elif unnamed:
        splits["train"] = unnamed
    if not splits.get("train"):
        raise DataError(path, "expected at least one piano roll to train on", got="none")
    if not splits.get("validation"):
        splits["train"], splits["validation"] = _hold_out(splits["train"])
    in_order = {split: tuple(splits[split]) for split in SPLITS if splits.get(split)}
    return Music(path, "frames", in_order, tuple(filter(None, remarks)), strict)


def _find_files(path: Path) -> list[Path]:
    """The files of rolls; a JSON file among files of arrays is not one of them."""
    files = [file for file in list_files(path).with_suffix(READERS) if holds_rolls(file)]
    arrays = [file for file in files if content_suffix(file) != ".json"]
    return arrays or files


def _read(file: Path, must_be_whole: bool) -> Sequence[NamedRoll]:
    """The rolls of a file; one that is damaged stands for a roll that cannot be used."""
    try:
        return read_file(file)
    except DataError as error:
        if must_be_whole:
            raise
        return [NamedRoll(RawRoll(str(file), error, refuse), None)]


def _hold_out(rolls: Sequence[RawRoll]) -> tuple[list[RawRoll], list[RawRoll]]:
    """The rolls that are trained on, and a tenth for validation; one roll alone is cut."""
    if len(rolls) == 1:
        place, frames = rolls[0].check()
        start = max(len(frames) * 9 // 10, 1)
        if start == len(frames):
            raise DataError(place, "one roll alone must have at least 2 steps", got=len(frames))
        return [_part(place, frames[:start])], [_part(place, frames[start:])]
    pairs = list(zip(rolls, hold_out(range(len(rolls))), strict=True))
    return [roll for roll, is_held in pairs if not is_held], [roll for roll, is_held in pairs if is_held]


def _part(place: str, frames: numpy.ndarray) -> RawRoll:
    return RawRoll(place, frames, lambda values, _: values)
