"""Token arrays: the same ids in memory and memory-mapped, hashes, and cache errors."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.data.text import corpus, token_cache
from seqloom.data.text.corpus import read_chunks, read_text
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.errors import RunError


@pytest.fixture
def spans(tmp_path: Path) -> tuple[corpus.FileSpan, ...]:
    file = tmp_path / "a.txt"
    file.write_text("a line of text\n" * 1000)
    return read_text(file).splits["train"]


def test_a_long_text_is_memory_mapped_with_the_same_ids(
    spans: tuple[corpus.FileSpan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(corpus, "CHUNK_BYTES", 100)
    vocabulary = Vocabulary.fit("character", read_chunks(spans))
    in_memory = token_cache.tokenize(spans, vocabulary)
    monkeypatch.setattr(token_cache, "MEMORY_BYTES", 1000)
    mapped = token_cache.tokenize(spans, vocabulary)
    assert isinstance(mapped.ids, numpy.memmap)
    assert numpy.array_equal(mapped.ids, in_memory.ids)
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 1
    moved = tmp_path / "moved.txt"
    spans[0].path.rename(moved)
    again = token_cache.tokenize([spans[0]._replace(path=moved)], vocabulary)
    assert again.digest == mapped.digest
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 1


def test_the_digest_changes_with_the_text(spans: tuple[corpus.FileSpan, ...]) -> None:
    vocabulary = Vocabulary.fit("character", read_chunks(spans))
    before = token_cache.tokenize(spans, vocabulary).digest
    spans[0].path.write_text("a line of test\n" * 1000)
    assert token_cache.tokenize(spans, vocabulary).digest != before


def test_a_cache_that_cannot_be_written_is_reported(
    spans: tuple[corpus.FileSpan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(token_cache, "MEMORY_BYTES", 1000)
    with pytest.raises(RunError, match=r"cannot be written\. Got .*SEQLOOM_CACHE"):
        token_cache.tokenize(spans, Vocabulary.fit("character", read_chunks(spans)))


def test_an_interrupted_encoding_leaves_no_file(
    spans: tuple[corpus.FileSpan, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(token_cache, "MEMORY_BYTES", 1000)
    vocabulary = Vocabulary.fit("character", read_chunks(spans))

    def interrupt(_spans: object) -> object:
        yield "a line\n"
        raise KeyboardInterrupt

    monkeypatch.setattr(token_cache, "read_chunks", interrupt)
    monkeypatch.setattr(token_cache, "_compute_digest", lambda *_: "name")
    with pytest.raises(KeyboardInterrupt):
        token_cache.tokenize(spans, vocabulary)
    assert list((tmp_path / "cache" / "tokens").iterdir()) == []
