"""The preparation of a tagger: its vocabulary, its files, bad rows and bad inputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.errors import DataError, RunError
from seqloom.tasks.tag.config import DataConfig
from seqloom.tasks.tag.preparation import Preparation

from .sentences import OTHERS, TASK, TRAIN, batch_of, build, context, write_rows


def test_columns_and_json_lines_are_the_same_data(data: Records, tmp_path: Path) -> None:
    folder = tmp_path / "columns"
    folder.mkdir()
    for split, rows in (("train", TRAIN), ("validation", OTHERS)):
        sentences = [zip(tokens.split(), tags.split(), strict=True) for tokens, tags in rows]
        content = "\n".join("".join(f"{token} x {tag}\n" for token, tag in pairs) for pairs in sentences)
        (folder / f"{split}.conll").write_text(content)
    columns = read(folder)
    fields = [[example.fields for example in found.examples("all")] for found in (columns, data)]
    assert fields[0] == fields[1]


def test_words_are_numbered_by_frequency(preparation: Preparation) -> None:
    assert list(preparation.words)[:3] == ["Anna", "sang", "Oslo"]
    assert preparation.words["Anna"] == {"B-PER": 3}
    assert preparation.tags == ["B-LOC", "B-PER", "I-PER", "O"]
    assert preparation.encode("Anna sang Bob").words.tolist() == [1, 2, 0]
    assert preparation.describe() == "11 words, 4 tags (IOB2)"
    seen_once = [word for number, word in enumerate(preparation.words, 1) if preparation.seen_once[number]]
    assert seen_once == ["Berg", "and", "in", "it", "saw", "so", "was"]
    assert not preparation.seen_once[0]


def test_words_beyond_the_vocabulary_size_are_unknown(data: Records) -> None:
    preparation = TASK.prepare(data, DataConfig(vocabulary_size=4))
    assert list(preparation.words) == ["Anna", "sang", "Oslo", "<unk>"]
    assert preparation.words["<unk>"] == {"I-PER": 1, "O": 6}
    assert preparation.counts().counts.sum() == 15
    assert preparation.encode("so Oslo").words.tolist() == [0, 3]


def test_a_word_spelled_like_the_unknown_one_is_unknown(tmp_path: Path) -> None:
    data = write_rows(tmp_path, train=[("<unk> a", "X Y"), ("a b", "Y X")], validation=[("a", "X")])
    preparation = TASK.prepare(data, DataConfig())
    assert preparation.encode("<unk> new a").words.tolist() == [0, 0, 1]
    assert preparation.counts().pairs.tolist() == [0, 3, 4]  # of two tags a word


def test_lowercase_words_have_their_own_spelling(data: Records) -> None:
    preparation = TASK.prepare(data, DataConfig(lowercase=True))
    one, other = preparation.encode("ANNA"), preparation.encode("anna")
    assert one.words.tolist() == other.words.tolist() != [0]
    assert one.characters.tolist() != other.characters.tolist()


def test_characters_seen_once_are_unknown(preparation: Preparation) -> None:
    assert "A" in preparation.characters  # of Anna
    assert "w" in preparation.characters  # of saw and was
    assert "B" not in preparation.characters  # of Berg
    characters = preparation.encode("aBé an").characters
    assert characters.shape == (2, 3)
    assert characters[0, 1:].tolist() == [1, 1]
    assert characters[1, 2] == 0  # behind the end of the word


def test_spellings_are_optional(data: Records) -> None:
    preparation = TASK.prepare(data, DataConfig(spelling=False))
    assert preparation.encode("Anna sang").characters.shape == (2, 0)
    model = build(preparation)
    assert model.characters is None
    assert TASK.loss(model, batch_of(preparation, data), None, context(preparation)).nats.isfinite().all()


def test_a_preparation_is_restored_from_its_file(data: Records, tmp_path: Path) -> None:
    for config in (DataConfig(), DataConfig(lowercase=True, vocabulary_size=4, spelling=False)):
        preparation = TASK.prepare(data, config)
        for name, content in preparation.files().items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        again = TASK.restore(tmp_path, config)
        assert again.files() == preparation.files()
        assert repr(again.counts()) == repr(preparation.counts())
        assert again.encode("Oslo sang é").words.tolist() == preparation.encode("Oslo sang é").words.tolist()


@pytest.mark.parametrize(
    "content", [None, "no JSON", "[]", '{"words": {}}', '{"words": 1, "characters": ""}']
)
def test_a_damaged_preparation_is_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "words.json").write_text(content)
    with pytest.raises(RunError, match=r"words\.json: expected the words of a tagger\. Got .*\.$"):
        TASK.restore(tmp_path, DataConfig())


BAD = [
    ((["a", "b"], ["O"]), r"expected as many tags as tokens, 2\. Got 1\."),
    ((["a"], ["O", "O"]), r"expected as many tags as tokens, 1\. Got 2\."),
    (([], []), r"expected at least one token\. Got an empty sentence\."),
    ((["a", ""], ["O", "O"]), r"tokens must be a list of texts, none empty\. Got \['a', ''\]\."),
    ((["a", 1], ["O", "O"]), r"tokens must be a list of texts, none empty\. Got \['a', 1\]\."),
    ((None, ["O"]), r"tokens must be a list of texts, none empty\. Got None\."),
    ((["a"], None), r"tags must be a list of texts, none empty\. Got None\."),
    ((["a"], [3]), r"tags must be a list of texts, none empty\. Got \[3\]\."),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_bad_row_is_skipped_and_counted(tmp_path: Path, row: tuple[Any, Any], message: str) -> None:
    data = write_rows(tmp_path, train=[*TRAIN[:2], row, *TRAIN[2:]], validation=[*OTHERS, row])
    preparation = TASK.prepare(data, DataConfig())
    assert len(preparation.words) == 10
    for split, line, good in (("train", 3, 4), ("validation", 4, 3)):
        source = preparation.source(data, split, Batching(64, training=False))
        assert sum(len(batch.words) for batch in source.batches(0)) == good  # type: ignore[attr-defined]
        (found,) = source.skipped
        assert re.search(rf"{split}\.jsonl, line {line}: {message}$", found)
        with pytest.raises(DataError, match=rf"{split}\.jsonl, line {line}: {message}$"):
            preparation.source(data._replace(strict=True), split, Batching(64))


def test_a_tag_unseen_in_training_is_a_bad_row(tmp_path: Path) -> None:
    data = write_rows(tmp_path, train=TRAIN, validation=[*OTHERS, ("Bob sang", "B-PERS O")])
    preparation = TASK.prepare(data, DataConfig())
    source = preparation.source(data, "validation", Batching(64, training=False))
    assert source.skipped == (
        f"{tmp_path}/validation.jsonl, line 4: each tag must be one of the training split. Got B-PERS. "
        "Did you mean `B-PER`?",
    )


def test_missing_columns_are_named(data: Records) -> None:
    with pytest.raises(
        DataError,
        match=r": expected columns tokens, tags\. Got tokens, label\. .* data\.columns\.tags=label\.$",
    ):
        TASK.prepare(data._replace(columns=("tokens", "label")), DataConfig())


@pytest.mark.parametrize("value", ["", " \n", []])
def test_an_empty_sentence_is_refused(preparation: Preparation, value: Any) -> None:
    with pytest.raises(DataError, match=r"^tag: expected at least one token\. Got an empty sentence\.$"):
        preparation.encode(value)


@pytest.mark.parametrize("value", [3, ["a", ""], b"a", [["a"]]])
def test_an_input_that_is_no_sentence_is_refused(preparation: Preparation, value: Any) -> None:
    with pytest.raises(DataError, match=r"^tag: tokens must be a list of texts, none empty\. Got .*\.$"):
        preparation.encode(value)
