"""Reading examples with columns: formats, splits, bad rows, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqloom.data.read import read
from seqloom.data.tables.records import Example, Records, encode_examples, read_inputs
from seqloom.errors import DataError


def records(path: Path, strict: bool = False) -> Records:
    found = read(path, strict)
    assert isinstance(found, Records)
    return found


def texts(found: Records, split: str) -> list[str]:
    return [example.fields["text"] for example in found.examples(split)]


def table(path: Path, rows: int = 20) -> Path:
    path.write_text("text,label\n" + "".join(f"row {n},{n % 2}\n" for n in range(rows)))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\n"one, two",x\n"she said ""no""",y\n'),
        ("a.tsv", 'text\tlabel\none, two\tx\n"she said ""no"""\ty\n'),
        ("a.jsonl", '{"text": "one, two", "label": "x"}\n\n{"text": "she said \\"no\\"", "label": "y"}\n'),
    ],
)
def test_each_format_gives_the_same_rows(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    found = records(tmp_path / name)
    assert sorted(texts(found, "all")) == ["one, two", 'she said "no"']
    assert found.columns == ("text", "label")


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + table(tmp_path / "b.csv").read_bytes())
    assert records(tmp_path / "a.csv").columns == ("text", "label")


def test_a_tenth_is_held_out_and_always_the_same(tmp_path: Path) -> None:
    first, again = records(table(tmp_path / "a.csv")), records(table(tmp_path / "b.csv"))
    assert len(first.examples("train")) == 18
    assert len(first.examples("validation")) == 2
    assert texts(first, "validation") == texts(again, "validation")
    assert not set(texts(first, "train")) & set(texts(first, "validation"))


def test_files_named_after_splits_are_taken_at_their_word(tmp_path: Path) -> None:
    for name in ("train", "valid", "test-00000-of-00001"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{name},x\n")
    found = records(tmp_path)
    assert {split: texts(found, split) for split in found.splits} == {
        "train": ["train"],
        "validation": ["valid"],
        "test": ["test-00000-of-00001"],
    }


def test_metadata_names_files_beside_it(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "metadata.csv").write_text("file_name,label\na.wav,x\nb.wav,y\na.wav,z\n")
    found = records(tmp_path)
    assert found.columns == ("file", "label")
    assert found.examples("test")[1].fields == {"file": (tmp_path / "test" / "b.wav").resolve(), "label": "y"}
    # rows of one file are never on both sides of the split that is made
    files = [{example.fields["file"] for example in found.examples(name)} for name in ("train", "validation")]
    assert not files[0] & files[1]


def test_a_folder_for_each_label(tmp_path: Path) -> None:
    for name in ("train/yes/1.wav", "train/no/2.wav", "validation/no/3.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    labels = {e.fields["file"].name: e.fields["label"] for e in records(tmp_path).examples("all")}
    assert labels == {"1.wav": "yes", "2.wav": "no", "3.wav": "no"}


def test_a_row_that_cannot_be_read_is_skipped_and_named(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,x\nb\nc,y\nd,y,z\ne,x\n")
    found = records(tmp_path / "train.csv")
    assert sorted(texts(found, "all")) == ["a", "c", "e"]
    kept = encode_examples(found, "train", lambda example: example.text("text"))
    assert kept.skipped == (
        f"{tmp_path / 'train.csv'}, line 3: expected 2 columns (text, label). Got 1.",
        f"{tmp_path / 'train.csv'}, line 5: expected 2 columns (text, label). Got 3.",
    )
    with pytest.raises(DataError, match=r"train\.csv, line 3: expected 2 columns"):
        read(tmp_path / "train.csv", strict=True)


def test_lines_are_counted_through_quoted_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"two\nlines",x\nb\nc,y\n')
    assert records(tmp_path / "a.csv").skipped["train"][0].startswith(f"{tmp_path / 'a.csv'}, line 4:")


def test_a_row_that_a_task_cannot_use_is_skipped_too(tmp_path: Path) -> None:
    rows = [{"text": "good"}, {"text": "  "}, {"text": 3}, {"other": "x"}, {"text": "fine"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "test.jsonl").write_text('{"text": "last"}\nnot json\n[1]\n')
    (tmp_path / "validation.jsonl").write_text('{"text": ""}\n')
    found = records(tmp_path)
    kept = encode_examples(found, "train", lambda example: example.text("text"))
    assert kept.items == ("good", "fine")
    assert [message.split(": ", 1)[1] for message in kept.skipped] == [
        "`text` must be a text. Got nothing.",
        "`text` must be a text. Got 3.",
        "`text` must be a text. Got nothing.",
    ]
    kept = encode_examples(found, "test", lambda example: example.text("text"))
    assert kept.items == ("last",)
    assert "test.jsonl, line 2: expected a JSON object" in kept.skipped[0]
    assert "test.jsonl, line 3: expected a JSON object. Got list." in kept.skipped[1]
    with pytest.raises(
        DataError, match=r"at least one row for validation\. Got 1 bad rows, the first: .*text"
    ):
        encode_examples(found, "validation", lambda example: example.text("text"))
    strict = found._replace(strict=True)
    with pytest.raises(DataError, match=r"train\.jsonl, line 2: `text` must be a text"):
        encode_examples(strict, "train", lambda example: example.text("text"))


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected columns source, target\. Got text, label\."):
        records(table(tmp_path / "a.csv")).require("source", "target")


def test_inputs_are_all_the_rows(tmp_path: Path) -> None:
    assert len(read_inputs(table(tmp_path / "a.csv"))) == 20
    assert isinstance(read_inputs(tmp_path / "a.csv")[0], Example)
    (tmp_path / "b.csv").write_text("text,label\na\n")
    with pytest.raises(DataError, match=r"b\.csv, line 2: expected 2 columns"):
        read_inputs(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", r"a\.csv: expected a table\. Got an empty file\."),
        ("a.csv", b"text,label\n", r"expected rows to learn from\. Got no rows for training\."),
        ("a.csv", b"text,label\nonly,one\n", r"expected at least two rows, one to learn from"),
        ("a.csv", b"text,text\na,b\n", r"the first line must name the columns, each once\. Got text, text\."),
        ("a.csv", b"text,\na,b\n", r"the first line must name the columns"),
        ("a.csv", b'text,label\na,x\n"b,y\nc,z\n', r"a\.csv, line 3: expected a row\. .*must be quoted"),
        (
            "a.csv",
            "text,label\nMüller,x\n".encode("latin-1"),
            r"the table must be UTF-8\. Got byte 0xfc.*iconv",
        ),
        (
            "a.jsonl",
            b"not json\n",
            r"rows to learn from\. Got 1 bad rows, the first: .*line 1: expected a JSON",
        ),
        (
            "metadata.csv",
            b"text,label\na,b\n",
            r"metadata\.csv: expected a column file_name\. Got text, label\.",
        ),
        ("a.zip", b"PK", r"a\.zip: expected a \.txt, \.csv.*Got a \.zip file\."),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: expected a \.txt, \.csv.*Got no such file or folder\."):
        read(tmp_path / "nowhere")


def test_parquet_gives_its_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'seqloom[parquet]'")
    arrow = pytest.importorskip("pyarrow")
    rows = [{"values": [1.0, 2.5], "label": "x"}, {"values": [3.0], "label": "y"}]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "train.parquet")
    assert [example.fields for example in read_inputs(tmp_path / "train.parquet")] == rows
    assert read_inputs(tmp_path / "train.parquet")[1].place.endswith("train.parquet, row 2")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"bad\.parquet: expected a Parquet file\. Got "):
        read_inputs(tmp_path / "bad.parquet")
