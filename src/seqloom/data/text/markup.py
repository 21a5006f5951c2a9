"""Recognize what would be taken for plain text and is not: JSON, columns, tables, parallel texts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seqloom.data.encoding import detect_encoding, split_lines
from seqloom.data.text.corpus import TextCorpus
from seqloom.errors import DataError

HEAD_BYTES = 1 << 16
MIN_LINES = 5
"""Fewer lines may be alike by chance."""
JSON_SUFFIXES = (".json", ".geojson", ".ipynb")
TAG = re.compile(r"[BIOESLU]|[BIESLU][-_]\S+|[A-Z][A-Z0-9]*[$]?|[^\w\s]+|-?[LR][RCS]B-?|\S+-[BIESLU]")
JSON_START = re.compile(r'\s*(\[\s*)?\{\s*"[^"\n]*"\s*:')
SOURCE_NAMES, TARGET_NAMES = ("src", "source"), ("tgt", "trg", "target")
NAME_PARTS = re.compile(r"[^a-z]+")
COLUMNS_OF_TASKS = {
    "translate": ("source", "target"),
    "tag": ("tokens", "tags"),
    "transcribe": ("file", "text"),
    "classify": ("text", "label"),
}


class Markup(NamedTuple):
    """What a file holds instead of plain text, and what it is probably for."""

    name: str
    task: str
    hint: str
    """How to give the data to that task"""


def require_plain_text(data: object) -> None:
    """Refuse a text that is something else, from which a language model would learn the markup.

    Raises:
        DataError: it is JSON, columns of tokens and tags, a table, or a pair of parallel texts.
    """
    if not isinstance(data, TextCorpus):
        return
    files = [span.path for span in data.splits["train"]]
    parallel = _find_parallel(files)
    for file in dict.fromkeys(files):
        markup = parallel or recognize_markup(file)
        if markup is not None:
            hint = (
                f"This looks like data for the task {markup.task}: {markup.hint}. For a language model of "
                "the file as it is, say --task generate"
            )
            raise DataError(data.originals.get(file, file), "expected plain text", got=markup.name, hint=hint)


def recognize_markup(file: Path) -> Markup | None:
    """What a file holds if that is not plain text, by its name and its first lines."""
    with file.open("rb") as content:
        head = content.read(HEAD_BYTES)
        is_whole = not content.read(1)
    text = head.decode(detect_encoding(head), errors="replace")
    lines = split_lines(text)
    if not is_whole and len(lines) > 1:
        lines.pop()  # may be cut
    return (
        _recognize_json(file, text, lines) or _recognize_columns(file, lines) or _recognize_table(file, lines)
    )


def _recognize_json(file: Path, text: str, lines: Sequence[str]) -> Markup | None:
    rows = [_parse_object(line) for line in lines if line.strip()]
    objects = [row for row in rows if row is not None]
    if objects and len(objects) == len(rows):
        task = _task_of_columns(objects[0])
        columns = " and ".join(COLUMNS_OF_TASKS[task])
        return Markup("JSON lines", task, f"name it {file.stem}.jsonl, with columns such as {columns}")
    if file.suffix.lower() in JSON_SUFFIXES or JSON_START.match(text):
        keys = dict.fromkeys(re.findall(r'"(\w+)"\s*:', text))
        task = _task_of_columns(keys)
        columns = " and ".join(COLUMNS_OF_TASKS[task])
        return Markup(
            "JSON", task, f"make it {file.stem}.json, a list of objects with columns such as {columns}"
        )
    return None


def _parse_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _task_of_columns(columns: Mapping[str, Any]) -> str:
    return next(
        (task for task, names in COLUMNS_OF_TASKS.items() if all(name in columns for name in names)),
        "classify",
    )


def _recognize_columns(file: Path, lines: Sequence[str]) -> Markup | None:
    """Columns of CoNLL: a token a line with its tag at the end, and empty lines between sentences."""
    hint = f"name it {file.stem}.conll"
    rows = [line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    if len(rows) < MIN_LINES:
        return None
    separator = "\t" if all("\t" in row for row in rows) else " "
    columns = [row.strip(" ").split(separator) for row in rows]
    if len({len(row) for row in columns}) != 1 or len(columns[0]) < 2:
        return None
    tokens, tags = ([row[place] for row in columns] for place in (0, -1))
    has_tags = all(TAG.fullmatch(tag) for tag in tags) and len(set(tags)) < len(tags)
    is_shouted = all(token == token.upper() for token in tokens)
    if has_tags and not is_shouted:
        return Markup("columns of tokens and tags", "tag", hint)
    if len(columns[0]) >= 8 and separator == "\t" and {"1", "2"} <= set(tokens):
        return Markup("CoNLL-U columns", "tag", f"{hint}u")
    return None


def _recognize_table(file: Path, lines: Sequence[str]) -> Markup | None:
    """Tab-separated columns: texts and labels, or texts in two languages."""
    rows = [line.split("\t") for line in lines if line.strip()]
    if len(rows) < MIN_LINES or len(rows[0]) < 2 or len({len(row) for row in rows}) != 1:
        return None
    if not all(row[0].strip() for row in rows):  # lines that are only indented
        return None
    fewest = min(len({row[place] for row in rows}) for place in range(len(rows[0])))
    task = "classify" if 2 * fewest <= len(rows) else "translate"
    columns = " and ".join(COLUMNS_OF_TASKS[task])
    hint = f"name it {file.stem}.tsv, and its columns {columns} in the first line"
    return Markup("tab-separated columns", task, hint)


def _find_parallel(files: Sequence[Path]) -> Markup | None:
    """Files such as src-train.txt and tgt-train.txt."""
    stems = [NAME_PARTS.split(file.stem.lower()) for file in files]
    sides = [any(name in stem for stem in stems for name in names) for names in (SOURCE_NAMES, TARGET_NAMES)]
    if not all(sides):
        return None
    hint = "name the two files of a split alike but for src and tgt, as in src-train.txt and tgt-train.txt"
    return Markup("parallel texts", "translate", hint)
