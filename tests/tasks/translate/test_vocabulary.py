"""A translation vocabulary numbers the tokens of its own texts, and decodes what it encodes."""

from __future__ import annotations

import pytest

from seqloom.data.text.vocabulary import Unit, Vocabulary
from seqloom.tasks.translate.vocabulary import END, UNSEEN, TranslationVocabulary, normalize_spaces

TEXTS = ["two dogs run", "a dog sees two cats", "cats sleep"]
UNITS: tuple[Unit, ...] = ("bpe", "word", "character")


def make(unit: Unit, texts: list[str] = TEXTS, occurring: list[str] = TEXTS) -> TranslationVocabulary:
    return TranslationVocabulary.fit(
        unit, Vocabulary.fit(unit, [normalize_spaces(unit, text) for text in texts]), occurring
    )


@pytest.mark.parametrize("unit", UNITS)
def test_decoding_inverts_encoding(unit: Unit) -> None:
    vocabulary = make(unit)
    for text in TEXTS:
        numbers = vocabulary.encode(text)
        assert numbers[-1] == END
        assert (numbers[:-1] > UNSEEN).all()
        assert vocabulary.decode(numbers) == text


@pytest.mark.parametrize("unit", UNITS)
def test_white_space_is_normalized(unit: Unit) -> None:
    vocabulary = make(unit)
    assert vocabulary.encode("  two\tdogs \n run ").tolist() == vocabulary.encode("two dogs run").tolist()


def test_the_first_word_has_its_usual_tokens() -> None:
    vocabulary = make("bpe", TEXTS * 3)
    assert vocabulary.encode("dog")[0] in vocabulary.encode("a dog")


@pytest.mark.parametrize("unit", UNITS)
def test_tokens_of_no_text_are_unseen(unit: Unit) -> None:
    vocabulary = make(unit, occurring=TEXTS[2:])
    assert len(vocabulary) < len(make(unit))
    assert UNSEEN in vocabulary.encode("two")
    assert set(vocabulary.encode("ñ").tolist()) == {UNSEEN, END}


@pytest.mark.parametrize("unit", UNITS)
def test_numbers_are_consecutive(unit: Unit) -> None:
    vocabulary = make(unit, occurring=TEXTS[2:])
    assert set(vocabulary.encode(TEXTS[2]).tolist()) - {END} == set(range(UNSEEN + 1, len(vocabulary)))


def test_words_of_single_tokens() -> None:
    vocabulary = make("word")
    assert vocabulary.words(vocabulary.encode("two birds run")) == ["two", "<unk>", "run", "</s>"]


def test_it_can_be_rebuilt_from_its_parts() -> None:
    vocabulary = make("bpe")
    again = TranslationVocabulary("bpe", vocabulary.vocabulary, vocabulary.tokens)
    assert again.encode("two dogs").tolist() == vocabulary.encode("two dogs").tolist()
