"""Tables with the columns that tasks know, whatever they are called in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

from seqloom.data.compression import content_suffix
from seqloom.data.folders import is_inside
from seqloom.data.options import READ_DEFAULTS, ReadOptions, setting
from seqloom.data.tables.columns import (
    ANY_COLUMNS,
    INDEX_COLUMN,
    MULTI_LABEL,
    TARGETS,
    ExpectedColumns,
    describe_mapping,
    layouts_of_pictures,
    map_columns,
    resolve_chosen,
)
from seqloom.data.tables.formats.captions import names_picture
from seqloom.data.tables.formats.conll import CONLLU_COLUMNS
from seqloom.data.tables.formats.file import Row
from seqloom.data.tables.formats.speech import clips_folder, is_metadata
from seqloom.data.tables.formats.table import read_table
from seqloom.data.tables.label_names import find_names, name_value
from seqloom.errors import DataError

CONLL_SUFFIXES = (".conll", ".conllu")
JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
TRANSLATION = "translation"
"""A column with an object of texts by language, as Hugging Face `datasets` has for translation"""
MAX_PLANS = 1000


class _Plan(NamedTuple):
    """What becomes of the rows that have certain columns."""

    select: tuple[tuple[str, str], ...] | None
    """The columns that stay, with their names as they will be and as they are; None: all, as they are"""
    named: tuple[tuple[str, Sequence[str]], ...]
    """Columns whose numbers have names"""
    files_in: str
    """The folder, beside the table, of the files that `file` names; empty for the table's own"""
    is_converted: bool
    """Whether values may have to change: numbers that have names, tags that are numbers, names of files"""
    targets: tuple[str, ...]


