"""Vocabularies of lowercase words and punctuation marks, for tasks that read a text and write none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping

from seqloom.data.text.vocabulary import UNKNOWN, Vocabulary

MAX_WORDS = 50_000
WORD_PATTERN = r"\w+(?=n't\b)|n't\b|'\w+|\w+|[^\w\s]"
"""Words and single punctuation marks, contractions split as in the Penn Treebank: do n't, it 's."""


def new_words() -> Vocabulary:
    """A vocabulary that splits texts into words and knows none of them yet."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), "removed", invert=True)
    return Vocabulary(tokenizer)


def fit_words(texts: Iterable[str], size: int | None = None) -> Vocabulary:
    """A vocabulary of the most frequent words of `texts`, at most `size` or 50,000.

    >>> vocabulary = fit_words(["It's good, isn't it?"])
    >>> [vocabulary.tokenizer.id_to_token(n) for n in vocabulary.encode("Isn't it bad?")]
    ['is', "n't", 'it', '<unk>', '?']
    """
    vocabulary = new_words()
    return fit_counts(Counter(word for text in texts for word in split_words(vocabulary, text)), size)


def fit_counts(counts: Mapping[str, int], size: int | None = None) -> Vocabulary:
    """A vocabulary of the most frequent words, at most `size` or 50,000, by how often each occurs."""
    from tokenizers import models

    vocabulary = new_words()
    # By falling count, then by spelling, so that the order of the rows does not matter.
    ordered = sorted(counts, key=lambda word: (-counts[word], word))[: (size or MAX_WORDS) - 1]
    numbers = {word: number for number, word in enumerate([UNKNOWN, *ordered])}
    vocabulary.tokenizer.model = models.WordLevel(numbers, unk_token=UNKNOWN)
    return vocabulary


def split_words(vocabulary: Vocabulary, text: str) -> list[str]:
    """The words of a text as a vocabulary of `fit_words` spells them, known or not."""
    tokenizer = vocabulary.tokenizer
    text = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def splits_into_words(vocabulary: Vocabulary) -> bool:
    """Whether a vocabulary splits texts as those of `fit_words` do."""
    pre_tokenizer = json.loads(vocabulary.to_json())["pre_tokenizer"] or {}
    return pre_tokenizer.get("pattern") == {"Regex": WORD_PATTERN}
