"""Character n-grams: extraction, fitting, ids and JSON."""

from __future__ import annotations

from seqloom.data.text.char_ngrams import MAX_NGRAMS, MIN_WORDS, CharNgrams, extract_ngrams


def test_ngrams_include_the_word_boundaries() -> None:
    word = "<abcde>"
    expected = {word[i : i + n] for n in (3, 4, 5) for i in range(len(word) - n + 1)}
    assert set(extract_ngrams("abcde")) == expected
    assert len(extract_ngrams("abcde")) == len(expected)
    assert extract_ngrams("a") == []
    assert extract_ngrams("aaaaaaaa").count("aaa") == 1


def test_fit_takes_the_ngrams_that_several_words_share() -> None:
    subwords = CharNgrams.fit(["loved", "clover", "glove", "dove", "do"])
    counts = {
        ngram: sum(ngram in extract_ngrams(word) for word in ("loved", "clover", "glove", "dove"))
        for ngram in subwords.ngrams
    }
    assert counts == {"lov": 3, "love": 3, "ove": 4}
    assert min(counts.values()) >= MIN_WORDS
    assert len(subwords) == 3


def test_a_word_is_encoded_as_the_ids_of_its_known_ngrams() -> None:
    subwords = CharNgrams.fit(["loved", "clover", "glove", "dove"])
    assert subwords.encode("beloved").tolist() == [1, 2, 3] + [0] * (MAX_NGRAMS - 3)
    assert subwords.encode("stove").tolist() == [3] + [0] * (MAX_NGRAMS - 1)
    assert not subwords.encode("xyz").any()
    assert not subwords.encode("").any()


def test_a_long_word_is_encoded_by_its_first_ngrams() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    subwords = CharNgrams.fit([letters] * 3)
    assert (subwords.encode(letters) > 0).all()
    assert [subwords.ngrams[n - 1] for n in subwords.encode(letters)] == extract_ngrams(letters)[:MAX_NGRAMS]


def test_json_round_trip_is_exact() -> None:
    subwords = CharNgrams.fit(["schön", "schöner", "verschönt"])
    assert "schön" in subwords.ngrams
    assert CharNgrams.from_json(subwords.to_json()).ngrams == subwords.ngrams
