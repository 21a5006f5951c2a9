"""What the numbers in a column stand for, as a data set itself says it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqloom.data.compression import content_suffix

README = "README.md"
Names = Mapping[str, Sequence[str]]


def find_names(table: Path, folder: Path) -> dict[str, list[str]]:
    """The names of the values of each column: of a Parquet file, and of the README.md of its data set.

    Both are as Hugging Face `datasets` writes them: features of the type `ClassLabel`.
    """
    names = dict(_names_of_readme(folder / README)) if folder.is_dir() else {}
    if content_suffix(table) == ".parquet":
        names |= dict(_names_of_parquet(table))
    return names


def name_value(value: Any, names: Sequence[str]) -> Any:
    """A number, or each of a list of numbers, by its name; None where it has none, as -1 is no label.

    >>> name_value(1, ["no", "yes"]), name_value([0, 1], ["O", "B-PER"]), name_value(-1, ["no", "yes"])
    ('yes', ['O', 'B-PER'], None)
    """
    if type(value) is int:
        return names[value] if 0 <= value < len(names) else None
    if isinstance(value, list):
        return [name_value(part, names) for part in value]
    is_number = isinstance(value, str) and value.isascii() and value.strip().removeprefix("-").isdecimal()
    return name_value(int(value), names) if is_number else value


def _names_of_parquet(table: Path) -> Iterator[tuple[str, list[str]]]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        metadata = parquet.read_schema(table).metadata or {}
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
    except (arrow.ArrowException, OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    for column, feature in features.items() if isinstance(features, dict) else ():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else feature
        if isinstance(inner, dict) and isinstance(inner.get("names"), list):
            yield column, [str(name) for name in inner["names"]]


def _names_of_readme(readme: Path) -> Iterator[tuple[str, list[str]]]:
    """From `dataset_info` in the YAML at the head of a README.md."""
    try:
        head, _, rest = readme.read_text(encoding="utf-8").removeprefix("---").partition("\n---")
    except (OSError, UnicodeDecodeError):
        return
    if not rest or "class_label" not in head:
        return
    import yaml

    try:
        content = yaml.safe_load(head)
    except (yaml.YAMLError, RecursionError):
        return
    infos = content.get("dataset_info") if isinstance(content, dict) else None
    named: dict[str, list[list[str]]] = {}
    for info in infos if isinstance(infos, list) else [infos]:
        features = info.get("features") if isinstance(info, dict) else None
        for feature in features if isinstance(features, list) else ():
            names = _class_label(feature)
            if names is not None:
                named.setdefault(str(feature.get("name")), []).append(names)
    # Configurations of a data set may have columns of the same name with other labels.
    yield from ((column, names[0]) for column, names in named.items() if all(n == names[0] for n in names))


def _class_label(feature: Any) -> list[str] | None:
    """The names of a feature such as `{name: label, dtype: {class_label: {names: {'0': neg, '1': pos}}}}`."""
    if not isinstance(feature, dict):
        return None
    for key in ("dtype", "sequence", "list"):
        kind = feature.get(key)
        kind = kind.get("dtype", kind) if isinstance(kind, dict) else kind
        names = kind.get("class_label", {}).get("names") if isinstance(kind, dict) else None
        if isinstance(names, dict):
            ordered = sorted(names, key=lambda number: int(number) if str(number).isdecimal() else 0)
            return [str(names[number]) for number in ordered]
        if isinstance(names, list):
            return [str(name) for name in names]
    return None
