"""Pretrained word vectors: the text formats, which words are read, and one line for every error in a file."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy
import pytest

from seqloom.data.text.word_vectors import read_vectors
from seqloom.errors import DataError

GLOVE = "the 0.25 -1.5 2\ncat 1 2 3\nsat 4e-1 5 6\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    path.write_text(GLOVE)
    return path


def test_only_requested_words_are_read_in_their_order(file: Path) -> None:
    vectors = read_vectors(file, ["sat", "dog", "the"])
    assert vectors.words == ("sat", "the")
    assert vectors.matrix.dtype == numpy.float32
    assert vectors.matrix.tolist() == [[numpy.float32(0.4), 5, 6], [0.25, -1.5, 2]]
    assert (vectors.size, vectors.in_file) == (3, 3)


@pytest.mark.parametrize(
    "content",
    [
        f"3 3\n{GLOVE}",  # word2vec and fastText: the number of words and the dimension come first
        "3 3\nthe 0.25 -1.5 2 \ncat 1 2 3 \nsat 4e-1 5 6 \n",  # word2vec ends its lines with a space
        GLOVE.replace("\n", "\r\n"),
        GLOVE.replace(" ", "\t"),
        f"\n{GLOVE}\n\n",
    ],
    ids=["header", "spaces", "windows", "tabs", "blank"],
)
def test_every_text_format_gives_the_same_vectors(file: Path, content: str) -> None:
    expected = read_vectors(file, ["the", "cat"])
    file.write_bytes(content.encode())
    vectors = read_vectors(file, ["the", "cat"])
    assert vectors.words == expected.words
    assert numpy.array_equal(vectors.matrix, expected.matrix)
    assert vectors.in_file == 3


def test_a_compressed_file_is_read(file: Path, tmp_path: Path) -> None:
    packed = tmp_path / "vectors.txt.gz"
    packed.write_bytes(gzip.compress(GLOVE.encode()))
    assert numpy.array_equal(read_vectors(packed, ["cat"]).matrix, read_vectors(file, ["cat"]).matrix)


def test_the_lowercase_vector_is_the_fallback(file: Path) -> None:
    file.write_text("us 1 1\nUS 2 2\nthe 3 3\n")
    vectors = read_vectors(file, ["US", "Us", "The"])
    assert vectors.words == ("US", "Us", "The")
    assert vectors.matrix[:, 0].tolist() == [2, 1, 3]


def test_the_first_of_two_vectors_of_a_word_is_taken(file: Path) -> None:
    file.write_text("cat 1 2\ncat 3 4\n")
    assert read_vectors(file, ["cat"]).matrix.tolist() == [[1, 2]]


def test_a_word_that_contains_a_space_is_another_word(file: Path) -> None:
    file.write_text("at 1 2\nat name@domain.com 3 4\n. . . 5 6\n. 7 8\n")  # as GloVe's largest file has them
    vectors = read_vectors(file, ["at", "."])
    assert vectors.matrix.tolist() == [[1, 2], [7, 8]]


def test_words_need_not_be_valid_utf8(file: Path) -> None:
    file.write_bytes(b"\xff\xfe 1 2\nna\xc3\xafve 3 4\n")
    assert read_vectors(file, ["naïve"]).matrix.tolist() == [[3, 4]]


HINT = "Use the text format: a word and its numbers on each line."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", f"vectors.txt, line 1: expected a word and its numbers, .* Got an empty file. {HINT}"),
        ("the\n", f"line 1: expected a word and its numbers, .* the dimension. Got 'the'. {HINT}"),
        ("\x00\x01binary \n", "line 1: expected a word and its numbers"),
        (
            f"{GLOVE}dog 1 2\n",
            f"vectors.txt, line 4: expected a word and 3 numbers. Got 2 numbers. {HINT}",
        ),
        (f"{GLOVE}dog 1 2 3 4\n", "line 4: expected a word and 3 numbers. Got 4 numbers."),
        (f"{GLOVE}dog 1 two 3\n", "line 4: expected a word and 3 numbers. Got 'two'."),
        (f"{GLOVE}dog 1 nan 3\n", r"line 4: the numbers of 'dog' must be finite. Got \[ 1. nan  3.\]."),
        (
            f"4 3\n{GLOVE}",
            "vectors.txt: expected 4 words, as its first line says. Got 3. Is the file complete?",
        ),
        ("4 3\nthe 1 2 3\ncat", "line 3: expected a word and 3 numbers. Got 0 numbers."),
        ("bird 1 2\n", "expected vectors of words of the vocabulary. Got none of its 1 words."),
    ],
)
def test_a_bad_line_is_reported_with_its_number(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    with pytest.raises(DataError, match=message):
        read_vectors(file, ["dog"])


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none\.txt: expected word vectors that can be read\. Got No such file"
    ):
        read_vectors(tmp_path / "none.txt", ["dog"])
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(GLOVE.encode())[:-12])
    with pytest.raises(
        DataError, match=r"broken\.gz: expected word vectors that can be read\. Got Compressed file"
    ):
        read_vectors(broken, ["the"])
