"""Parts of words: which there are, which are known, and that the same come back from a file."""

from __future__ import annotations

from seqloom.data.text.char_ngrams import LEAST_WORDS, MOST_PARTS, CharNgrams, parts_of


def test_parts_are_the_letter_n_grams_between_two_marks() -> None:
    word = "<abcde>"
    expected = {word[i : i + n] for n in (3, 4, 5) for i in range(len(word) - n + 1)}
    assert set(parts_of("abcde")) == expected
    assert len(parts_of("abcde")) == len(expected)
    assert parts_of("a") == []
    assert parts_of("aaaaaaaa").count("aaa") == 1


def test_a_part_is_known_if_several_words_share_it() -> None:
    subwords = CharNgrams.fit(["loved", "clover", "glove", "dove", "do"])
    counts = {
        part: sum(part in parts_of(word) for word in ("loved", "clover", "glove", "dove"))
        for part in subwords.parts
    }
    assert counts == {"lov": 3, "love": 3, "ove": 4}
    assert min(counts.values()) >= LEAST_WORDS
    assert len(subwords) == 3


def test_the_numbers_of_a_word_are_those_of_its_known_parts() -> None:
    subwords = CharNgrams.fit(["loved", "clover", "glove", "dove"])
    assert subwords.numbers("beloved").tolist() == [1, 2, 3] + [0] * (MOST_PARTS - 3)
    assert subwords.numbers("stove").tolist() == [3] + [0] * (MOST_PARTS - 1)
    assert not subwords.numbers("xyz").any()
    assert not subwords.numbers("").any()


def test_of_a_very_long_word_the_beginning_counts() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    subwords = CharNgrams.fit([letters] * 3)
    assert (subwords.numbers(letters) > 0).all()
    assert [subwords.parts[n - 1] for n in subwords.numbers(letters)] == parts_of(letters)[:MOST_PARTS]


def test_json_gives_the_same_back() -> None:
    subwords = CharNgrams.fit(["schön", "schöner", "verschönt"])
    assert "schön" in subwords.parts
    assert CharNgrams.from_json(subwords.to_json()).parts == subwords.parts