@final
class TableReader:
    """Reads the tables of a data set, and renames their columns to those that tasks know.

    Args:
        options: how they are read; columns that are chosen here must be there in the first table.
        folder: the folder of the data set.
        expected: what is known of the columns.
    """

    def __init__(
        self,
        options: ReadOptions = READ_DEFAULTS,
        folder: Path | None = None,
        expected: ExpectedColumns = ANY_COLUMNS,
    ) -> None:
        self.options, self.folder, self.layouts = options, folder, expected.layouts
        self.columns: dict[str, str | int] = {}
        """The names in the tables of the columns that were renamed"""
        self.remarks: dict[str, None] = {}
        """What was recognized, in order"""
        self._known = dict(expected.known)
        self._labeled: set[Path] = set()
        self._has_numbered_tags: bool | None = None
        self._pending: set[str] = set(options.columns)
        """Columns that were chosen and must still be seen, in the first table"""

    def settings(self) -> str:
        """All that its rows depend on beside the tables, as text."""
        names = {} if self.folder is None else find_names(self.folder, self.folder)
        known = sorted(self._known.items())
        return repr((self.options.model_dump_json(), known, [*self.layouts], names))

    def note(self, remark: str) -> None:
        """Keep a remark, once."""
        if remark:
            self.remarks.setdefault(remark)

    def check_place(self, row: Row, name: Path) -> Row:
        """A row, or the error that the file which it names is not in the folder of the data.

        Args:
            row: with the path of a file.
            name: the path as it is written, whose links are not followed.
        """
        if self.options.files_outside or self.folder is None or is_inside(name, self.folder):
            return row
        expected = f"`file` must be in {self.folder}"
        hint = f"If you trust the table: {setting('data.files_outside', 'true')}"
        return Row(row.place, {}, DataError(row.place, expected, got=str(name), hint=hint))

    def has_targets(self, table: Path) -> bool:
        """Whether a row that was read of a table has something to predict: a label, tags, a target."""
        return table in self._labeled

    def read(self, table: Path) -> Iterator[Row]:
        """The rows of a table, in one pass.

        Raises:
            DataError: it cannot be read, or has not the columns that were chosen.
        """
        options = self.options
        if content_suffix(table) in CONLL_SUFFIXES:
            known = {role: name for role, name in self._known.items() if _is_conll_column(name)}
            options = options.model_copy(update={"columns": {**known, **options.columns}})
        return self.rename(table, read_table(table, options, self.note))

    def rename(self, table: Path, rows: Iterator[Row]) -> Iterator[Row]:
        """Rows that are read of a table, with the columns that tasks know.

        Raises:
            DataError: the table has not the columns that were chosen.
        """
        plans: dict[tuple[str, ...], _Plan] = {}
        names = find_names(table, self.folder or table.parent)
        is_labeled = False
        for row in rows:
            place, fields, error = row
            if error is not None:
                yield row
                continue
            if TRANSLATION in fields and isinstance(fields[TRANSLATION], dict):
                fields = {**fields, **fields[TRANSLATION]}
                del fields[TRANSLATION]
            key = tuple(fields)
            plan = plans.get(key)
            if plan is None:
                if len(plans) >= MAX_PLANS:  # rows of which each has columns of its own
                    plans.clear()
                plan = plans[key] = self._plan(table, key, names, names_picture(fields))
            if plan.select is not None:
                fields = {new: fields[old] for new, old in plan.select}
            if plan.is_converted:
                fields = self._convert(dict(fields) if plan.select is None else fields, plan)
            if not is_labeled and any(fields[name] not in (None, "", []) for name in plan.targets):
                is_labeled = True
                self._labeled.add(table)
            yield row if fields is row.fields else Row(place, fields)
        if plans:
            self._refuse_pending(table, next(reversed(plans)))

    def _refuse_pending(self, table: Path, columns: Sequence[str]) -> None:
        pending = {role: name for role, name in self.options.columns.items() if role in self._pending}
        self._pending.clear()  # what the first table has, others may lack
        resolve_chosen(columns, pending, table, required=True)

    def _plan(
        self, table: Path, columns: tuple[str, ...], names: Mapping[str, Sequence[str]], has_pictures: bool
    ) -> _Plan:
        if content_suffix(table) in CONLL_SUFFIXES:
            self._pending -= {"tokens", "tags"}
            return _Plan(None, (), "", is_converted=False, targets=("tags",))
        chosen = resolve_chosen(columns, self.options.columns, table, required=False)
        own = [name for name in columns if name in chosen.values() or not INDEX_COLUMN.fullmatch(name)]
        if len(own) < len(columns):
            count = len(columns) - len(own)
            self.note(f"left out {count} column{'s' * (count > 1)} without a name")
        self._pending -= chosen.keys()
        if content_suffix(table) not in JSON_SUFFIXES:  # rows of JSON may lack columns that others have
            self._refuse_pending(table, columns)
        known = resolve_chosen(columns, self._known, table, required=False)
        if is_metadata(table) and "file_name" in own:
            chosen.setdefault("file", "file_name")
        layouts = layouts_of_pictures(self.layouts) if has_pictures else self.layouts
        mapped = map_columns(own, chosen, known, layouts)
        folder = clips_folder(table, mapped.get("file", ""))
        if is_metadata(table) and mapped.get("file") == "file_name":
            self.note(describe_mapping({role: name for role, name in mapped.items() if role != "file"}))
        else:
            self.note(describe_mapping(mapped))
        self.columns |= {role: name for role, name in mapped.items() if role != name}
        self._known = {**self._known, **mapped}
        by_name = {name: role for role, name in mapped.items()}
        select = tuple(
            (by_name.get(name, name), name) for name in own if name in by_name or name not in mapped
        )
        order = [new for new, _ in select]
        named = tuple(self._find_names(order, mapped, names))
        targets = tuple(name for name in order if name in TARGETS or name == MULTI_LABEL)
        is_converted = bool(named or folder or "tags" in order)
        is_same = list(columns) == order
        return _Plan(None if is_same else select, named, folder, is_converted, targets)

    def _find_names(
        self, columns: Sequence[str], mapped: Mapping[str, str], names: Mapping[str, Sequence[str]]
    ) -> Iterator[tuple[str, Sequence[str]]]:
        for column in columns:
            own = mapped.get(column, column)
            chosen = self.options.names.get(column, self.options.names.get(own))
            if chosen is not None:
                yield column, chosen
            elif column in (*TARGETS, MULTI_LABEL) and own in names:
                self.note(f"the numbers of {own} are named as the data set says")
                yield column, names[own]

    def _convert(self, converted: dict[str, Any], plan: _Plan) -> dict[str, Any]:
        for column, names in plan.named:
            converted[column] = name_value(converted[column], names)
        if plan.files_in and isinstance(converted["file"], str) and converted["file"]:
            converted["file"] = f"{plan.files_in}/{converted['file']}"
        tags = converted.get("tags")
        if self._has_numbered_tags is None and isinstance(tags, list) and tags:
            self._has_numbered_tags = all(type(tag) is int for tag in tags)
        if self._has_numbered_tags and isinstance(tags, list):
            converted["tags"] = [str(tag) if type(tag) is int else tag for tag in tags]
            self.note(
                "tags are numbers without names, and stay numbers "
                f"(name them by {setting('data.names.tags', '[O, B-PER, …]')})"
            )
        return converted


def _is_conll_column(name: str | int) -> bool:
    return str(name).isdecimal() or str(name).upper() in CONLLU_COLUMNS
