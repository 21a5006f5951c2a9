"""JSON files of a run folder, checked as they are read: a stranger may have written them.

Every such file has a `StoredValue` that says what may be in it and how large it may be; anything else is
one line. Nothing is computed or allocated from a number before that.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError
from pydantic_core import PydanticCustomError, from_json

from seqloom.errors import RunError

MAX_BYTES = 1 << 28
"""Of a file that is read as a whole"""
MAX_COUNT = 1 << 53
LARGEST = 3.4e38
"""What a 32-bit float holds"""
MAX_SHOWN = 160
DAMAGED = "It was damaged, or changed by hand"

Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Number: TypeAlias = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=1 << 16)]

Model = TypeVar("Model", bound=BaseModel)


class StoredValue(BaseModel):
    """An object in a file of a run folder: its types are exact, numbers finite, and other keys are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class StoredNames(RootModel[list[Name]]):
    """A list of texts, each once."""

    model_config = ConfigDict(strict=True, frozen=True, defer_build=True)

    def model_post_init(self, context: Any) -> None:
        """Check that none is there twice."""
        del context
        require_distinct(self.root)


def require_distinct(values: Sequence[Any]) -> None:
    """For a `StoredValue`: refuse a list that has a value twice."""
    if len(set(values)) < len(values):
        raise mistake("the same value twice")


def mistake(message: str) -> PydanticCustomError:
    """What a validator of a `StoredValue` raises where values do not go together."""
    return PydanticCustomError("stored", "{message}", {"message": message})  # pyright: ignore[reportArgumentType]


def open_file(path: Path) -> BinaryIO:
    """Open a file, and nothing else that may have its name: a pipe or a device would never end.

    Raises:
        OSError: it is missing, is no regular file, or may not be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a null character in its name, or half of a surrogate pair
        raise OSError(0, f"no name of a file: {error}", str(path)) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(0, "a folder" if stat.S_ISDIR(mode) else "no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file.

    Raises:
        OSError: it is missing, is no regular file, may not be read, or is larger than `max_bytes`.
    """
    with open_file(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(0, f"more than {max_bytes:,} bytes", str(path))
    return content


def read_text(path: Path, expected: str) -> str:
    """The text of a run folder's file.

    Args:
        path: the file.
        expected: what it should be, for the error.

    Raises:
        RunError: it is missing, is no file, is too large, or is not UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except OSError as error:
        raise RunError(path, expected, got=error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise RunError(path, expected, got="bytes that are not UTF-8", hint=DAMAGED) from None


def read_stored(path: Path, schema: type[Model], expected: str) -> Model:
    """The value of a run folder's JSON file.

    Args:
        path: the file.
        schema: a `StoredValue`, or a root model as strict.
        expected: what it should be, for the error.

    Raises:
        RunError: it is missing or damaged, or what is in it is out of bounds.
    """
    return parse_stored(read_text(path, expected), schema, path, expected)


def parse_stored(text: str, schema: type[Model], where: object, expected: str) -> Model:
    """The value of a JSON text; see `read_stored`."""
    try:
        return schema.model_validate_json(text)
    except ValidationError as error:
        raise RunError(where, expected, got=describe_mistake(error), hint=DAMAGED) from None


def describe_mistake(error: ValidationError) -> str:
    """The first mistake, and where it is.

    >>> try:
    ...     StoredNames.model_validate_json("[1]")
    ... except ValidationError as error:
    ...     print(describe_mistake(error))
    0: Input should be a valid string
    """
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part)[:MAX_SHOWN] for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def parse_json(text: str, where: object, expected: str) -> Any:
    """The values of a JSON text for which there is no schema.

    Raises:
        RunError: it is no JSON, or is nested too deeply.
    """
    try:
        return from_json(text)
    except ValueError as error:  # for values that are nested too deeply, too
        raise RunError(where, expected, got=str(error), hint=DAMAGED) from None
