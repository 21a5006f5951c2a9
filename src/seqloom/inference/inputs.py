"""Arguments of the command line as inputs of a model: a text, a table, a text file, a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqloom.data.encoding import HEAD_BYTES, check_encodable, detect_encoding, encoding_error, split_lines
from seqloom.errors import DataError


def inputs_of(argument: str, column: str) -> list[Any]:
    """The inputs that an argument stands for.

    A table stands for the values of one of its columns, a text file for its lines, any other file for
    itself. Where the model reads text, an argument that names no file is an input as it is.

    Args:
        argument: a text, or a path.
        column: the column of a table that the model reads, `Preparation.column`; `file` where it reads files.

    Raises:
        DataError: the file is missing, cannot be read, or has no such column.

    >>> inputs_of("a fine film", "text")
    ['a fine film']
    """
    path = Path(argument)
    if not _exists(path):
        if column == "file" or _looks_like_file(argument):
            raise DataError(path, "expected a file", got="no such file")
        return [check_encodable(argument, "the text")]
    if path.is_dir():
        if column == "file" or _looks_like_file(argument):
            raise DataError(path, "expected a file", got="a folder", hint="Name files, or a table of them")
        return [check_encodable(argument, "the text")]
    from seqloom.data.tables.formats import READERS

    if path.suffix.lower() in READERS:
        return _column_of(path, column)
    if column == "file":
        return [path]
    return _read_lines(path)


def _read_lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None
    try:
        return split_lines(content.decode(detect_encoding(content)))
    except UnicodeDecodeError as error:
        expected = "the text must be UTF-8"
        raise encoding_error(path, expected, error, content[:HEAD_BYTES], path.name) from None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a text that is too long for a name, or holds a null character
        return False


def _looks_like_file(argument: str) -> bool:
    """Whether a text ends like the name of a table, a recording or, without spaces, a text file."""
    suffix = Path(argument).suffix.lower()
    if not suffix:
        return False
    from seqloom.data.tables.formats import READERS
    from seqloom.data.tables.records import AUDIO_SUFFIXES

    return suffix in (*READERS, *AUDIO_SUFFIXES) or (suffix == ".txt" and not argument.split()[1:])


def _column_of(table: Path, column: str) -> list[Any]:
    from seqloom.data.tables.records import read_inputs

    examples = read_inputs(table)
    for example in examples:
        if column not in example.fields:
            got = ", ".join(example.fields)
            raise DataError(example.place, f"expected a column {column}", got=got)
    return [example.fields[column] for example in examples]
