"""Numbers that stand for names: as set, as a Parquet file or a README.md says, or without names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seqloom.data.options import ReadOptions
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.training.job import new_job

ROWS = [{"tokens": ["Anna", "sang"], "ner_tags": [1, 0]}, {"tokens": ["so"], "ner_tags": [0]}]
README = """---
dataset_info:
- config_name: plain
  features:
  - name: tokens
    sequence: string
  - name: ner_tags
    sequence:
      class_label:
        names:
          '0': O
          '1': B-PER
---
# A data set
"""


def records(path: Path, **options: Any) -> Records:
    data = read(path, options=ReadOptions(**options))
    assert isinstance(data, Records)
    return data


def tags(data: Records) -> list[list[str]]:
    return sorted(example.fields["tags"] for example in data.examples("all"))


def write(folder: Path) -> Path:
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder / "train.jsonl"


def test_tags_that_are_numbers_stay_numbers_which_is_said(tmp_path: Path) -> None:
    data = records(write(tmp_path))
    assert tags(data) == [["0"], ["1", "0"]]
    assert "tags are numbers without names, and stay numbers" in data.remarks[1]


@pytest.mark.parametrize("column", ["tags", "ner_tags"])
def test_names_may_be_set(tmp_path: Path, column: str) -> None:
    data = records(write(tmp_path), names={column: ["O", "B-PER"]})
    assert tags(data) == [["B-PER", "O"], ["O"]]
    settings = [{"data": {"names": {column: ["O", "B-PER"]}}}]
    assert set(new_job(tmp_path / "train.jsonl", None, settings, str).preparation.tags) <= {"B-PER", "O"}


@pytest.mark.parametrize("is_folder", [True, False])
def test_names_are_those_of_the_readme(tmp_path: Path, is_folder: bool) -> None:
    file = write(tmp_path)
    (tmp_path / "README.md").write_text(README)
    data = records(tmp_path if is_folder else file)
    assert tags(data) == [["B-PER", "O"], ["O"]]
    assert "the numbers of ner_tags are named as the data set says" in data.remarks


@pytest.mark.parametrize(
    "readme",
    [
        "# A data set without YAML\n",
        "---\ndataset_info: [class_label\n---\n",
        "---\ndataset_info:\n- features: class_label\n- 3\n---\n",
        README.replace(
            "- config_name: plain",
            "- features:\n  - {name: ner_tags, sequence: {class_label: {names: [A]}}}\n-",
        ),
    ],
    ids=["none", "damaged", "something else", "contradictory"],
)
def test_a_readme_without_names_names_nothing(tmp_path: Path, readme: str) -> None:
    write(tmp_path)
    (tmp_path / "README.md").write_text(readme)
    assert tags(records(tmp_path)) == [["0"], ["1", "0"]]


def test_names_are_those_of_a_parquet_file(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'seqloom[parquet]'")
    arrow = pytest.importorskip("pyarrow")
    features = {
        "tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"},
        "ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = arrow.Table.from_pylist(ROWS).replace_schema_metadata(metadata)
    parquet.write_table(table, tmp_path / "train.parquet")
    assert tags(records(tmp_path)) == [["B-PER", "O"], ["O"]]


def test_labels_may_be_numbers_and_truth_values(tmp_path: Path) -> None:
    values = [0, 1, True, False, 2.0, 4.5, -1, None]
    rows = [{"text": f"text {number}", "label": value} for number, value in enumerate(values)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "dev.jsonl").write_text(json.dumps(rows[0]))
    (tmp_path / "a.jsonl").rename(tmp_path / "train.jsonl")
    labels = new_job(tmp_path, None, [], str).preparation.labels
    assert labels.names == ("-1", "0", "1", "2", "4.5", "False", "True")
    data = records(tmp_path / "train.jsonl", names={"label": ["no", "yes"]})
    read_labels = {example.fields["text"]: example.fields["label"] for example in data.examples("all")}
    assert [read_labels[f"text {number}"] for number in range(7)] == [
        "no",
        "yes",
        True,
        False,
        2.0,
        4.5,
        None,
    ]
