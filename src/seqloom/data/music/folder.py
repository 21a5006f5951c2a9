"""A folder of MIDI files as a data set: which files count, which split each belongs to, which are copies."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from seqloom.data.compression import content_suffix, is_compressed
from seqloom.data.folders import DataFiles, list_files, list_names
from seqloom.data.music.dataset import Music
from seqloom.data.music.midi import SUFFIXES
from seqloom.data.splits import SPLITS, hold_out, infer_split
from seqloom.data.tables.formats.speech import AUDIO_SUFFIXES
from seqloom.data.tables.formats.table import READERS
from seqloom.errors import DataError

OTHERS = (*READERS, *AUDIO_SUFFIXES, ".txt")
"""Files of other data, which a folder may be meant to hold"""


def find_midi_files(path: Path) -> DataFiles | None:
    """The files of a folder, or a single one, if they are MIDI files for the most part; else None.

    A data set of MIDI files may have tables and notes beside them, as a table of recordings may have a tune.
    """
    if not path.is_dir():
        return list_files(path) if path.suffix.lower() in SUFFIXES else None
    data_files = list_files(path)
    files = _midi_files(data_files)
    return data_files if len(files) > len(data_files.with_suffix(OTHERS)) else None


def _midi_files(data_files: DataFiles) -> list[Path]:
    return [file for file in data_files.files if content_suffix(file) in SUFFIXES and not is_compressed(file)]


def read_midi_folder(data_files: DataFiles, strict: bool = False) -> Music:
    """The MIDI files of a folder by split. They are not opened yet, but for a hash of each.

    Splits are named by files or folders: train, validation (or valid, val, dev) and test. Where none is named
    train, those without such a name are. Where none is named validation, a tenth of the training files is
    held out, always the same ones.

    Args:
        data_files: what `find_midi_files` gave.
        strict: whether a file that cannot be used is an error; otherwise it is skipped and counted.

    Raises:
        DataError: there are too few files, or none to learn from.
    """
    path, files = data_files.path, _midi_files(data_files)
    named = {split: [file for file in files if _split_of(file, path) == split] for split in SPLITS}
    unnamed = [file for file in files if _split_of(file, path) is None]
    remarks = [data_files.describe_rest(files)] if path.is_dir() else []
    if not named["train"]:
        named["train"], unnamed = unnamed, []
    if unnamed:
        remarks.append(
            f"ignored, since others are named train: {list_names([file.name for file in unnamed])}"
        )
    if not named["train"]:
        raise DataError(path, "expected MIDI files to learn from", got="files for validation and test only")
    digests = {file: hash_file(file) for part in named.values() for file in part}
    if not named["validation"]:
        # copies stay together, so that none is on both sides
        mask = hold_out([digests[file] for file in named["train"]])
        if not mask.any():
            raise DataError(path, "expected two different MIDI files or more", got=len(named["train"]))
        named["validation"] = [file for file, is_out in zip(named["train"], mask, strict=True) if is_out]
        named["train"] = [file for file, is_out in zip(named["train"], mask, strict=True) if not is_out]
        remarks.append(f"held out for validation: {len(named['validation']):,} files")
    remarks += describe_copies(digests, named)
    splits = {split: tuple(part) for split, part in named.items() if part}
    return Music(path, "events", splits, tuple(filter(None, remarks)), strict)


def describe_copies(digests: Mapping[Path, str], named: Mapping[str, Sequence[Path]]) -> list[str]:
    """How many files of validation and test are copies of a training file, byte for byte."""
    known = {digests[file] for file in named["train"]}
    counts = {
        split: sum(digests[file] in known for file in named[split])
        for split in SPLITS[1:]
        if named.get(split)
    }
    return [
        f"{count:,} of {len(named[split]):,} files of {split} are copies of training files"
        for split, count in counts.items()
        if count
    ]


def _split_of(file: Path, folder: Path) -> str | None:
    return None if file == folder else infer_split(file, folder)


def hash_file(file: Path) -> str:
    """The SHA-256 hash of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise DataError(file, "expected a file that can be read", got=error.strerror or str(error)) from None
