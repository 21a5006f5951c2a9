"""Columns of tables: chosen, named, recognized, refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from seqloom.data.options import ReadOptions
from seqloom.data.read import read
from seqloom.data.tables.columns import LAYOUTS, Layout, map_columns
from seqloom.data.tables.records import Records
from seqloom.errors import DataError
from seqloom.training.job import new_job


def records(path: Path, **options: Any) -> Records:
    data = read(path, options=ReadOptions(**options))
    assert isinstance(data, Records)
    return data


def rows(data: Records) -> list[dict[str, Any]]:
    """The rows of all splits, in the order of the file."""
    examples = sorted(data.examples("all"), key=lambda example: int(re.findall(r"\d+", example.place)[-1]))
    return [dict(example.fields) for example in examples]


def write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in objects))
    return path


@pytest.mark.parametrize(
    ("names", "mapped"),
    [
        ("text label", {"text": "text", "label": "label"}),
        ("Text Label", {"text": "Text", "label": "Label"}),
        ("review sentiment", {"text": "review", "label": "sentiment"}),
        ("v1 v2", {"text": "v2", "label": "v1"}),
        ("idx sentence label", {"text": "sentence", "label": "label"}),
        ("id tweet class", {"text": "tweet", "label": "class"}),
        ("content category", {"text": "content", "label": "category"}),
        ("headline is_spam", {"text": "headline", "label": "is_spam"}),
        ("id keyword location text target", {"text": "text", "label": "target"}),
        ("text labels", {"text": "text"}),
        ("review labels", {"text": "review"}),
        ("src tgt", {"source": "src", "target": "tgt"}),
        ("id de en", {"source": "de", "target": "en"}),
        ("English German", {"source": "English", "target": "German"}),
        ("id tokens pos_tags chunk_tags ner_tags", {"tokens": "tokens", "tags": "ner_tags"}),
        ("words upos", {"tokens": "words", "tags": "upos"}),
        ("client_id path sentence up_votes", {"file": "path", "transcription": "sentence"}),
        ("file text", {"file": "file", "transcription": "text"}),
        ("file text label", {"file": "file", "text": "text", "label": "label"}),
        ("filename review sentiment", {"text": "review", "label": "sentiment"}),
        ("values class", {"values": "values", "label": "class"}),
        # Not clear, or nothing to map.
        ("Title Description Class", {}),
        ("review sentiment topic", {}),
        ("text stars", {"text": "text"}),
        ("path sentence class", {}),
        ("text label path sentence", {"text": "text", "label": "label"}),
        ("a b", {}),
        ("de en fr", {}),
        ("is_spam no_answer", {}),
    ],
)
def test_columns_are_recognized_where_one_layout_is_meant(names: str, mapped: dict[str, str]) -> None:
    assert map_columns(names.split(), {}) == mapped


@pytest.mark.parametrize(
    ("names", "chosen", "mapped"),
    [
        ("a b", {"text": "b", "label": "a"}, {"text": "b", "label": "a"}),
        ("title body label", {"text": "body"}, {"text": "body", "label": "label"}),
        ("review sentiment topic", {"label": "topic"}, {"text": "review", "label": "topic"}),
        ("text url label", {"text": "url"}, {"text": "url", "label": "label"}),
        ("de en", {"source": "en"}, {"source": "en", "target": "de"}),
        ("left right", {"target": "left"}, {"source": "right", "target": "left"}),
        ("path sentence class", {"text": "sentence"}, {"text": "sentence", "label": "class"}),
        ("tokens pos_tags ner_tags", {"tags": "pos_tags"}, {"tokens": "tokens", "tags": "pos_tags"}),
    ],
)
def test_what_is_chosen_comes_first(names: str, chosen: dict[str, str], mapped: dict[str, str]) -> None:
    assert map_columns(names.split(), chosen) == mapped


def test_what_is_known_of_another_table_comes_before_names() -> None:
    known = {"text": "body", "label": "stance"}
    assert map_columns(["text", "body", "stance"], {}, known) == known
    assert map_columns(["text", "label"], {}, known) == {"text": "text", "label": "label"}


def test_columns_of_a_task_are_not_taken_for_others() -> None:
    layouts = [*LAYOUTS, Layout("text", "emotion")]
    assert map_columns(["text", "emotion"], {}, layouts=LAYOUTS) == {"text": "text", "label": "emotion"}
    assert map_columns(["text", "emotion"], {}, layouts=layouts) == {"text": "text", "emotion": "emotion"}


TABLE = [{"n": 1, "the review": "fine", "stars": 5}, {"n": 2, "the review": "dull", "stars": 1}]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
@pytest.mark.parametrize("columns", [{"text": "the review", "label": "stars"}, {"text": 2, "label": "STARS"}])
def test_any_table_can_be_mapped(tmp_path: Path, name: str, columns: dict[str, Any]) -> None:
    separator = {"a.csv": ",", "a.tsv": "\t"}.get(name)
    if separator:
        lines = [separator.join(TABLE[0]), *(separator.join(map(str, row.values())) for row in TABLE)]
        (tmp_path / name).write_text("\n".join(lines))
    else:
        (tmp_path / name).write_text(json.dumps(TABLE) if name == "a.json" else "")
        if name == "a.jsonl":
            write_lines(tmp_path / name, TABLE)
    data = records(tmp_path / name, columns=columns)
    assert data.columns == ("n", "text", "label")
    assert [(row["text"], str(row["label"])) for row in rows(data)] == [("fine", "5"), ("dull", "1")]
    assert data.remarks[0].startswith(
        "text is the column the review, label is the column stars (another one by"
    )
    assert data.mapping == {"text": "the review", "label": "stars"}


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_column_that_is_chosen_must_be_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("review,stars\na,1\nb,2\n")
    write_lines(tmp_path / "a.jsonl", [{"review": "a", "stars": 1}] * 3)
    message = (
        r"expected a column reviews, as data\.columns\.text says\. Got review, stars\. Did you mean `review`"
    )
    with pytest.raises(DataError, match=message):
        records(tmp_path / name, columns={"text": "reviews"})


def test_rows_of_json_may_lack_a_column_that_is_chosen(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", [{"review": "a"}, {"review": "b", "mood": "x"}])
    assert rows(records(file, columns={"text": "review", "label": "mood"})) == [
        {"text": "a"},
        {"text": "b", "label": "x"},
    ]


def test_the_columns_of_training_are_those_of_the_other_splits(tmp_path: Path) -> None:
    (tmp_path / "dev.csv").write_text("body,mood\na,x\n")
    (tmp_path / "train.csv").write_text("mood,body,mark\ny,b,1\nx,c,2\n")
    data = records(tmp_path, columns={"text": "body", "label": "mood"})
    assert [dict(example.fields) for example in data.examples("validation")] == [{"text": "a", "label": "x"}]
    (tmp_path / "train.csv").write_text("sentiment,Review\ny,b\nx,c\n")
    (tmp_path / "dev.csv").write_text("Review,sentiment\na,x\n")
    (tmp_path / "test.csv").write_text("Id,Review\n1,unseen\n")
    data = records(tmp_path)
    assert {split: [row.fields["text"] for row in data.examples(split)] for split in data.splits} == {
        "train": ["b", "c"],
        "validation": ["a"],
    }
    assert data.remarks == (
        "text is the column Review, label is the column sentiment "
        "(another one by --set data.columns.text=NAME)",
        "text is the column Review (another one by --set data.columns.text=NAME)",
        "test has nothing to predict, and is left out of reports: "
        f"seqloom predict RUN {tmp_path / 'test.csv'}",
    )


@pytest.mark.parametrize("test", ["text,label\na,\nb,\n", "text\na\nb\n"])
def test_a_test_split_without_labels_is_left_out(tmp_path: Path, test: str) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\nc,x\n")
    (tmp_path / "test.csv").write_text(test)
    assert list(records(tmp_path).splits) == ["train", "validation"]
    (tmp_path / "test.csv").write_text("text,label\na,x\nb,\n")  # some have one
    assert list(records(tmp_path).splits) == ["train", "validation", "test"]


def test_a_refusal_names_the_columns_and_the_settings_that_map_them(tmp_path: Path) -> None:
    lines = [f"{number},{'good' if number % 3 else 'bad'},a text of {number} words\n" for number in range(9)]
    (tmp_path / "a.csv").write_text("No.,The mood,What was said\n" + "".join(lines))
    hint = (
        "Say which they are, as in --set 'data.columns.text=What was said' "
        "--set 'data.columns.label=The mood'."
    )
    with pytest.raises(DataError) as refusal:
        new_job(tmp_path / "a.csv", None, [], str)
    assert f"Got columns No., The mood, What was said. {hint}" in str(refusal.value)
    with pytest.raises(DataError) as refusal:
        new_job(tmp_path / "a.csv", "classify", [], str)
    assert str(refusal.value).endswith(
        f"expected columns text, label. Got No., The mood, What was said. {hint}"
    )
    settings = {"data": {"columns": {"text": "What was said", "label": "The mood"}}}
    assert new_job(tmp_path / "a.csv", None, [settings], str).config.task.name == "classify"


@pytest.mark.parametrize(
    ("content", "columns", "remark"),
    [
        (",text,label\n0,a,x\n1,b,y\n", ("text", "label"), "left out 1 column without a name"),
        ("Unnamed: 0,text,label\n0,a,x\n1,b,y\n", ("text", "label"), "left out 1 column without a name"),
        ("v1,v2,,,\nham,a,,,\nspam,b,,,\n", ("label", "text"), "left out 3 columns without a name"),
    ],
)
def test_columns_without_a_name_are_left_out(
    tmp_path: Path, content: str, columns: tuple[str, ...], remark: str
) -> None:
    (tmp_path / "a.csv").write_text(content)
    data = records(tmp_path / "a.csv")
    assert data.columns == columns
    assert data.remarks[0] == remark
    assert [row["text"] for row in rows(data)] == ["a", "b"]
