"""What a person names on the command line, as inputs of a model: texts, tables, recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqloom.data.tables.formats import READERS
from seqloom.data.tables.records import AUDIO_SUFFIXES, read_inputs
from seqloom.errors import DataError


def inputs_of(argument: str, column: str) -> list[Any]:
    """The inputs that `argument` stands for.

    A table gives its column named `column`, a text file its lines, a recording itself. What names no file
    is an input in itself, where the model reads text.

    Args:
        argument: a text, or a path.
        column: `Preparation.column`, what the model reads.

    Raises:
        DataError: a file that is not there or cannot be read, or has no such column.
    """
    path = Path(argument)
    try:
        is_file = path.is_file()
    except OSError:  # a text that is too long for a name
        is_file = False
    if not is_file:
        if column == "file" or path.suffix.lower() in (*READERS, *AUDIO_SUFFIXES):
            raise DataError(path, "expected a file", got="no such file")
        return [argument]
    if path.suffix.lower() in READERS:
        examples = read_inputs(path)
        missing = next((example for example in examples if column not in example.fields), None)
        if missing is not None:
            got = ", ".join(missing.fields)
            raise DataError(missing.place, f"expected a column {column}", got=got)
        return [example.fields[column] for example in examples]
    if column == "file":
        return [path]
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            path, "the text must be UTF-8", got=f"byte 0x{error.object[error.start]:02x}"
        ) from None
