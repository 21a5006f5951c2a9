"""Rows that are encoded when a batch needs them: the same batches as of rows that are encoded one by one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
import torch

from seqloom.data.batching import Batching, Source
from seqloom.data.bucketing import Buckets
from seqloom.data.read import read
from seqloom.data.tables import reading, storage
from seqloom.data.tables.examples import Example
from seqloom.data.tables.records import Records
from seqloom.errors import DataError
from seqloom.tasks import task_named
from seqloom.tasks.rows import EncodedRow, EncodedTexts, collate, select_rows, targets_of, texts_of

WORDS = ["It", "isn't", "odd,", "A", "film", "day;", "lovely", "loved", "clover", "beloved", "漢字"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(storage, "BATCH_ROWS", 7)
    generator = numpy.random.default_rng(0)
    rows = []
    for number in range(60):
        text = " ".join(generator.choice(WORDS, size=generator.integers(1, 30)))
        rows.append({"text": text, "label": ("a", "b", 3, True, 1)[number % 5]})
    bad = [{"text": "  ", "label": "a"}, {"text": "x"}, {"text": 4, "label": "b"}, {"label": "a"}]
    for name, part in {"train": [*rows[:40], *bad], "validation": rows[40:]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return tmp_path


def records_of(path: Path) -> Records:
    records = read(path)
    assert isinstance(records, Records)
    return records


def batches_of(source: Source) -> list[tuple[object, ...]]:
    batches = [batch for epoch in range(2) for batch in source.batches(epoch, first=epoch)]
    return [
        (values.tolist(), values.dtype, targets.tolist(), lengths.tolist(), list(texts))
        for values, lengths, targets, texts in batches
    ]


@pytest.mark.parametrize("config", [{}, {"subwords": False}, {"unit": "character"}, {"unit": "bpe"}])
def test_batches_are_those_of_rows_encoded_one_by_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, object]
) -> None:
    task = task_named("classify")
    data = records_of(path)
    preparation = task.prepare(data, task.DataConfig(**config))
    items = preparation.rows(data, "train").items
    assert isinstance(items, EncodedTexts)
    rows = [
        EncodedRow(preparation.encode(row.text), row.target, example.fields["text"])
        for row, example in zip(items, list(data.examples("train"))[:40], strict=True)
    ]
    batching = Batching(8, seed=3)
    source = preparation.source(data, "train", batching)
    expected = Buckets(rows, [len(row.values) for row in rows], collate, batching)
    assert batches_of(source) == batches_of(expected)
    assert len(source) == len(expected)
    assert list(texts_of(items)) == [row.text for row in rows]
    chosen = numpy.array([0, 3, 39])
    assert list(texts_of(items, chosen)) == list(texts_of(rows, chosen)) == [rows[n].text for n in chosen]
    assert targets_of(items).tolist() == targets_of(rows).tolist()

    monkeypatch.setattr(reading, "MEMORY_BYTES", 0)
    stored = records_of(path)
    assert task.prepare(stored, task.DataConfig(**config)).files() == preparation.files()
    from_cache = preparation.source(stored, "train", batching)
    assert batches_of(from_cache) == batches_of(source)
    assert from_cache.digest == source.digest
    assert from_cache.skipped == source.skipped
    assert len(source.skipped) == 4


def test_the_digest_changes_with_texts_and_labels(path: Path) -> None:
    task = task_named("classify")
    preparation = task.prepare(records_of(path), task.DataConfig())
    digests = set()
    content = (path / "train.jsonl").read_text()
    relabeled = content.replace('"label": "b"', '"label": "a"', 1)
    for changed in (content, content.replace("film", "day", 1), relabeled):
        (path / "train.jsonl").write_text(changed)
        digests.add(preparation.source(records_of(path), "train", Batching(8)).digest)
    assert len(digests) == 3


def test_equal_labels_are_read_once_and_only_if_their_types_are_equal(path: Path) -> None:
    calls: list[Example] = []

    def read_label(example: Example) -> object:
        calls.append(example)
        if "label" not in example.fields:
            raise DataError(example.place, "no label")
        return example.fields["label"]

    rows = select_rows(records_of(path), "train", ("label",), read_label)
    assert [str(label) for label in rows.distinct] == ["a", "b", "3", "True", "1"]
    assert rows.targets() == [example.fields["label"] for example in rows.examples]
    assert len(calls) == 6
    assert len(rows.skipped) == 4


def test_the_first_bad_row_is_an_error_where_that_is_asked_for(path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.jsonl, line 41: `text` must be a text\. Got nothing\."):
        select_rows(records_of(path)._replace(strict=True), "train", ("label",), lambda _: 0)


def test_one_long_text_among_short_ones_is_a_batch_of_its_own(path: Path) -> None:
    with (path / "train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "word " * 200_000, "label": "a"}) + "\n")
    task = task_named("classify")
    data = records_of(path)
    preparation = task.prepare(data, task.DataConfig(subwords=False))
    shapes = [batch.values.shape for batch in preparation.source(data, "train", Batching(64)).batches(0)]
    assert torch.Size([1, 200_000]) in shapes
    assert max(rows * steps for rows, steps in shapes if rows > 1) <= 64 * 30


@pytest.mark.parametrize("name", ["tag", "translate", "series", "transcribe"])
def test_rows_of_a_large_table_give_the_batches_of_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(storage, "BATCH_ROWS", 7)
    task = task_named("classify" if name == "series" else name)
    folder = tmp_path / "data"
    folder.mkdir()
    if name == "series":
        rows = [{"values": list(range(n % 9 + 1)), "label": "ab"[n % 2]} for n in range(60)]
        (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        task.write_toy_data(folder, 0)
    config, batching = task.DataConfig(), Batching(8, seed=3)
    in_memory = records_of(folder)
    preparation = task.prepare(in_memory, config)
    source = preparation.source(in_memory, "train", batching)
    monkeypatch.setattr(reading, "MEMORY_BYTES", 0)
    stored = records_of(folder)
    assert stored.examples("train").key or name == "transcribe"
    assert task.prepare(stored, config).files() == preparation.files()
    from_cache, again = (preparation.source(stored, "train", batching) for _ in range(2))
    assert from_cache.digest == again.digest
    assert len(from_cache) == len(source)
    for expected, batch in zip(source.batches(1), from_cache.batches(1), strict=True):
        for one, other in zip(expected, batch, strict=True):
            if isinstance(one, torch.Tensor):
                assert torch.equal(one, other)
            else:
                assert list(one) == list(other)
