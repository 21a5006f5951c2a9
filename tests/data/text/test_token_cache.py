"""A text as an array of tokens: the same in memory and mapped from disk."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.data.text import corpus, token_cache
from seqloom.data.text.corpus import pieces, read_text
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.errors import RunError


@pytest.fixture
def parts(tmp_path: Path) -> tuple[corpus.FileSpan, ...]:
    file = tmp_path / "a.txt"
    file.write_text("a line of text\n" * 1000)
    return read_text(file).splits["train"]


def test_a_large_text_is_mapped_and_reads_the_same(
    parts: tuple[corpus.FileSpan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(corpus, "PIECE_BYTES", 100)
    vocabulary = Vocabulary.fit("character", pieces(parts))
    in_memory = token_cache.tokenize(parts, vocabulary)
    monkeypatch.setattr(token_cache, "MEMORY_BYTES", 1000)
    mapped = token_cache.tokenize(parts, vocabulary)
    assert isinstance(mapped.numbers, numpy.memmap)
    assert numpy.array_equal(mapped.numbers, in_memory.numbers)
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 1
    moved = tmp_path / "moved.txt"
    parts[0].path.rename(moved)
    again = token_cache.tokenize([parts[0]._replace(path=moved)], vocabulary)
    assert again.digest == mapped.digest
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 1


def test_the_digest_changes_with_the_text(parts: tuple[corpus.FileSpan, ...]) -> None:
    vocabulary = Vocabulary.fit("character", pieces(parts))
    before = token_cache.tokenize(parts, vocabulary).digest
    parts[0].path.write_text("a line of test\n" * 1000)
    assert token_cache.tokenize(parts, vocabulary).digest != before


def test_a_cache_that_cannot_be_written_is_named(
    parts: tuple[corpus.FileSpan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(token_cache, "MEMORY_BYTES", 1000)
    with pytest.raises(RunError, match=r"cannot be written\. Got .*SEQLOOM_CACHE"):
        token_cache.tokenize(parts, Vocabulary.fit("character", pieces(parts)))


def test_an_interrupted_encoding_leaves_nothing(
    parts: tuple[corpus.FileSpan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(token_cache, "MEMORY_BYTES", 1000)
    vocabulary = Vocabulary.fit("character", pieces(parts))

    def broken(_parts: object) -> object:
        yield "a line\n"
        raise KeyboardInterrupt

    monkeypatch.setattr(token_cache, "pieces", broken)
    monkeypatch.setattr(token_cache, "_identity", lambda *_: "name")
    with pytest.raises(KeyboardInterrupt):
        token_cache.tokenize(parts, vocabulary)
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []
