"""Pictures that the rows of a table name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.data.audio.recordings import recording_path
from seqloom.data.images.files import read_picture
from seqloom.data.images.idx import split_reference
from seqloom.data.tables.formats.media import IMAGE_SUFFIXES
from seqloom.data.tables.records import Example, Records, encode_first

FILE = "file"


class FirstPicture(NamedTuple):
    """Of the first training picture that can be read: height and width, and whether it is in color."""

    size: tuple[int, int]
    is_colored: bool


def picture_path(value: Any, where: object) -> Path:
    """The path in the column `file`, which is absolute in a table that was read.

    Raises:
        DataError: it is no path.
    """
    return recording_path(value, where, "picture")


def is_picture(path: Path) -> bool:
    """Whether a path, by its name, is that of a picture, or of one in an idx file.

    >>> is_picture(Path("a.JPG")), is_picture(Path("train-images-idx3-ubyte.gz#7")), is_picture(Path("a.wav"))
    (True, True, False)
    """
    return path.suffix.lower() in IMAGE_SUFFIXES or split_reference(path)[1] is not None


def names_pictures(data: Records) -> bool:
    """Whether the first training row that names a file names a picture."""
    if FILE not in data.columns:
        return False
    first = next(iter(_paths(data, "train")), None)
    return first is not None and is_picture(first)


def picture_paths(data: Records, split: str) -> list[Path]:
    """The files that the rows of a split name, each once, in order."""
    return list(dict.fromkeys(_paths(data, split)))


def first_picture(data: Records) -> FirstPicture:
    """Of the first training row that names a usable picture.

    Raises:
        DataError: there is none; or, where `data.strict`, one cannot be read.
    """

    def read(example: Example) -> FirstPicture:
        path = picture_path(example.fields.get(FILE), example.place)
        image = read_picture(path, example.place).image
        return FirstPicture((image.height, image.width), image.mode != "L")

    return encode_first(data, read)


def _paths(data: Records, split: str) -> Iterator[Path]:
    for batch in data.examples(split).batches():
        for value in batch.values(FILE):
            if isinstance(value, Path | str) and str(value).strip():
                yield Path(value)
