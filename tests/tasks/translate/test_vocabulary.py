"""A side numbers what its own texts have; texts come back as they were, single spaces apart."""

from __future__ import annotations

import pytest

from seqloom.data.text.vocabulary import Unit, Vocabulary
from seqloom.tasks.translate.vocabulary import END, UNSEEN, TranslationVocabulary, plain

TEXTS = ["two dogs run", "a dog sees two cats", "cats sleep"]
UNITS: tuple[Unit, ...] = ("bpe", "word", "character")


def make(unit: Unit, texts: list[str] = TEXTS, own: list[str] = TEXTS) -> TranslationVocabulary:
    return TranslationVocabulary.fit(unit, Vocabulary.fit(unit, [plain(unit, text) for text in texts]), own)


@pytest.mark.parametrize("unit", UNITS)
def test_texts_come_back(unit: Unit) -> None:
    side = make(unit)
    for text in TEXTS:
        numbers = side.encode(text)
        assert numbers[-1] == END
        assert (numbers[:-1] > UNSEEN).all()
        assert side.decode(numbers) == text


@pytest.mark.parametrize("unit", UNITS)
def test_white_space_is_single_spaces(unit: Unit) -> None:
    side = make(unit)
    assert side.encode("  two\tdogs \n run ").tolist() == side.encode("two dogs run").tolist()


def test_a_word_is_the_same_at_the_head_of_a_text() -> None:
    side = make("bpe", TEXTS * 3)
    assert side.encode("dog")[0] in side.encode("a dog")


@pytest.mark.parametrize("unit", UNITS)
def test_what_its_texts_do_not_have_is_unseen(unit: Unit) -> None:
    side = make(unit, own=TEXTS[2:])
    assert len(side) < len(make(unit))
    assert UNSEEN in side.encode("two")
    assert set(side.encode("ñ").tolist()) == {UNSEEN, END}


@pytest.mark.parametrize("unit", UNITS)
def test_numbers_have_no_gap(unit: Unit) -> None:
    side = make(unit, own=TEXTS[2:])
    assert set(side.encode(TEXTS[2]).tolist()) - {END} == set(range(UNSEEN + 1, len(side)))


def test_tokens_can_be_read_one_by_one() -> None:
    side = make("word")
    assert side.words(side.encode("two birds run")) == ["two", "<unk>", "run", "</s>"]


def test_it_is_made_again_from_its_parts() -> None:
    side = make("bpe")
    again = TranslationVocabulary("bpe", side.vocabulary, side.tokens)
    assert again.encode("two dogs").tolist() == side.encode("two dogs").tolist()
