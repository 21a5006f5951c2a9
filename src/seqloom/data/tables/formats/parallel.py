"""Parallel texts: two files a split with a sentence a line, such as `train.de` and `train.en`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from seqloom.data.compression import content_name, read_head
from seqloom.data.folders import DataFiles
from seqloom.data.options import READ_DEFAULTS, ReadOptions, column_settings
from seqloom.data.splits import NAMES, infer_split
from seqloom.data.tables.formats.file import Row, TableFile
from seqloom.data.tables.languages import is_language
from seqloom.errors import DataError

SIDES = {"src": "source", "source": "source", "tgt": "target", "trg": "target", "target": "target"}
SIDE_SUFFIX = re.compile(r"\.([A-Za-z]{2,3}|source|target)")
OTHER_SUFFIXES = frozenset(
    [
        "ai",
        "ann",
        "au",
        "avi",
        "bak",
        "bib",
        "bin",
        "bmp",
        "bz2",
        "c",
        "cc",
        "cfg",
        "cpp",
        "css",
        "csv",
        "dat",
        "db",
        "doc",
        "eps",
        "exe",
        "flv",
        "gif",
        "gz",
        "h",
        "hs",
        "htm",
        "ico",
        "ini",
        "jar",
        "jpg",
        "js",
        "lab",
        "lib",
        "log",
        "lua",
        "m4a",
        "md",
        "mid",
        "mkv",
        "mov",
        "mp3",
        "mp4",
        "mpg",
        "npy",
        "npz",
        "odt",
        "ogg",
        "old",
        "out",
        "pdf",
        "phn",
        "php",
        "pkl",
        "pl",
        "png",
        "ppt",
        "ps",
        "pt",
        "pth",
        "py",
        "r",
        "rar",
        "rb",
        "rs",
        "rst",
        "rtf",
        "sh",
        "sql",
        "srt",
        "svg",
        "swp",
        "tar",
        "tex",
        "tgz",
        "tmp",
        "ts",
        "tsv",
        "ttf",
        "txt",
        "vtt",
        "vec",
        "wav",
        "wma",
        "wrd",
        "xls",
        "xml",
        "xz",
        "yml",
        "zip",
    ]
)
"""Of two or three letters, and no language even where a file has the name of a split"""
WORD = re.compile(r"[A-Za-z]+")


class ParallelFiles(NamedTuple):
    """Two files that say the same in two languages."""

    split: str | None
    files: Mapping[str, Path]
    """By language, or by `source` and `target`"""

    @property
    def path(self) -> Path:
        """The first of the files."""
        return next(iter(self.files.values()))


def find_parallel(data_files: DataFiles, options: ReadOptions = READ_DEFAULTS) -> list[ParallelFiles]:
    """The parallel files of a data folder: with the same name but for the language, or for source and target.

    Args:
        data_files: the folder.
        options: `columns` chooses two of several languages.

    Raises:
        DataError: there are more than two languages, and none are chosen.
    """
    groups: dict[tuple[Path, str], dict[str, Path]] = {}
    for file in data_files.files if data_files.path.is_dir() else ():
        side = _side(content_name(file).name)
        if side is not None:
            base, name = side
            groups.setdefault((file.parent, base), {})[name] = file
    sides = {frozenset(files) for files in groups.values() if len(files) > 1}
    common = frozenset.intersection(*sides) if sides else frozenset()
    wanted = {str(name) for role, name in options.columns.items() if role in ("source", "target")}
    chosen = common & wanted if len(common) > 2 and len(common & wanted) == 2 else common
    if len(chosen) > 2:
        first, second, *_ = sorted(chosen)
        hint = f"Choose two, as in {column_settings([('source', first), ('target', second)])}"
        raise DataError(
            data_files.path, "expected texts in two languages", got=", ".join(sorted(chosen)), hint=hint
        )
    if len(chosen) < 2:
        return []
    pairs = []
    for (parent, base), files in groups.items():
        if chosen <= files.keys():
            in_order = sorted(chosen, key=lambda side: (side != "source", side == "target", side))
            ordered = {side: files[side] for side in in_order}
            pairs.append(ParallelFiles(_split(parent / base, data_files.path), ordered))
    return sorted(filter(_is_text, pairs), key=lambda pair: pair.path)


def _side(name: str) -> tuple[str, str] | None:
    """The name of a file without its language or side, and that language or side; None where it has none."""
    stem, suffix = Path(name).stem, Path(name).suffix
    if suffix.lower() != ".txt":
        if not SIDE_SUFFIX.fullmatch(suffix) or suffix[1:].lower() in OTHER_SUFFIXES:
            return None
        side = suffix[1:].lower()
        is_split = any(word.lower() in NAMES for word in WORD.findall(stem))
        return (
            (f"{stem}.*", SIDES.get(side, side)) if side in SIDES or is_language(side) or is_split else None
        )
    for word in WORD.finditer(stem):
        if word[0].lower() in SIDES:
            rest = f"{stem[: word.start()]}*{stem[word.end() :]}"
            last = WORD.findall(rest)[-1:]
            is_named_twice = bool(last) and is_language(last[0]) and len(last[0]) < 4
            return rest[: -len(last[0])] if is_named_twice else rest, SIDES[word[0].lower()]
    head, dot, last_word = stem.rpartition(".")
    return (f"{head}.*.txt", last_word.lower()) if dot and is_language(last_word) else None


def _split(path: Path, folder: Path) -> str | None:
    words = [word.lower() for word in WORD.findall(path.name)]
    return next((NAMES[word] for word in words if word in NAMES), infer_split(path, folder))


def read_parallel(pair: ParallelFiles, options: ReadOptions = READ_DEFAULTS) -> Iterator[Row]:
    """The lines of two files, side by side.

    Raises:
        DataError: they have different numbers of lines, or one cannot be read.
    """
    (first_side, first), (second_side, second) = pair.files.items()
    counts = [0, 0]
    try:
        with TableFile(first, options).open_text() as one, TableFile(second, options).open_text() as other:
            for number, (left, right) in enumerate(zip_longest(one, other), 1):
                counts[0] += left is not None
                counts[1] += right is not None
                if left is None or right is None:
                    continue
                fields = {first_side: left.rstrip("\r\n"), second_side: right.rstrip("\r\n")}
                yield Row(f"{first} and {second.name}, line {number}", fields)
    except OSError as error:
        raise DataError(first, "expected files that can be read", got=error.strerror or str(error)) from None
    except UnicodeError as error:
        name = options.encoding or "UTF-8"
        raise DataError(f"{first} and {second.name}", f"the texts must be {name}", got=str(error)) from None
    if counts[0] != counts[1]:
        expected = f"expected as many lines as {second.name} has, {counts[1]:,}"
        raise DataError(first, expected, got=f"{counts[0]:,}")


def _is_text(pair: ParallelFiles) -> bool:
    """Whether both files may be texts: they have no null character at their head, unless they are UTF-16."""
    heads = [read_head(file, 1 << 12) for file in pair.files.values()]
    return all(b"\0" not in head or head[:2] in (b"\xff\xfe", b"\xfe\xff") for head in heads)
