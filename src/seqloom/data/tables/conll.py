"""Read CoNLL columns: a token a line, its tag in the last column, an empty line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from seqloom.errors import DataError

DOCUMENT = "-DOCSTART-"
MARKS = ("#begin document", "#end document")
BLANKS = re.compile(" +")


class Sentence(NamedTuple):
    """A sentence, or what is wrong with it."""

    line: int
    """Of the file, from 1: where the sentence begins"""
    tokens: list[str]
    tags: list[str]
    error: DataError | None = None


def read_conll(path: Path) -> Iterator[Sentence]:
    """The sentences of a file, in order.

    Columns are separated by tabs, or, in lines without one, by blanks; the first is the token, the last its
    tag, and as many as the first line has are expected of all. Lines between documents (`-DOCSTART-`, `#begin
    document`, `#end document`) are left out, and so are comments: lines before a sentence's first token that
    begin with a `#` and a blank, and have no tab.

    Args:
        path: the file, UTF-8.

    Returns:
        Each sentence; where a line of it cannot be read, with the first error, which names the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "train.conll")
    ...     _ = path.write_text("Anna B-PER\\nsang O\\n\\nBob B-PER\\n")
    ...     for line, tokens, tags, error in read_conll(path):
    ...         print(line, tokens, tags, error)
    1 ['Anna', 'sang'] ['B-PER', 'O'] None
    4 ['Bob'] ['B-PER'] None
    """
    columns, found = 0, Sentence(0, [], [])
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            place = f"{path}, line {number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                got = f"byte 0x{raw[error.start]:02x} ({error.reason})"
                hint = f"Convert it, as with: iconv -f WINDOWS-1252 -t UTF-8 {path.name} > utf8{path.suffix}"
                found = _wrong(found, number, DataError(place, "the line must be UTF-8", got=got, hint=hint))
                continue
            if not line.strip(" \t") or line.startswith((DOCUMENT, *MARKS)):
                if found.line:
                    yield found
                found = Sentence(0, [], [])
                continue
            if not found.line and "\t" not in line and f"{line} ".startswith("# "):
                continue
            parts = _columns(line)
            if len(parts) > 1:
                columns = columns or len(parts)
            if len(parts) != columns or not parts[0] or not parts[-1]:
                expected = f"expected {columns or 2} columns, the token first and its tag last"
                found = _wrong(found, number, DataError(place, expected, got=f"{line!r:.60}"))
                continue
            found = found._replace(line=found.line or number)
            found.tokens.append(parts[0])
            found.tags.append(parts[-1])
    if found.line:
        yield found


def _columns(line: str) -> list[str]:
    if "\t" in line:
        return [part.strip(" ") for part in line.split("\t")]
    return BLANKS.split(line.strip(" "))


def _wrong(found: Sentence, number: int, error: DataError) -> Sentence:
    """The sentence with its first error."""
    return found._replace(line=found.line or number, error=found.error or error)
