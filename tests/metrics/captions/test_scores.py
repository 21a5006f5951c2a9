"""Metrics of captions: values worked out by hand from the definitions of coco-caption."""

from __future__ import annotations

import math

import numpy
import pytest

from seqloom.metrics.captions.bleu import bleu_scores, count_ngrams
from seqloom.metrics.captions.cider import DocumentFrequencies, cider_scores
from seqloom.metrics.captions.rouge import rouge_l, rouge_l_scores
from seqloom.metrics.captions.tokenizer import join_words, tokenize

CAPTIONS = ["A dog runs fast.", "Two men sit on a bench"]
REFERENCES = [
    ["a dog runs", "a brown dog is running fast !", "the dog runs fast"],
    ["two men are sitting on a bench", "men on a bench"],
]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A man, a plan -- a canal!", "a man a plan a canal"),
        ("The dog's owner can't see it.", "the dog 's owner ca n't see it"),
        ("dogs' toys (red ones)", "dogs toys red ones"),
        ('He said "hi" at 3:30 for $1,000.50', "he said hi at 3:30 for $ 1,000.50"),
        ("a t-shirt & black-and-white socks", "a t-shirt & black-and-white socks"),
        ("in the U.S. on St. Mary street.", "in the u.s. on st. mary street"),
        ("they’re here; o'clock", "they 're here o'clock"),
        (" . ", ""),
    ],
)
def test_words_are_those_of_the_penn_treebank_without_punctuation(text: str, words: str) -> None:
    assert tokenize(text) == words.split()
    assert tokenize(join_words(words.split())) == words.split()


def test_ngrams_are_clipped_and_the_closest_reference_counts() -> None:
    counts = count_ngrams(CAPTIONS, REFERENCES)
    # a, dog, runs, fast are all in a reference; of the pairs `dog runs`, `runs fast` and `a dog`; of the
    # triples `a dog runs` and `dog runs fast`; the four words together nowhere. Of lengths 3, 6, 4 the third.
    assert counts[0].tolist() == [4, 4, 4, 3, 2, 0, 4, 3, 2, 1]
    # all but `sit`; `two men`, `on a`, `a bench`; `on a bench`; none. Of lengths 7 and 4 the first is closer.
    assert counts[1].tolist() == [6, 7, 5, 3, 1, 0, 6, 5, 4, 3]


def test_of_two_lengths_that_are_as_near_the_shorter_counts() -> None:
    assert count_ngrams(["a b c"], [["a b c d", "a b"]])[0, 1] == 2


def test_bleu_by_hand() -> None:
    scores = bleu_scores(count_ngrams(CAPTIONS, REFERENCES).sum(0))
    brevity = math.exp(1 - 11 / 10)  # 10 words, 11 in the closest references
    assert scores["bleu_1"] == pytest.approx(brevity * 9 / 10)
    assert scores["bleu_2"] == pytest.approx(brevity * math.sqrt(9 / 10 * 6 / 8))
    assert scores["bleu_3"] == pytest.approx(brevity * (9 / 10 * 6 / 8 * 3 / 6) ** (1 / 3))
    assert scores["bleu_4"] == 0.0


def test_rouge_l_by_hand() -> None:
    # Common subsequences of `a dog runs fast`: 3 of 3 words, 3 of 6, 3 of 4. Best precision 3/4, recall 3/3.
    expected = (1 + 1.44) * 0.75 * 1.0 / (1.0 + 1.44 * 0.75)
    assert rouge_l(CAPTIONS[0], REFERENCES[0]) == pytest.approx(expected)
    # `two men on a bench` is 5 of 6 words; `men on a bench` is 4 of 4: the two come from two references.
    second = (1 + 1.44) * (5 / 6) * 1.0 / (1.0 + 1.44 * 5 / 6)
    assert rouge_l_scores(CAPTIONS, REFERENCES).tolist() == pytest.approx([expected, second])
    assert rouge_l("", REFERENCES[0]) == rouge_l("zebra", REFERENCES[0]) == 0.0


def test_cider_by_hand() -> None:
    """Two pictures: what both have weighs log 2 - log 2 = 0, all else log 2, which cancels out."""
    frequencies = DocumentFrequencies([["a dog runs", "a dog sits"], ["a cat"]])
    # Words: `dog` and `runs` weigh alike, `a` nothing; in the first reference too, in the second `dog sits`.
    # Pairs: `a dog`, `dog runs` against the same, and against `a dog`, `dog sits`. Triples: equal, and none.
    first = (1 + 1 + 1 + 0) / 4
    second = (1 / 2 + 1 / 2 + 0 + 0) / 4
    expected = 10 * (first + second) / 2
    assert frequencies.score("a dog runs", ["a dog runs", "a dog sits"]) == pytest.approx(expected)


def test_cider_clips_counts_and_punishes_another_length() -> None:
    frequencies = DocumentFrequencies([["dog"], ["cat"]])
    # min(3, 1) * 1 / (3 * 1) for words; no pairs in the reference; e ** -(2 ** 2 / 72) as it is 2 longer.
    expected = 10 * (1 / 3) / 4 * math.exp(-4 / 72)
    assert frequencies.score("dog dog dog", ["dog"]) == pytest.approx(expected)


def test_cider_of_a_part_keeps_the_frequencies_of_the_whole() -> None:
    whole = DocumentFrequencies(REFERENCES)
    scores = cider_scores(CAPTIONS, REFERENCES, whole)
    assert cider_scores(CAPTIONS[:1], REFERENCES[:1], whole) == pytest.approx(scores[:1])
    assert DocumentFrequencies(REFERENCES[:1]).score(CAPTIONS[0], REFERENCES[0]) == 0.0  # log 1 is 0
    assert numpy.all(scores > 0)
