"""Texts split into words once: as the tokenizer splits them, in memory as in the cache, in threads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqloom.data.ragged import make_ragged
from seqloom.data.tables import storage
from seqloom.data.tables.examples import Examples
from seqloom.data.tables.formats import Row
from seqloom.data.tables.storage import ExamplesWriter
from seqloom.data.text import split_texts as module
from seqloom.data.text.split_texts import encode_texts, fit_split, split_texts
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.data.text.words import fit_words, new_words, split_words, splits_into_words

TEXTS = st.lists(
    st.text(
        st.sampled_from("aBé ́İΣ 'n't_1-.\t\n\x1c\u2003\u200b漢") | st.characters(exclude_categories=["Cs"])
    )
)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(storage, "BATCH_ROWS", 3)
    return tmp_path / "cache"


def examples_of(texts: list[str], path: Path | None = None) -> Examples:
    writer = ExamplesWriter(["a"], path)
    for text in texts:
        writer.add(0, Row("a", {"text": text}))
    writer.close()
    return writer.examples("" if path is None else path.name)


@given(TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_words_are_those_of_the_tokenizer(monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    vocabulary = new_words()
    codes, words = split_texts(examples_of(texts), "text", vocabulary, "train")
    assert len(codes) == len(texts)
    for number, text in enumerate(texts):
        assert [words[code] for code in codes.row(number)] == (split_words(vocabulary, text) or [""])
    fitted = fit_split(split_texts(examples_of(texts), "text", vocabulary, "train"))
    assert fitted.to_json() == fit_words(texts).to_json()


def test_words_in_the_cache_are_those_in_memory(tmp_path: Path, cache_folder: Path) -> None:
    texts = ["It isn't  odd.", "  ", "A b c a", "no", "isn't"]
    in_memory = split_texts(examples_of(texts), "text", new_words(), "train")
    stored, again = (
        split_texts(examples_of(texts, tmp_path / "rows.arrow"), "text", new_words(), "train")
        for _ in range(2)
    )
    assert len(list((cache_folder / "words").iterdir())) == 1
    for split in (stored, again):
        assert split.words == in_memory.words
        assert split.digest() == in_memory.digest()
        assert [split.codes.row(n).tolist() for n in range(5)] == [
            in_memory.codes.row(n).tolist() for n in range(5)
        ]
    words = Counter(word for text in texts for word in split_words(new_words(), text))
    counted = dict(zip(stored.words, stored.count_words().tolist(), strict=True))
    assert counted == {"": 1, **words}
    other = split_texts(examples_of([*texts[:-1], "was"]), "text", new_words(), "train")
    assert other.digest() != in_memory.digest()


@pytest.mark.parametrize("unit", ["character", "byte", "bpe", "word"])
def test_any_vocabulary_encodes_a_column(tmp_path: Path, unit: str) -> None:
    texts = ["a text", "another, longer text", "", "é"]
    vocabulary = Vocabulary.fit(unit, texts[:2])  # type: ignore[arg-type]
    unknown = len(vocabulary) if vocabulary.unknown is None else vocabulary.unknown
    for path in (None, tmp_path / "rows.arrow"):
        codes = encode_texts(examples_of(texts, path), "text", vocabulary, "train")
        expected = [vocabulary.encode(text) or [unknown] for text in texts]
        assert [codes.row(number).tolist() for number in range(4)] == expected


def test_which_vocabularies_split_into_words() -> None:
    assert splits_into_words(fit_words(["a"]))
    assert not any(splits_into_words(Vocabulary.fit(unit, ["a"])) for unit in ("character", "byte", "word"))  # type: ignore[arg-type]


def test_rows_of_numbers_in_the_cache_are_those_in_memory() -> None:
    parts = [(numpy.arange(5), numpy.array([2, 0, 3])), (numpy.arange(3), numpy.array([3]))]
    in_memory, stored = (make_ragged("numbers", key, numpy.uint16, lambda: parts)[0] for key in ("", "k"))
    for rows in (in_memory, stored):
        assert [rows.row(number).tolist() for number in range(4)] == [[0, 1], [], [2, 3, 4], [0, 1, 2]]
        assert numpy.concatenate(list(rows.chunks())).tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
        assert rows.row(0).dtype == numpy.uint16
    assert stored.digest() == in_memory.digest()
    assert make_ragged("numbers", "", numpy.uint16, lambda: parts[:1])[0].digest() != stored.digest()
    assert len(make_ragged("numbers", "", numpy.uint16, list)[0]) == 0
