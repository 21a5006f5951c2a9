"""Text corpora: splits, reading in chunks, and errors."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from seqloom.data import compression
from seqloom.data.options import ReadOptions
from seqloom.data.text import corpus
from seqloom.data.text.corpus import read_chunks, read_text
from seqloom.errors import DataError


def content(corpus: corpus.TextCorpus, split: str) -> str:
    return "".join(read_chunks(corpus.splits[split]))


def test_the_last_tenth_of_a_file_is_validation(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("0123456789" * 20)
    corpus = read_text(file)
    assert content(corpus, "train") == "0123456789" * 18
    assert content(corpus, "validation") == "0123456789" * 2


def test_a_split_never_divides_a_character(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    for length in range(10, 30):
        whole = "aé日🙂"[length % 4] * length
        file.write_text(whole, encoding="utf-8")
        corpus = read_text(file)
        assert content(corpus, "train") + content(corpus, "validation") == whole


def test_splits_are_named_by_files(tmp_path: Path) -> None:
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.txt").write_text(name)
    corpus = read_text(tmp_path)
    assert {split: content(corpus, split) for split in corpus.splits} == {
        "train": "train",
        "validation": "validation",
        "test": "test",
    }


def test_splits_are_named_by_folders(tmp_path: Path) -> None:
    for name in ("train/b", "train/a", "test/c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_text(name[-1] * 10)
    corpus = read_text(tmp_path)
    assert content(corpus, "train") == "a" * 9 + "b" * 9
    assert content(corpus, "validation") == "ab"
    assert content(corpus, "test") == "c" * 10


def test_valid_names_validation_and_unnamed_files_are_reported(tmp_path: Path) -> None:
    for name in ("train", "valid", "notes"):
        (tmp_path / f"{name}.txt").write_text(name)
    corpus = read_text(tmp_path)
    assert content(corpus, "train") == "train"
    assert content(corpus, "validation") == "valid"
    assert [file.name for file in corpus.ignored] == ["notes.txt"]
    assert "ignored, since others are named train: notes.txt" in corpus.describe()


def test_a_test_file_is_never_learnt_from(tmp_path: Path) -> None:
    for name in ("book", "dev", "test"):
        (tmp_path / f"{name}.txt").write_text(name * 10)
    corpus = read_text(tmp_path)
    assert content(corpus, "train") == "book" * 10
    assert content(corpus, "validation") == "dev" * 10
    assert content(corpus, "test") == "test" * 10


def test_at_most_4_mebibytes_of_a_file_are_held_out(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_bytes(b"a line of text.\n" * (50 << 16))
    assert read_text(file).size_bytes("validation") == 4 << 20


def test_a_file_may_be_a_single_multibyte_character(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("é", encoding="utf-8")
    assert content(read_text(file), "validation") == "é"


def test_without_named_splits_a_tenth_of_every_file_is_held_out(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.txt").write_text("a" * 10)
    (tmp_path / "deep" / "b.txt").write_text("b" * 20)
    corpus = read_text(tmp_path)
    assert content(corpus, "train") == "a" * 9 + "b" * 18
    assert content(corpus, "validation") == "abb"
    assert corpus.size_bytes("validation") == 3


def test_chunks_end_at_line_ends_and_join_to_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "CHUNK_BYTES", 16)
    whole = "\ufefffirst line\nzwölf Boxkämpfer\n\n" + "🙂" * 40 + "\nend" * 10
    file = tmp_path / "a.txt"
    file.write_text(whole, encoding="utf-8")
    read = read_text(file)
    chunks = [*read_chunks(read.splits["train"]), *read_chunks(read.splits["validation"])]
    assert "".join(chunks) == whole.removeprefix("\ufeff")
    assert len(chunks) > 10
    assert chunks[0] == "first line\n"


def test_invalid_utf8_is_refused_with_its_position(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes(b"good line\n" * 20 + "Über".encode("latin-1") + b"\n" * 30)
    with pytest.raises(
        DataError, match=r"latin\.txt, byte 200: the text must be UTF-8\. Got byte 0xdc .*iconv"
    ):
        list(read_chunks(read_text(file).splits["train"]))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def whole(path: Path, **options: Any) -> str:
    return "".join(read_chunks(read_text(path, ReadOptions(**options)).all_spans()))


TEXT = "Zwölf Boxkämpfer jagen Viktor.\n" * 9


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_an_encoding_is_known_by_its_mark(tmp_path: Path, cache: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding=encoding)
    assert whole(tmp_path / "a.txt") == TEXT
    assert cache.exists() == (encoding != "utf-8-sig")


def test_an_encoding_may_be_set(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="cp1252")
    assert whole(tmp_path / "a.txt", encoding="cp1252") == TEXT
    with pytest.raises(DataError, match=r"a\.txt: the text must be ascii\. Got byte 0xf6"):
        whole(tmp_path / "a.txt", encoding="ascii")
    assert [path.name for path in cache.glob("*/*/*")] == ["a.txt"]


@pytest.mark.parametrize(("suffix", "module"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
def test_compressed_texts_are_what_they_hold(tmp_path: Path, cache: Path, suffix: str, module: Any) -> None:
    for name in ("train", "valid"):
        (tmp_path / f"{name}.txt{suffix}").write_bytes(module.compress((name + TEXT).encode()))
    corpus = read_text(tmp_path)
    assert {split: "".join(read_chunks(spans)) for split, spans in corpus.splits.items()} == {
        "train": f"train{TEXT}",
        "validation": f"valid{TEXT}",
    }
    assert corpus.remarks == ()
    single = tmp_path / f"train.txt{suffix}"
    assert whole(single) == f"train{TEXT}"
    damaged = tmp_path / f"damaged.txt{suffix}"
    damaged.write_bytes(single.read_bytes()[:-20])
    with pytest.raises(DataError, match=rf"\.txt\{suffix}: expected a file compressed as \{suffix}\. "):
        whole(damaged)
    damaged.write_bytes(b"no such thing at all")
    with pytest.raises(DataError, match=rf"\.txt\{suffix}: expected a file compressed as \{suffix}\. "):
        whole(damaged)
    damaged.write_bytes(module.compress("Müller\n".encode("cp1252")))
    with pytest.raises(DataError, match=r"the text must be UTF-8\. Got byte 0xfc"):
        whole(damaged)
    assert len(list(cache.glob("*/*/*"))) == 2


def test_a_bomb_is_bounded(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "MAX_SMALL_BYTES", 1 << 20)
    (tmp_path / "a.txt.xz").write_bytes(lzma.compress(bytes(1 << 22)))
    message = r"a\.txt\.xz: must unpack to at most 1,048,576 bytes, since it is small\. Got more\. If that"
    with pytest.raises(DataError, match=message):
        whole(tmp_path / "a.txt.xz")
    assert list(cache.glob("*/*/*")) == []


def test_a_corpus_without_a_training_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.txt").write_text("test")
    with pytest.raises(
        DataError, match=r"expected a training text\. Got files for validation and test only\."
    ):
        read_text(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "missing.txt",
            r"missing\.txt: expected a text file or a folder of them\. Got no such file or folder\.",
        ),
        ("empty.txt", r"empty\.txt: expected a text\. Got an empty file\."),
        ("folder", r"folder: expected at least one \.txt file in this folder\. Got none\. Other formats are"),
    ],
)
def test_missing_and_empty_paths_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=message):
        read_text(tmp_path / name)
