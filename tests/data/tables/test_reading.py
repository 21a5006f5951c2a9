"""Rows in Arrow are the rows that were read, in memory or in the cache, which is whole or not there."""

from __future__ import annotations

import gzip
import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqloom.data import cache
from seqloom.data.read import read
from seqloom.data.tables import reading, storage
from seqloom.data.tables.formats.table import Row
from seqloom.data.tables.records import Records, encode_examples
from seqloom.data.tables.skipped import MAX_MESSAGES, SkippedRows
from seqloom.data.tables.storage import ExamplesWriter
from seqloom.errors import RunError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.lists(st.dictionaries(st.sampled_from(["text", "label", "späte", "rest"]), VALUES), max_size=9)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, which even a small table goes to."""
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(reading, "MEMORY_BYTES", 0)
    monkeypatch.setattr(storage, "BATCH_ROWS", 4)
    return tmp_path / "cache"


def write_rows(path: Path, count: int = 50) -> Path:
    path.write_text("text,label\n" + "".join(f"row {n},{n % 2}\nbad\n" for n in range(count)))
    return path


def read_rows(path: Path, strict: bool = False) -> Records:
    records = read(path, strict)
    assert isinstance(records, Records)
    return records


@given(FIELDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_back_as_they_were(tmp_path: Path, fields: list[dict[str, object]]) -> None:
    for path in (None, tmp_path / "rows.arrow"):
        writer = ExamplesWriter(["a.jsonl"], path)
        for number, row in enumerate(fields):
            writer.add(0, Row(f"a.jsonl, line {number}", row))
        writer.close()
        examples = writer.examples()
        assert [dict(example.fields) for example in examples] == fields
        assert [examples[number] for number in range(len(fields))] == list(examples)
        assert [example.place for example in examples[1::2]] == [
            f"a.jsonl, line {n}" for n in range(1, len(fields), 2)
        ]
        for batch in examples.batches():
            assert batch.values("text") == [example.fields.get("text") for example in batch]


def test_a_path_that_is_no_utf_8_is_stored() -> None:
    writer = ExamplesWriter(["a"], None)
    row = {"file": Path("a\udcff.wav"), "label": "x"}
    writer.add(0, Row("a", row))
    writer.close()
    assert next(iter(writer.examples())).fields == row


def test_stored_rows_are_those_in_memory(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rows(tmp_path / "a.csv")
    first, again = read_rows(path), read_rows(path)
    (folder,) = (cache_folder / "tables").iterdir()
    monkeypatch.setattr(reading, "MEMORY_BYTES", 1 << 20)
    in_memory = read_rows(path)
    assert len(list((cache_folder / "tables").iterdir())) == 1
    for records in (first, again):
        for split in ("train", "validation", "all"):
            assert list(records.examples(split)) == list(in_memory.examples(split))
        assert records.skipped == in_memory.skipped
        assert records.columns == in_memory.columns
        assert f"stored in {folder}" in records.remarks[-1]
    assert len(in_memory.examples("all")) == 50
    assert first.examples("train")[3:9].key != first.examples("train").key
    assert in_memory.examples("train").key == ""


def test_another_content_or_reading_is_stored_anew(tmp_path: Path, cache_folder: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,x\nb,y\n")
    read_rows(path)
    path.write_text("text,label\na,x\nc,y\n")
    assert {example.fields["text"] for example in read_rows(path).examples("all")} == {"a", "c"}
    read_rows(path, strict=True)
    assert len(list((cache_folder / "tables").iterdir())) == 3


def _count_rows(records: Records) -> int:
    return sum(1 for _ in records.examples("train")) + len(records.examples("train")[7].fields)


def test_a_forked_process_reads_the_same_rows(tmp_path: Path) -> None:
    records = read_rows(write_rows(tmp_path / "a.csv"))
    expected = _count_rows(records)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_count_rows, [records] * 4) == [expected] * 4


def test_an_interrupted_or_refused_reading_leaves_nothing(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rows(tmp_path / "a.csv")
    with pytest.raises(ValueError, match="line 3: expected 2 columns"):
        read(path, strict=True)
    assert list((cache_folder / "tables").iterdir()) == []

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "describe_duplicates", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read(path)
    assert list((cache_folder / "tables").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path, cache_folder: Path) -> None:
    cache_folder.touch()
    with pytest.raises(RunError, match=r"cannot be written\. Got .*SEQLOOM_CACHE"):
        read(write_rows(tmp_path / "a.csv"))


def test_two_processes_may_write_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(folder: Path) -> None:
        (folder / "a").write_text("mine")
        other = cache.cached_folder("kind", "key", lambda inner: (inner / "a").write_text("theirs") and None)
        assert (other / "a").read_text() == "theirs"

    folder = cache.cached_folder("kind", "key", write)
    assert (folder / "a").read_text() == "theirs"
    assert [path.name for path in folder.parent.iterdir()] == ["key"]


def test_what_a_killed_process_left_is_deleted_after_a_day(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = cache_folder / "kind" / ".partial-x"
    left.mkdir(parents=True)
    cache.cached_folder("kind", "a", lambda _: None)
    assert left.exists()
    monkeypatch.setattr(cache, "SECONDS_UNTIL_ABANDONED", -1.0)
    cache.cached_folder("kind", "b", lambda _: None)
    assert not left.exists()


def test_of_many_bad_rows_the_first_messages_are_stored_and_all_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [json.dumps({"text": 3})] * (MAX_MESSAGES + 200) + ['{"text": "a"}'] * 9
    path.write_text("\n".join(rows))
    encoded = encode_examples(read_rows(path), "all", lambda example: example.text("text"))
    assert len(encoded.skipped) == MAX_MESSAGES + 200
    assert len(list(encoded.skipped)) == MAX_MESSAGES
    assert [*encoded.items] == ["a"] * 9
    assert (encoded.skipped.describe() or "").startswith("1,200 bad rows, the first: ")


def test_messages_are_joined_with_their_counts() -> None:
    both = SkippedRows.join([SkippedRows(["a"], 5_000), SkippedRows(["b"])])
    assert len(both) == 5_001
    assert both[:5] == ["a", "b"]
    both.append("c")
    assert (len(both), both[2], repr(both)) == (5_002, "c", "SkippedRows(['a', 'b', 'c'], 5002)")


def test_a_compressed_table_is_stored_by_what_it_holds(
    tmp_path: Path, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "text,label\n" + "".join(f"row {n},{n % 2}\n" for n in range(500))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(content.encode()))
    monkeypatch.setattr(reading, "MEMORY_BYTES", 2 * path.stat().st_size)
    read_rows(path)
    assert (cache_folder / "tables").is_dir()


def test_a_new_folder_beside_a_table_makes_its_rows_be_read_again(tmp_path: Path, cache_folder: Path) -> None:
    """Recordings of Common Voice lie in clips/, if there is such a folder."""
    folder = tmp_path / "voice"
    folder.mkdir()
    (folder / "train.tsv").write_text("path\tsentence\na.mp3\tone\nb.mp3\ttwo\n" * 3)
    before = read_rows(folder).examples("train")[0].fields["file"]
    (folder / "clips").mkdir()
    after = read_rows(folder).examples("train")[0].fields["file"]
    assert (before.parent.name, after.parent.name) == ("voice", "clips")
