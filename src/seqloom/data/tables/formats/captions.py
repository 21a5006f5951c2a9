"""Files of captions: Karpathy's `dataset_*.json`, Flickr's `name.jpg#0<TAB>caption`, lines `image,caption`.

They name pictures, which may be in any folder beside them. Karpathy's file says the split of each picture;
those of Flickr come with lists of names, `Flickr_8k.trainImages.txt` and so on, or without.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.data.compression import content_suffix, is_compressed, read_head
from seqloom.data.folders import DataFiles, list_files
from seqloom.data.splits import NAMES, infer_split
from seqloom.data.tables.formats.file import Row
from seqloom.data.tables.formats.media import IMAGE_SUFFIXES
from seqloom.errors import DataError

LINE_SUFFIXES = (".txt", ".token")
HEAD_BYTES = 1 << 16
KARPATHY_SPLITS = {**NAMES, "restval": "train"}

_NUMBERED = re.compile(r"(.+?\.\w{2,5})#\d+\t(.*)")
_HEADER = re.compile(r"\s*(?:image|image_name|file_name)\s*,\s*(?:caption|comment|text)\s*")
_LIST = re.compile(r"(train|dev|val|validation|test)_?images\.txt$", re.IGNORECASE)
_SPLIT = re.compile(r'"split"\s*:\s*"(\w+)"')


class CaptionFile(NamedTuple):
    """The captions of a split, or of pictures whose split is not known."""

    path: Path
    split: str | None
    files: tuple[Path, ...]
    """The file of captions, and the list of the pictures of the split, if there is one"""
    folder: Path
    """Where pictures are looked for, at any depth"""

    def read(self, note: Callable[[str], object]) -> Iterator[Row]:
        """Rows with the columns `file` and `caption`; a picture that is not there has a path all the same.

        Args:
            note: called with what a person should know, a line each.

        Raises:
            DataError: the file cannot be read.
        """
        pictures = _index_pictures(self.folder)
        if _is_json(self.path):
            yield from _read_karpathy(self, pictures)
        else:
            yield from _read_lines(self, pictures, note)


def find_captions(data_files: DataFiles) -> list[CaptionFile]:
    """The files of captions in a folder, or the one file that was named; none where there are others only.

    Raises:
        DataError: a file cannot be read.
    """
    folder = data_files.path if data_files.path.is_dir() else data_files.path.parent
    plain = [file for file in data_files.files if not is_compressed(file)]
    jsons = [file for file in plain if content_suffix(file) == ".json" and _is_karpathy(file)]
    if jsons:
        path = jsons[0]
        splits = {KARPATHY_SPLITS.get(name) for name in _SPLIT.findall(_read_text(path))}
        known: Sequence[str | None] = [name for name in dict.fromkeys(NAMES.values()) if name in splits]
        return [CaptionFile(path, split, (path,), folder) for split in known or [None]]
    has_pictures = any(content_suffix(file) in IMAGE_SUFFIXES for file in plain)
    if data_files.path.is_dir() and not has_pictures:
        return []
    found = [file for file in plain if content_suffix(file) in LINE_SUFFIXES and _has_lines(file)]
    chosen = [file for file in found if "lemma" not in file.name.lower()] or found
    lists = {NAMES[match[1].lower()]: file for file in plain if (match := _LIST.search(file.name))}
    if lists and chosen:
        path = chosen[0]
        return [CaptionFile(path, split, (path, names), folder) for split, names in sorted(lists.items())]
    return [CaptionFile(file, _split_of(file, data_files), (file,), folder) for file in chosen]


def contains_captions(path: Path) -> bool:
    """Whether `path` is a file of captions, or a folder that has one."""
    return bool(find_captions(list_files(path)))


def names_picture(fields: Mapping[str, Any]) -> bool:
    """Whether a value of a row is the name of a picture."""
    values = (value for value in fields.values() if isinstance(value, str | Path))
    return any(str(value).lower().endswith(IMAGE_SUFFIXES) for value in values)


def _split_of(file: Path, data_files: DataFiles) -> str | None:
    return None if file == data_files.path else infer_split(file, data_files.path)


def _is_json(path: Path) -> bool:
    return content_suffix(path) == ".json"


def _is_karpathy(path: Path) -> bool:
    head = read_head(path, HEAD_BYTES)
    return b'"images"' in head and b'"sentences"' in head and b'"raw"' in head


def _has_lines(path: Path) -> bool:
    first = read_head(path, HEAD_BYTES).decode("utf-8", errors="replace").removeprefix("\ufeff")
    line = first.split("\n", 1)[0].rstrip("\r")
    match = _NUMBERED.fullmatch(line)
    return bool(_HEADER.fullmatch(line.lower())) or (match is not None and names_picture({"": match[1]}))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None
    except UnicodeError as error:
        raise DataError(path, "captions must be UTF-8", got=str(error)) from None


def _index_pictures(folder: Path) -> dict[str, Path]:
    """The pictures at any depth in a folder, by their names."""
    return {file.name: file.resolve() for file in list_files(folder).with_suffix(IMAGE_SUFFIXES)}


def _row(place: str, name: str, caption: Any, pictures: Mapping[str, Path], folder: Path) -> Row:
    return Row(place, {"file": pictures.get(Path(name).name, folder / name), "caption": caption})


def _read_karpathy(part: CaptionFile, pictures: Mapping[str, Path]) -> Iterator[Row]:
    try:
        images = json.loads(_read_text(part.path))["images"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(part.path, "expected JSON with a list `images`", got=str(error)[:100]) from None
    for number, image in enumerate(images, 1):
        place = f"{part.path}, image {number}"
        try:
            if part.split is not None and KARPATHY_SPLITS.get(image.get("split")) != part.split:
                continue
            name, texts = str(image["filename"]), [sentence["raw"] for sentence in image["sentences"]]
        except (AttributeError, KeyError, TypeError) as error:
            expected = "expected an object with filename and sentences"
            yield Row(place, {}, DataError(place, expected, got=f"none of {error}"))
            continue
        yield from (_row(place, name, text, pictures, part.folder) for text in texts)


def _read_lines(
    part: CaptionFile, pictures: Mapping[str, Path], note: Callable[[str], object]
) -> Iterator[Row]:
    names = None if len(part.files) == 1 else set(_read_text(part.files[1]).split())
    lines = _read_text(part.path).split("\n")
    is_delimited = bool(_HEADER.fullmatch(lines[0].rstrip("\r").lower()))
    seen: set[str] = set()
    for number, line in enumerate(lines[is_delimited:], 1 + is_delimited):
        place, text = f"{part.path}, line {number}", line.rstrip("\r")
        if not text.strip():
            continue
        name, caption = _divide(text, is_delimited)
        if caption is None:
            expected = "expected the name of a picture, a comma and a caption"
            expected = expected if is_delimited else "expected NAME#NUMBER, a tab and a caption"
            yield Row(place, {}, DataError(place, expected, got=f"{text:.60}"))
        elif names is None or name in names:
            seen.add(name)
            yield _row(place, name, caption, pictures, part.folder)
    if names is not None and (missing := len(names - seen)):
        note(f"without a caption: {missing:,} of the pictures that {part.files[-1].name} names")


def _divide(line: str, is_delimited: bool) -> tuple[str, str | None]:
    """The name of a picture and its caption, which is None where a line has another form."""
    if not is_delimited:
        match = _NUMBERED.fullmatch(line)
        return (match[1], match[2]) if match else (line, None)
    name, comma, caption = line.partition(",")
    quoted = len(caption) > 1 and caption.startswith('"') and caption.endswith('"')
    return name.strip(), (caption[1:-1].replace('""', '"') if quoted else caption) if comma else None
