"""Which column of a table is which: as it is set, as it is named, or as it is recognized."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from seqloom.data.options import column_settings, setting
from seqloom.data.tables.languages import find_languages
from seqloom.errors import DataError, nearest


class Layout(NamedTuple):
    """Two columns that make data for a task: what is read, and what is to be predicted."""

    input: str
    target: str


LAYOUTS = (
    Layout("tokens", "tags"),
    Layout("source", "target"),
    Layout("file", "transcription"),
    Layout("text", "label"),
    Layout("file", "label"),
    Layout("values", "label"),
)
CAPTIONS = Layout("file", "caption")
"""Where files are pictures, this takes the place of transcriptions"""
TARGETS = frozenset(layout.target for layout in (*LAYOUTS, CAPTIONS))

_SYNONYMS = """
text: text review review_text reviewtext tweet tweet_text comment comment_text message sentence content post
sms utterance headline phrase statement document body article title description abstract question query v2
label: label sentiment airline_sentiment category class target topic intent emotion polarity genre
spam is_spam v1
tokens: tokens words
tags: tags; ner_tags ner; upos pos_tags pos; xpos chunk_tags; labels
source: source src source_text source_sentence
target: target tgt trg target_text target_sentence
file: file file_name filename audio audio_path wav wav_filename image image_name image_path path
transcription: transcription transcript normalized_text raw_transcription; sentence text
caption: caption captions caption_text; text comment sentence description raw
"""
SYNONYMS: Mapping[str, Sequence[Sequence[str]]] = MappingProxyType(
    {
        role: [names.split() for names in lists.split(";")]
        for role, lists in re.findall(r"(\w+):([^:]*)(?=\n\w+:|$)", _SYNONYMS)
    }
)
"""Names that columns have elsewhere; those of an earlier list come before those of a later one."""
MULTI_LABEL = "labels"
"""A column of this name holds any number of labels, and is as good as `label`."""
INDEX_COLUMN = re.compile(r"(Unnamed: \d+|__index_level_\d+__)")
"""What pandas calls a column without a name."""
SAMPLE_ROWS = 200


class ExpectedColumns(NamedTuple):
    """What is known of the columns of a table before it is read.

    Fields:
        known: the columns of other data, by the names of tasks, which are taken where they are there.
        layouts: the pairs of columns that tasks read; where a table has one, no column is recognized as
            something else.
        categorical: the columns of series that are words, whatever they look like.
    """

    known: Mapping[str, str | int] = MappingProxyType({})
    layouts: Sequence[Layout] = LAYOUTS
    categorical: Sequence[str] = ()

    def and_of_tasks(self, layouts: Iterable[Layout | None]) -> ExpectedColumns:
        """With the layouts of tasks too; None is that of a task which has none of its own."""
        return self._replace(layouts=[*self.layouts, *filter(None, layouts)])


ANY_COLUMNS = ExpectedColumns()


def map_columns(
    names: Sequence[str],
    chosen: Mapping[str, str],
    known: Mapping[str, str] = MappingProxyType({}),
    layouts: Sequence[Layout] = LAYOUTS,
) -> dict[str, str]:
    """Map the columns that tasks read to those that a table has.

    What was chosen comes first, then what is known of another table, then columns that have a task's names.
    Others are recognized by the names that they have elsewhere, where only one layout can be meant.

    Args:
        names: of the table's columns.
        chosen: what a person said, by the names of tasks: `{"text": "review"}`.
        known: what another table of the same data had.
        layouts: what can be recognized.

    Returns:
        The name in the table by the name of the task.

    >>> map_columns(["id", "Review", "sentiment"], {})
    {'text': 'Review', 'label': 'sentiment'}
    >>> map_columns(["de", "en"], {"source": "en"})
    {'source': 'en', 'target': 'de'}
    >>> map_columns(["title", "body", "label"], {})  # which of the two is the text?
    {'label': 'label'}
    """
    mapped = {role: name for role, name in chosen.items() if name in names}
    roles = dict.fromkeys(role for layout in layouts for role in layout)
    asked = roles.keys() & chosen.keys()
    layouts = [layout for layout in layouts if asked <= {*layout}] or layouts
    for role, name in [*known.items(), *zip(roles, roles, strict=True)]:
        if role not in mapped and name in names and name not in mapped.values():
            mapped[role] = name
    if any(all(_has(role, mapped, names) for role in layout) for layout in layouts):
        return mapped
    complete = {layout: columns for layout in layouts if (columns := _complete(layout, mapped, names))}
    if any(layout.input == "text" for layout in complete):  # beside a text, a file is where it came from
        complete.pop(Layout("file", "label"), None)
    recognized = list(complete.values())
    return recognized[0] if len(recognized) == 1 else mapped


def layouts_of_pictures(layouts: Sequence[Layout]) -> list[Layout]:
    """Those that may be meant where files are pictures: a text beside one is its caption."""
    return [CAPTIONS, *(layout for layout in layouts if layout.target != "transcription")]


def _has(role: str, mapped: Mapping[str, str], names: Sequence[str]) -> bool:
    return role in mapped or (role == "label" and MULTI_LABEL in names)


def _complete(layout: Layout, mapped: Mapping[str, str], names: Sequence[str]) -> dict[str, str] | None:
    """The columns with those of a layout among them, or None where they are not there or not clear."""
    columns = {role: name for role, name in mapped.items() if role in layout or role != name}
    is_begun = any(role in columns for role in layout)
    for role in layout:
        if not _has(role, columns, names):
            free = [name for name in names if name not in columns.values()]
            name = _recognize(role, free)
            if name is not None:
                columns[role] = name
    if layout == Layout("source", "target"):
        free = [name for name in names if name not in columns.values()]
        missing = [role for role in layout if role not in columns]
        languages = find_languages(free) or (free if is_begun and len(names) == 2 else [])
        if len(languages) == len(missing):
            columns |= zip(missing, sorted(languages, key=str.lower), strict=True)
    if not all(_has(role, columns, names) for role in layout):
        return None
    others = {role: role for role, name in mapped.items() if role == name and role not in columns.values()}
    return others | columns


def _recognize(role: str, names: Sequence[str]) -> str | None:
    """The only column that has a name for `role`, of the first list of such names that has any."""
    for synonyms in SYNONYMS.get(role, [[role]]):
        matching = [name for name in names if _normalize(name) in synonyms]
        if matching:
            return matching[0] if len(matching) == 1 else None
    return None


def _normalize(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def resolve_chosen(
    names: Sequence[str], chosen: Mapping[str, str | int], where: object, required: bool
) -> dict[str, str]:
    """The columns that a person chose, by name or by number from 1; a name may differ in its case.

    Raises:
        DataError: with `required`, one is not there.
    """
    by_number = {str(number): name for number, name in enumerate(names, 1)}
    by_lower = {name.lower(): name for name in reversed(names)}
    resolved = {}
    for role, wanted in chosen.items():
        key = str(wanted)
        name = key if key in names else by_number.get(key) or by_lower.get(key.lower())
        if name is not None:
            resolved[role] = name
        elif required:
            expected = f"expected a column {key}, as data.columns.{role} says"
            raise DataError(where, expected, got=", ".join(names), hint=nearest(key, names))
    return resolved


def describe_mapping(mapped: Mapping[str, str]) -> str:
    """What a person should know of a mapping; empty where every column has its own name.

    >>> describe_mapping({"text": "review", "label": "label"})
    'text is the column review (another one by --set data.columns.text=NAME)'
    """
    renamed = [(role, name) for role, name in mapped.items() if role != name]
    if not renamed:
        return ""
    shown = ", ".join(f"{role} is the column {name}" for role, name in renamed)
    if {"source", "target"} <= {role for role, _ in renamed}:
        return f"{shown} (the other way round by {setting('data.columns.source', mapped['target'])})"
    return f"{shown} (another one by {setting(f'data.columns.{renamed[0][0]}', 'NAME')})"


def suggest_settings(
    missing: Sequence[str], columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> str:
    """How to say which columns stand for those that are missing, by what the first rows hold.

    A text is the column with the longest values, a label the one whose values repeat most.

    >>> rows = [{"a": "neg", "b": "a dull film"}, {"a": "neg", "b": "no"}]
    >>> suggest_settings(["text", "label"], ["a", "b"], rows)
    'Say which they are, as in --set data.columns.text=b --set data.columns.label=a'
    """
    sample = list(islice(rows, SAMPLE_ROWS))
    named = {role for layout in LAYOUTS for role in layout if missing[0] in layout}
    free = [name for name in columns if name not in named]
    length = {name: sum(len(str(row.get(name, ""))) for row in sample) for name in free}
    distinct = {name: len({str(row.get(name, "")) for row in sample}) for name in free}
    suggested: list[tuple[str, str]] = []
    for role in sorted(missing, key=lambda role: role not in ("label", MULTI_LABEL)):
        if not free:
            return ""
        is_label = role in ("label", MULTI_LABEL)
        best = min(free, key=distinct.__getitem__) if is_label else max(free, key=length.__getitem__)
        free.remove(best)
        suggested.append((role, best))
    suggested.sort(key=lambda pair: missing.index(pair[0]))
    return f"Say which they are, as in {column_settings(suggested)}"
