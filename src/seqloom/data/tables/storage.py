"""Rows to Arrow, a few thousand at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, final

from seqloom.data.tables.examples import COLUMN, FILE, ArrowFile, ArrowMemory, Examples
from seqloom.data.tables.formats.table import Row

BATCH_ROWS = 8192
BATCH_CHARACTERS = 8 << 20


@final
class ExamplesWriter:
    """Collects the rows of a split.

    Args:
        sources: the files that rows come from.
        path: the Arrow file to write; None: rows stay in memory.
        on_write: told of every batch that is stored.
        counts_characters: whether it is told how many characters that are; else, how many rows.
    """

    def __init__(
        self,
        sources: Sequence[str],
        path: Path | None = None,
        on_write: Callable[[int], object] = int,
        counts_characters: bool = False,
    ) -> None:
        self._sources, self._path, self._on_write = sources, path, on_write
        self._counts_characters = counts_characters
        self._rows: list[tuple[int, Row]] = []
        self._characters = 0
        self._names: list[str] | None = None
        self._batches: list[Any] = []
        self._file: Any = None
        self.sizes: list[int] = []
        self._stored = 0

    @property
    def file_name(self) -> str:
        """The name of the Arrow file."""
        assert self._path is not None
        return self._path.name

    def __len__(self) -> int:
        return self._stored + len(self._rows)

    def add(self, source: int, row: Row) -> None:
        """Store a row that comes from the source of this number."""
        rows = self._rows
        rows.append((source, row))
        characters = 0
        for value in row.fields.values():
            if type(value) is str:
                characters += len(value)
        self._characters += characters
        if len(rows) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self._flush()

    def close(self) -> None:
        """Store what is left."""
        if self._rows:
            self._flush()
        if self._file is not None:
            self._file.close()

    def examples(self, key: str = "") -> Examples:
        """What was stored, after `close`."""
        store = ArrowMemory(self._batches) if self._path is None else ArrowFile(self._path)
        batches = [(store, number) for number in range(len(self.sizes))]
        return Examples(batches, self.sizes, self._sources, None, key)

    def _flush(self) -> None:
        import pyarrow

        if self._names is None:
            names = (
                name for _, row in self._rows for name, value in row.fields.items() if _is_text(name, value)
            )
            self._names = list(dict.fromkeys(names))
        try:
            batch = self._to_arrow(is_utf8=True)
        except UnicodeEncodeError:  # the name of a file may be bytes that are no UTF-8
            batch = self._to_arrow(is_utf8=False)
        if self._path is None:
            self._batches.append(batch)
        else:
            self._file = self._file or pyarrow.ipc.new_file(str(self._path), batch.schema)
            self._file.write_batch(batch)
        self.sizes.append(len(self._rows))
        self._stored += len(self._rows)
        texts = [
            batch.column(name) for name in batch.schema.names if name.startswith(COLUMN) or name == "rest"
        ]
        sizes = (text.buffers()[2] for text in texts)
        # What a file has of them, with a separator after each
        characters = sum(data.size for data in sizes if data) + len(self._rows) * len(self._names)
        self._on_write(characters if self._counts_characters else len(self._rows))
        self._rows, self._characters = [], 0

    def _to_arrow(self, is_utf8: bool) -> Any:
        import pyarrow

        assert self._names is not None
        text = pyarrow.large_string()
        arrays: dict[str, Any] = {
            "source": pyarrow.array([source for source, _ in self._rows], pyarrow.int32()),
            "place": pyarrow.array(
                [row.place.removeprefix(self._sources[source]) for source, row in self._rows], text
            ),
        }
        stored = 0
        for name in self._names:
            values = [row.fields.get(name) for _, row in self._rows]
            texts = [_to_text(name, value, is_utf8) for value in values]
            arrays[COLUMN + name] = pyarrow.array(texts, text)
            stored += len(texts) - arrays[COLUMN + name].null_count
        total = sum(len(row.fields) for _, row in self._rows)
        rest = (
            [self._rest(row, is_utf8) for _, row in self._rows]
            if stored < total
            else [None] * len(self._rows)
        )
        arrays["rest"] = pyarrow.array(rest, text)
        return pyarrow.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))

    def _rest(self, row: Row, is_utf8: bool) -> str | None:
        """What is no text, or of a column that came late, as JSON."""
        assert self._names is not None
        rest = {
            name: value
            for name, value in row.fields.items()
            if name not in self._names or _to_text(name, value, is_utf8) is None
        }
        return json.dumps(rest, ensure_ascii=not is_utf8, default=str) if rest else None


def _is_text(name: str, value: Any) -> bool:
    return isinstance(value, str) or (name == FILE and isinstance(value, Path))


def _to_text(name: str, value: Any, is_utf8: bool) -> str | None:
    """A value that a column of texts can hold; None for any other."""
    if type(value) is str:
        return value if is_utf8 or _is_encodable(value) else None
    return _to_text(name, str(value), is_utf8) if _is_text(name, value) else None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
