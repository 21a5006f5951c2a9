"""Vocabularies of lowercase words and punctuation marks, for tasks that read a text and write none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from seqloom.data.text.vocabulary import UNKNOWN, Vocabulary

MAX_WORDS = 50_000
WORD_PATTERN = r"\w+(?=n't\b)|n't\b|'\w+|\w+|[^\w\s]"
"""Words and single punctuation marks, contractions split as in the Penn Treebank: do n't, it 's."""


def fit_words(texts: Sequence[str], size: int | None = None) -> Vocabulary:
    """A vocabulary of the most frequent words of `texts`, at most `size` or 50,000.

    >>> vocabulary = fit_words(["It's good, isn't it?"])
    >>> [vocabulary.tokenizer.id_to_token(n) for n in vocabulary.encode("Isn't it bad?")]
    ['is', "n't", 'it', '<unk>', '?']
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORD_PATTERN), "removed", invert=True)
    vocabulary = Vocabulary(tokenizer)
    counts = Counter(word for text in texts for word in split_words(vocabulary, text))
    # By falling count, then by spelling, so that the order of the rows does not matter.
    ordered = sorted(counts, key=lambda word: (-counts[word], word))[: (size or MAX_WORDS) - 1]
    numbers = {word: number for number, word in enumerate([UNKNOWN, *ordered])}
    tokenizer.model = models.WordLevel(numbers, unk_token=UNKNOWN)
    return vocabulary


def split_words(vocabulary: Vocabulary, text: str) -> list[str]:
    """The words of a text as a vocabulary of `fit_words` spells them, known or not."""
    tokenizer = vocabulary.tokenizer
    text = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
