"""Reading tables and folders: formats, splits, bad rows, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqloom.data.read import read
from seqloom.data.tables.records import Example, Records, encode_examples, read_inputs
from seqloom.errors import DataError


def load_records(path: Path, strict: bool = False) -> Records:
    records = read(path, strict)
    assert isinstance(records, Records)
    return records


def texts(records: Records, split: str) -> list[str]:
    return [example.fields["text"] for example in records.examples(split)]


def write_table(path: Path, rows: int = 20) -> Path:
    path.write_text("text,label\n" + "".join(f"row {n},{n % 2}\n" for n in range(rows)))
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\n"one, two",x\n"she said ""no""",y\n'),
        ("a.tsv", 'text\tlabel\none, two\tx\nshe said "no"\ty\n'),
        ("a.jsonl", '{"text": "one, two", "label": "x"}\n\n{"text": "she said \\"no\\"", "label": "y"}\n'),
    ],
)
def test_each_format_gives_the_same_rows(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    records = load_records(tmp_path / name)
    assert sorted(texts(records, "all")) == ["one, two", 'she said "no"']
    assert records.columns == ("text", "label")


def test_a_quote_in_a_tab_separated_file_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('text\tlabel\n"Come in\tpos\r\nand sat down"\tneg\n""\tpos\n')
    examples = read_inputs(tmp_path / "a.tsv", "text")
    rows = {example.fields["text"]: example.fields["label"] for example in examples}
    assert rows == {'"Come in': "pos", 'and sat down"': "neg", '""': "pos"}


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.conll"])
def test_lines_end_at_lf_and_crlf_only(tmp_path: Path, name: str) -> None:
    text = "a\f\x85\u2028b"
    contents = {
        "a.csv": f"text,label\n{text},x\n",
        "a.tsv": f"text\tlabel\n{text}\r\tx\n",
        "a.jsonl": json.dumps({"text": text, "label": "x"}, ensure_ascii=False) + "\r\n",
        "a.conll": f"{text}\tx\n",
    }
    (tmp_path / name).write_text(contents[name], newline="")
    (example,) = read_inputs(tmp_path / name, "text")
    value = example.fields["tokens"][0] if name == "a.conll" else example.fields["text"]
    assert value == (f"{text}\r" if name == "a.tsv" else text)


def test_a_lone_cr_in_a_csv_line_makes_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'text,label\na\rb,x\n"c\rd",y\ne,x\n')
    records = load_records(tmp_path / "a.csv")
    assert sorted(texts(records, "all")) == ["c\rd", "e"]
    assert "line 2: expected a row. Got a CR within a line." in records.skipped["train"][0]
    (tmp_path / "a.csv").write_bytes(b"text,label\ra,x\r")
    with pytest.raises(DataError, match=r"line 1: expected a row\. Got a CR within a line\. Lines end at LF"):
        load_records(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.conll"])
def test_utf_16_and_utf_32_are_read_by_their_mark(tmp_path: Path, name: str, encoding: str) -> None:
    contents = {
        "a.csv": "text,label\nMüller,x\n",
        "a.tsv": "text\tlabel\nMüller\tx\n",
        "a.jsonl": '{"text": "Müller", "label": "x"}\n',
        "a.conll": "Müller x\n",
    }
    (tmp_path / name).write_text(contents[name], encoding=encoding)
    (example,) = read_inputs(tmp_path / name, "text")
    assert "Müller" in (example.fields.get("text"), *example.fields.get("tokens", ()))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"the table must be UTF-8\..*iconv -f {encoding.upper()} -t UTF-8"):
        read_inputs(tmp_path / name, "text")


def test_half_of_a_surrogate_pair_is_a_bad_row(tmp_path: Path) -> None:
    rows = [
        r'{"text": "\ud83d"}',
        r'{"text": ["\ude42"]}',
        r'{"text": "\ud83d\ude42"}',
        r'{"text": "\u00fc"}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    records = load_records(tmp_path / "a.jsonl")
    assert sorted(texts(records, "all")) == ["ü", "🙂"]
    assert len(records.skipped["train"]) == 2
    assert "line 1: expected a JSON object. Got 'utf-8' codec can't encode" in records.skipped["train"][0]


def test_deeply_nested_json_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("[" * 200_000 + '\n{"text": "a"}\n{"text": "b"}\n')
    assert sorted(texts(load_records(tmp_path / "a.jsonl"), "all")) == ["a", "b"]


def test_a_byte_order_mark_is_not_part_of_a_column_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + write_table(tmp_path / "b.csv").read_bytes())
    assert load_records(tmp_path / "a.csv").columns == ("text", "label")


