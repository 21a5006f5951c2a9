"""How data is read: the `data.*` keys that every task has, known before the task is."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from seqloom.settings import StrictConfig

SEPARATORS = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
NO_SEPARATORS = ("\n", "\r", '"')


def _check_separator(value: str) -> str:
    separator = SEPARATORS.get(value, value)
    if len(separator) != 1 or separator in NO_SEPARATORS:
        names = ", ".join(SEPARATORS)
        raise PydanticCustomError("separator", "must be one character, or one of {names}", {"names": names})
    return separator


def _check_encoding(value: str) -> str:
    try:
        is_text = getattr(codecs.lookup(value), "_is_text_encoding", True)
    except (LookupError, ValueError):
        is_text = False
    if not is_text:
        hint = "For example utf-8, cp1252, latin-1, utf-16, gb18030, shift_jis"
        raise PydanticCustomError("encoding", "must be the name of an encoding", {"hint": hint})
    return value


def _texts(value: object) -> object:
    """Names that YAML reads as numbers are texts."""
    if not isinstance(value, dict):
        return value
    return {
        key: [str(name) if type(name) is int else name for name in names]
        if isinstance(names, list)
        else names
        for key, names in value.items()
    }


Separator: TypeAlias = Annotated[str, AfterValidator(_check_separator)]
Encoding: TypeAlias = Annotated[str, AfterValidator(_check_encoding)]
Names: TypeAlias = Annotated[dict[str, list[str]], BeforeValidator(_texts)]


class ReadOptions(StrictConfig):
    """The `data.*` keys that say how data is read."""

    columns: dict[str, str | int] = Field(default_factory=dict)
    """Which column of a table is which, as in `{text: review, label: sentiment}`: by its name, or by its
    number from 1. What is not named is recognized where it can be, and said."""
    separator: Separator | None = None
    """Between the columns of `.csv` and `.tsv` files, one character or `tab`. null: by the first line."""
    encoding: Encoding | None = None
    """Of tables and texts, a name that Python knows, such as `cp1252`. null: UTF-8, or UTF-16 by its mark."""
    header: bool | None = None
    """Whether the first line of `.csv` and `.tsv` files names the columns; else they are named 1, 2 and so
    on. null: it does, except in layouts that are known to have none."""
    files_outside: bool = False
    """Whether a `metadata.csv` may name files outside the folder of the data."""
    names: Names = Field(default_factory=dict)
    """What numbers stand for, by column, as in `{label: [negative, positive]}`. Those that a Parquet file or
    the README.md of a data set gives are read by themselves."""


READ_DEFAULTS = ReadOptions()


def setting(key: str, value: str) -> str:
    """The option that makes a setting, quoted for a shell where it must be.

    >>> setting("data.columns.text", "the review")
    "--set 'data.columns.text=the review'"
    """
    import shlex

    return f"--set {shlex.quote(f'{key}={value}')}"


def column_settings(columns: Sequence[tuple[str, str]]) -> str:
    """The options that map columns.

    >>> column_settings([("text", "review"), ("label", "stars")])
    '--set data.columns.text=review --set data.columns.label=stars'
    """
    return " ".join(setting(f"data.columns.{role}", name) for role, name in columns)
