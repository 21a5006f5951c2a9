"""Arguments of the command line as inputs of a model: a text, a table, a text file, a recording."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqloom.data.encoding import check_encodable, encoding_error, split_lines
from seqloom.data.options import READ_DEFAULTS, ReadOptions
from seqloom.data.tables.columns import ANY_COLUMNS, ExpectedColumns
from seqloom.data.tables.formats.file import MAX_CHARACTERS
from seqloom.errors import DataError

IF_TEXT = "If it is a text, say so with --text"
SUFFIX = re.compile(r"\w\.[A-Za-z][A-Za-z0-9]{1,6}$")
PATH_STARTS = ("./", "../", "~/", "/")


def check_size(value: Any) -> Any:
    """The input itself.

    Raises:
        DataError: it is a text that is too long.
    """
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        expected = f"an input must have at most {MAX_CHARACTERS:,} characters"
        raise DataError("predict", expected, got=f"{len(value):,}")
    return value


def inputs_of(
    argument: str,
    column: str,
    options: ReadOptions = READ_DEFAULTS,
    expected: ExpectedColumns = ANY_COLUMNS,
    note: Callable[[str], object] = str,
) -> list[Any]:
    """The inputs that an argument stands for.

    A table stands for the values of one of its columns, a text file for its lines, any other file for
    itself. Where the model reads text, an argument that names no file, and does not look like a path, is an
    input as it is.

    Args:
        argument: a text, or a path.
        column: the column of a table that the model reads, `Preparation.column`; `file` where it reads files.
        options: how tables and text files are read.
        expected: what is known of the columns of tables.
        note: called with what was recognized in a table, a line each.

    Raises:
        DataError: the file is missing, cannot be read, or has no such column.

    >>> inputs_of("a fine film", "text")
    ['a fine film']
    """
    path = Path(argument)
    if column == "file" and (pictures := _pictures_of_idx(path)):
        return pictures
    if argument.strip() and _is(path.is_dir):
        hint = "Name files, or a table of them" if column == "file" else f"Name files. {IF_TEXT}"
        raise DataError(path, "expected a file", got="a folder", hint=hint)
    if not argument.strip() or not _is(path.exists):
        if column == "file" or _looks_like_path(argument):
            hint = "" if column == "file" else IF_TEXT
            raise DataError(argument, "expected a file", got="no such file", hint=hint)
        return [text_of(argument)]
    from seqloom.data.compression import content_suffix, refuse_companion
    from seqloom.data.read import UNSUPPORTED
    from seqloom.data.tables.formats.table import READERS

    if not _is(path.is_file):  # it would be waited for
        raise DataError(path, "expected a file", got="a pipe or a device")
    refuse_companion(path)
    suffix = content_suffix(path)
    if suffix in READERS:
        return _column_of(path, column, options, expected, note)
    if column == "file":
        return [path]
    if suffix in UNSUPPORTED:
        raise DataError(
            path, "expected a text file or a table", got=f"a {suffix} file", hint=UNSUPPORTED[suffix]
        )
    return _read_lines(path, options)


def _pictures_of_idx(path: Path) -> list[Path]:
    """The pictures of an idx file, or one of them by `#` and its number; none where it is no such file."""
    from seqloom.data.images.idx import count_pictures, is_idx_images, refer, split_reference

    container, number = split_reference(path)
    if not is_idx_images(container) or not _is(container.is_file):
        return []
    return [path] if number is not None else [refer(path, row) for row in range(count_pictures(path))]


def text_of(argument: str) -> str:
    """An argument that is a text, without a byte order mark.

    Raises:
        DataError: its bytes are not UTF-8.
    """
    return check_encodable(argument, "input")


def _read_lines(path: Path, options: ReadOptions) -> list[str]:
    from seqloom.data import compression
    from seqloom.data.encoding import HEAD_BYTES
    from seqloom.data.tables.formats.file import TableFile

    try:
        with TableFile(path, options).open_text() as text:
            return split_lines(text.read())
    except OSError as error:
        raise DataError(path, "expected a file that can be read", got=error.strerror or str(error)) from None
    except UnicodeError as error:
        expected, head = (
            f"the text must be {options.encoding or 'UTF-8'}",
            compression.read_head(path, HEAD_BYTES),
        )
        raise encoding_error(path, expected, error, head, path.name) from None


def _is(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (OSError, ValueError):  # a text that is too long for a name, or holds a null character
        return False


def _looks_like_path(argument: str) -> bool:
    """Whether a text that names no file was probably meant to name one.

    It ends like a table, a recording or a clip; or it is one word that has a suffix or begins or ends like a
    path, or whose folder is there.
    """
    from seqloom.data.compression import content_suffix
    from seqloom.data.tables.formats.media import MEDIA_SUFFIXES
    from seqloom.data.tables.formats.table import READERS

    path = Path(argument)
    if content_suffix(path) in (*READERS, *MEDIA_SUFFIXES):
        return True
    if not argument or argument.split() != [argument]:
        return False
    in_folder = os.sep in argument and _is(path.parent.is_dir)
    return bool(
        in_folder or SUFFIX.search(argument) or argument.startswith(PATH_STARTS) or argument.endswith(os.sep)
    )


def _column_of(
    table: Path,
    column: str,
    options: ReadOptions,
    expected: ExpectedColumns,
    note: Callable[[str], object],
) -> list[Any]:
    from seqloom.data.tables.columns import suggest_settings
    from seqloom.data.tables.records import read_inputs

    examples = read_inputs(table, column, options, expected, note)
    for example in examples:
        if column not in example.fields:
            got, rows = ", ".join(example.fields), (example.fields for example in examples)
            hint = suggest_settings([column], list(example.fields), rows)
            raise DataError(example.place, f"expected a column {column}", got=got, hint=hint)
    return [example.fields[column] for example in examples]
