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
from seqloom.data.folders import DataFiles, is_inside, list_files
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
    passed_over: tuple[Path, ...] = ()
    """Other files of captions in the folder, which are not read"""

    def read(self, note: Callable[[str], object]) -> Iterator[Row]:
        """Rows with the columns `file` and `caption`; a picture that is not there has a path all the same.

        Args:
            note: called with what a person should know, a line each.

        Raises:
            DataError: the file cannot be read.
        """
        if self.passed_over:
            names = ", ".join(file.name for file in self.passed_over)
            count = len(self.passed_over)
            note(f"not read: {count:,} other files of captions, {names}; {self.path.name} is")
        pictures = _index_pictures(self.folder)
        if _is_json(self.path):
            yield from _read_karpathy(self, pictures, note)
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
    lines = [file for file in plain if content_suffix(file) in LINE_SUFFIXES and _has_lines(file)]
    if jsons:
        path, *others = [*jsons, *lines]
        splits = {KARPATHY_SPLITS.get(name) for name in _SPLIT.findall(_read_text(path))}
        known: Sequence[str | None] = [name for name in dict.fromkeys(NAMES.values()) if name in splits]
        return [CaptionFile(path, split, (path,), folder, tuple(others)) for split in known or [None]]
    has_pictures = any(content_suffix(file) in IMAGE_SUFFIXES for file in plain)
    if data_files.path.is_dir() and not has_pictures:
        return []
    chosen = [file for file in lines if "lemma" not in file.name.lower()] or lines
    lists = {NAMES[match[1].lower()]: file for file in plain if (match := _LIST.search(file.name))}
    if lists and chosen:
        path = chosen[0]
        others = tuple(file for file in lines if file != path)
        return [
            CaptionFile(path, split, (path, names), folder, others) for split, names in sorted(lists.items())
        ]
    others = tuple(file for file in lines if file not in chosen)
    return [CaptionFile(file, _split_of(file, data_files), (file,), folder, others) for file in chosen]


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


def _index_pictures(folder: Path) -> dict[str, list[Path]]:
    """The pictures at any depth in a folder, by their names, which several may share."""
    pictures: dict[str, list[Path]] = {}
    for file in list_files(folder).with_suffix(IMAGE_SUFFIXES):
        pictures.setdefault(file.name, []).append(file)
    return pictures


def _row(place: str, name: str, caption: Any, pictures: Mapping[str, list[Path]], folder: Path) -> Row:
    """A row of the picture that has this path; or of the only one with this name, in any folder."""
    file, namesakes = folder / name, pictures.get(Path(name).name, [])
    if file not in namesakes:
        if len(namesakes) > 1:
            got = f"{name}, which {len(namesakes)} folders have"
            hint = f"Write its folder too, as {namesakes[0].relative_to(folder).as_posix()}"
            return Row(place, {}, DataError(place, "expected the path of one picture", got=got, hint=hint))
        file = namesakes[0] if namesakes else file
    if not namesakes and not is_inside(file, folder):
        return Row(place, {}, DataError(place, f"a picture must be in {folder}", got=str(file)))
    return Row(place, {"file": file.resolve() if namesakes else file, "caption": caption})


def _read_karpathy(
    part: CaptionFile, pictures: Mapping[str, list[Path]], note: Callable[[str], object]
) -> Iterator[Row]:
    try:
        images = json.loads(_read_text(part.path))["images"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(part.path, "expected JSON with a list `images`", got=str(error)[:100]) from None
    without_split = 0
    for number, image in enumerate(images, 1):
        place = f"{part.path}, image {number}"
        try:
            split = KARPATHY_SPLITS.get(str(image.get("split")))
            without_split += split is None
            if part.split not in (None, split):
                continue
            name, texts = str(image["filename"]), [sentence["raw"] for sentence in image["sentences"]]
            if isinstance(parent := image.get("filepath"), str):
                name = f"{parent}/{name}"
        except (AttributeError, KeyError, TypeError) as error:
            expected = "expected an object with filename and sentences"
            yield Row(place, {}, DataError(place, expected, got=f"none of {error}"))
            continue
        yield from (_row(place, name, text, pictures, part.folder) for text in texts)
    if part.split is not None and without_split:
        note(f"left out: {without_split:,} images of {part.path.name} whose split is missing or unknown")


def _read_lines(
    part: CaptionFile, pictures: Mapping[str, list[Path]], note: Callable[[str], object]
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
