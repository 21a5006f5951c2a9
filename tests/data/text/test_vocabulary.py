"""Vocabularies: text to token ids and back, streaming, sizes and JSON."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqloom.data.text.vocabulary import Unit, Vocabulary
from seqloom.errors import ConfigError, RunError

UNITS: tuple[Unit, ...] = ("character", "byte", "word", "bpe")
TEXT = "To be, or not to be,\nthat is the question:\nZwölf Boxkämpfer 🙂\n" * 5


@pytest.mark.parametrize("unit", ["character", "byte", "bpe"])
def test_decoding_inverts_encoding(unit: Unit) -> None:
    vocabulary = Vocabulary.fit(unit, [TEXT])
    assert vocabulary.decode(vocabulary.encode(TEXT)) == TEXT


def test_words_are_decoded_with_a_space_before_each() -> None:
    vocabulary = Vocabulary.fit("word", [TEXT])
    assert vocabulary.decode(vocabulary.encode("not to  be,\nthe")) == " not to be,\n the"


def test_a_line_end_is_a_word_as_in_the_penn_treebank() -> None:
    vocabulary = Vocabulary.fit("word", [" a b <unk> \n c \n"])
    tokens = [vocabulary.tokenizer.id_to_token(t) for t in vocabulary.encode(" a <unk> \n c \n")]
    assert tokens == ["a", "<unk>", "<eos>", "c", "<eos>"]
    assert len(vocabulary) == 5


@pytest.mark.parametrize("unit", UNITS)
def test_chunks_are_encoded_like_their_lines(unit: Unit) -> None:
    vocabulary = Vocabulary.fit(unit, TEXT.splitlines(keepends=True))
    lines = TEXT.splitlines(keepends=True)
    ids = numpy.concatenate(list(vocabulary.encode_chunks(lines)))
    assert ids.tolist() == [token for line in lines for token in vocabulary.encode(line)]
    assert ids.dtype == numpy.uint16


@pytest.mark.parametrize("unit", UNITS)
def test_streaming_decodes_the_same_text(unit: Unit) -> None:
    vocabulary = Vocabulary.fit(unit, [TEXT])
    tokens = vocabulary.encode(TEXT)
    assert "".join(vocabulary.decode_stream(tokens)) == vocabulary.decode(tokens)


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_byte_units_encode_every_text(text: str) -> None:
    vocabulary = Vocabulary.fit("byte", [])
    assert len(vocabulary) == 256
    assert len(vocabulary.encode(text)) == len(text.encode())
    assert vocabulary.decode(vocabulary.encode(text)) == text


@pytest.mark.parametrize(("unit", "size"), [("character", 5), ("word", 4), ("bpe", 300)])
def test_size_limits_the_vocabulary_to_the_most_frequent(unit: Unit, size: int) -> None:
    vocabulary = Vocabulary.fit(unit, [TEXT], size)
    assert len(vocabulary) == size
    if unit == "word":
        tokens = [vocabulary.tokenizer.id_to_token(t) for t in range(4)]
        assert tokens == ["<unk>", "<eos>", "be,", "Boxkämpfer"]


def test_unseen_characters_are_unknown() -> None:
    vocabulary = Vocabulary.fit("character", ["abc"])
    assert vocabulary.encode("azc") == [1, vocabulary.unknown, 3]
    assert vocabulary.decode([1, 0, 3]) == "a<unk>c"


@pytest.mark.parametrize("unit", UNITS)
def test_json_round_trip_is_exact(unit: Unit, tmp_path: Path) -> None:
    vocabulary = Vocabulary.fit(unit, [TEXT])
    (tmp_path / "tokenizer.json").write_text(vocabulary.to_json())
    again = Vocabulary.load(tmp_path / "tokenizer.json")
    assert again.encode(TEXT) == vocabulary.encode(TEXT)
    assert again.to_json() == vocabulary.to_json()


def test_more_than_65536_tokens_need_four_bytes() -> None:
    vocabulary = Vocabulary.fit("word", [" ".join(map(str, range(70_000)))], 70_000)
    assert vocabulary.dtype is numpy.uint32


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(RunError, match=r"tokenizer\.json: expected a tokenizer\.json\. Got "):
        Vocabulary.load(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("unit", "size", "message"),
    [
        ("word", 1, r"data\.vocabulary_size: must be an int >= 2 for word units\. Got 1\."),
        ("bpe", 255, r"data\.vocabulary_size: must be an int >= 256 for bpe units\. Got 255\."),
        (
            "byte",
            100,
            r"data\.vocabulary_size: must be left out for byte units, of which there are 256\. Got 100\.",
        ),
    ],
)
def test_invalid_sizes_are_refused(unit: Unit, size: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Vocabulary.fit(unit, [TEXT], size)


@pytest.mark.parametrize("unit", ["character", "byte", "word", "bpe"])
def test_a_long_text_encoded_in_parts_is_cut_at_lf_only(unit: Unit) -> None:
    text = "one two\f\x85\u2028\r three\n" * 600
    vocabulary = Vocabulary.fit(unit, [text])
    (encoded,) = vocabulary.encode_chunks([text])
    assert encoded.tolist() == vocabulary.encode(text)