def test_the_same_tenth_is_always_held_out(tmp_path: Path) -> None:
    first, again = (
        load_records(write_table(tmp_path / "a.csv")),
        load_records(write_table(tmp_path / "b.csv")),
    )
    assert len(first.examples("train")) == 18
    assert len(first.examples("validation")) == 2
    assert texts(first, "validation") == texts(again, "validation")
    assert not set(texts(first, "train")) & set(texts(first, "validation"))


def test_splits_are_named_by_files(tmp_path: Path) -> None:
    for name in ("train", "valid", "test-00000-of-00001"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{name},x\n")
    records = load_records(tmp_path)
    assert {split: texts(records, split) for split in records.splits} == {
        "train": ["train"],
        "validation": ["valid"],
        "test": ["test-00000-of-00001"],
    }


def test_metadata_csv_names_files_in_its_folder(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "metadata.csv").write_text("file_name,label\na.wav,x\nb.wav,y\na.wav,z\n")
    records = load_records(tmp_path)
    assert records.columns == ("file", "label")
    assert records.examples("test")[1].fields == {
        "file": (tmp_path / "test" / "b.wav").resolve(),
        "label": "y",
    }
    # Rows of one file are never in both splits.
    files = [
        {example.fields["file"] for example in records.examples(name)} for name in ("train", "validation")
    ]
    assert not files[0] & files[1]


def test_recordings_are_labeled_by_their_folder(tmp_path: Path) -> None:
    for name in ("train/yes/1.wav", "train/no/2.wav", "validation/no/3.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    labels = {e.fields["file"].name: e.fields["label"] for e in load_records(tmp_path).examples("all")}
    assert labels == {"1.wav": "yes", "2.wav": "no", "3.wav": "no"}


def test_a_malformed_row_is_skipped_with_a_message(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,x\nb\nc,y\nd,y,z\ne,x\n")
    records = load_records(tmp_path / "train.csv")
    assert sorted(texts(records, "all")) == ["a", "c", "e"]
    encoded = encode_examples(records, "train", lambda example: example.text("text"))
    assert encoded.skipped == (
        f"{tmp_path / 'train.csv'}, line 3: expected 2 columns (text, label). Got 1.",
        f"{tmp_path / 'train.csv'}, line 5: expected 2 columns (text, label). Got 3.",
    )
    with pytest.raises(DataError, match=r"train\.csv, line 3: expected 2 columns"):
        read(tmp_path / "train.csv", strict=True)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize(
    ("content", "got"),
    [
        ("text,label\nbad\n\nworse\n", r"2 bad rows, the first: .*\.csv, line 2: expected 2 columns .*\."),
        ("text,label\n", r"none\."),
    ],
)
def test_a_split_without_a_usable_row_is_refused_with_the_reason(
    tmp_path: Path, split: str, content: str, got: str
) -> None:
    """Another table, which nobody named, must not take its place."""
    for name in ("train", "validation", "test", "extra"):
        write_table(tmp_path / f"{name}.csv")
    (tmp_path / f"{split}.csv").write_text(content)
    purpose = "training" if split == "train" else split
    with pytest.raises(DataError, match=rf"expected at least one usable row for {purpose}\. Got {got}$"):
        read(tmp_path)


def test_line_numbers_count_quoted_newlines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n"two\nlines",x\nb\nc,y\n')
    assert load_records(tmp_path / "a.csv").skipped["train"][0].startswith(f"{tmp_path / 'a.csv'}, line 4:")


def test_a_row_that_cannot_be_encoded_is_skipped_with_a_message(tmp_path: Path) -> None:
    rows = [{"text": "good"}, {"text": "  "}, {"text": 3}, {"other": "x"}, {"text": "fine"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "test.jsonl").write_text('{"text": "last"}\nnot json\n[1]\n')
    (tmp_path / "validation.jsonl").write_text('{"text": ""}\n')
    records = load_records(tmp_path)
    encoded = encode_examples(records, "train", lambda example: example.text("text"))
    assert encoded.items == ("good", "fine")
    assert [message.split(": ", 1)[1] for message in encoded.skipped] == [
        "`text` must be a text. Got nothing.",
        "`text` must be a text. Got 3.",
        "`text` must be a text. Got nothing.",
    ]
    encoded = encode_examples(records, "test", lambda example: example.text("text"))
    assert encoded.items == ("last",)
    assert "test.jsonl, line 2: expected a JSON object" in encoded.skipped[0]
    assert "test.jsonl, line 3: expected a JSON object. Got list." in encoded.skipped[1]
    with pytest.raises(
        DataError, match=r"at least one usable row for validation\. Got 1 bad row: .*text\. Got nothing\.$"
    ):
        encode_examples(records, "validation", lambda example: example.text("text"))
    strict = records._replace(strict=True)
    with pytest.raises(DataError, match=r"train\.jsonl, line 2: `text` must be a text"):
        encode_examples(strict, "train", lambda example: example.text("text"))


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected columns source, target\. Got text, label\."):
        load_records(write_table(tmp_path / "a.csv")).require("source", "target")


def test_inputs_for_prediction_are_all_rows(tmp_path: Path) -> None:
    assert len(read_inputs(write_table(tmp_path / "a.csv"), "text")) == 20
    assert isinstance(read_inputs(tmp_path / "a.csv", "text")[0], Example)
    (tmp_path / "b.csv").write_text("text,label\na\n")
    with pytest.raises(DataError, match=r"b\.csv, line 2: expected 2 columns"):
        read_inputs(tmp_path / "b.csv", "text")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", r"a\.csv: expected a table\. Got an empty file\."),
        ("a.csv", b"text,label\n", r"a\.csv: expected at least one usable row for training\. Got none\."),
        (
            "a.csv",
            b"text,label\nonly,one\n",
            r"expected at least two usable rows, one for training.* Got 1\.$",
        ),
        (
            "a.csv",
            b"text,label\na,b\nc\n",
            r"one for validation\. Got 1, and 1 bad row: .*line 3: .* Got 1\.$",
        ),
        (
            "a.csv",
            b"text,text\na,b\n",
            r"the first line must name the columns, without repeats\. Got text, text\.",
        ),
        ("a.csv", b",\na,b\n", r"the first line must name the columns"),
        ("a.csv", b'text,label\na,x\n"b,y\nc,z\n', r"a\.csv, line 3: expected a row\. .*Quote a field"),
        (
            "a.csv",
            "text,label\nMüller,x\n".encode("latin-1"),
            r"the table must be UTF-8\. Got byte 0xfc.*iconv",
        ),
        (
            "a.jsonl",
            b"not json\n",
            r"one usable row for training\. Got 1 bad row: .*line 1: expected a JSON",
        ),
        (
            "metadata.csv",
            b"text,label\na,b\n",
            r"metadata\.csv: expected a column file_name\. Got text, label\.",
        ),
        ("a.zip", b"PK", r"a\.zip: expected a \.txt, \.csv.*Got a \.zip file\. Unpack it first\."),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: expected a \.txt, \.csv.*Got no such file or folder\."):
        read(tmp_path / "nowhere")


def test_parquet_rows_are_read(tmp_path: Path) -> None:
    import pyarrow as arrow
    from pyarrow import parquet

    rows = [{"values": [1.0, 2.5], "label": "x"}, {"values": [3.0], "label": "y"}]
    parquet.write_table(arrow.Table.from_pylist(rows), tmp_path / "train.parquet")
    assert [example.fields for example in read_inputs(tmp_path / "train.parquet", "text")] == rows
    assert read_inputs(tmp_path / "train.parquet", "text")[1].place.endswith("train.parquet, row 2")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"bad\.parquet: expected a Parquet file\. Got "):
        read_inputs(tmp_path / "bad.parquet", "text")
