r"""CIDEr-D (Vedantam et al., 2015, arXiv:1411.5726), as coco-caption computes it.

.. math::

    \mathrm{CIDEr\text{-}D}_n(c, S) = \frac{10}{|S|} \sum_{s \in S} e^{-(l(c) - l(s))^2 / 2 \sigma^2}
        \frac{\min(g^n(c), g^n(s)) \cdot g^n(s)}{\|g^n(c)\| \|g^n(s)\|}

where g^n weighs the n-grams of a caption by how few pictures have them in a reference (TF-IDF), l is the
number of words, sigma is 6, and the score is the mean over n from 1 to 4. An n-gram that all pictures have
weighs nothing: a caption is rewarded for what sets its picture apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias, final

import numpy

from seqloom.metrics.captions.tokenizer import tokenize

MAX_ORDER = 4
SIGMA = 6.0
SCALE = 10.0

NGram: TypeAlias = "tuple[str, ...]"


def count_all_ngrams(words: Sequence[str]) -> Counter[NGram]:
    """How often each n-gram of 1 to 4 words occurs.

    >>> count_all_ngrams(["a", "a"])
    Counter({('a',): 2, ('a', 'a'): 1})
    """
    return Counter(
        tuple(words[start : start + order])
        for order in range(1, MAX_ORDER + 1)
        for start in range(len(words) - order + 1)
    )


class _Vector(NamedTuple):
    """The weighted n-grams of a caption, by their order, with the norm of each order, and its length."""

    weights: list[dict[NGram, float]]
    norms: list[float]
    length: int


@final
class DocumentFrequencies:
    """In how many pictures of a set a reference has each n-gram: it decides what an n-gram weighs.

    Args:
        references: the texts of each picture.
        end: a word that every text is taken to end with, such as `<end>`; None: none.

    >>> frequencies = DocumentFrequencies([["a red dog"], ["a blue cat"], ["a green bird"]])
    >>> frequencies.score("a red dog", ["a red dog"]), frequencies.score("a", ["a red dog"])
    (7.5, 0.0)
    """

    def __init__(self, references: Iterable[Sequence[str]], end: str | None = None) -> None:
        self._pictures, self._end = 0, [] if end is None else [end]
        self._counts: Counter[NGram] = Counter()
        for texts in references:
            self._pictures += 1
            self._counts.update({ngram for text in texts for ngram in count_all_ngrams(self._words(text))})
        self._log_pictures = math.log(max(self._pictures, 1))

    def score(self, caption: str, references: Sequence[str]) -> float:
        """CIDEr-D of a caption, from 0 to 10, against the references of its picture."""
        return self.score_words(self._words(caption), [self._words(text) for text in references])

    def score_words(self, caption: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """As `score`, of words that are tokenized already, with their end where there is one."""
        candidate = self._vector(caption)
        return sum(_similarity(candidate, self._vector(words)) for words in references) / len(references)

    def _words(self, text: str) -> list[str]:
        return [*tokenize(text), *self._end]

    def _vector(self, words: Sequence[str]) -> _Vector:
        weights: list[dict[NGram, float]] = [{} for _ in range(MAX_ORDER)]
        for ngram, count in count_all_ngrams(words).items():
            # An n-gram that no reference has weighs as one that a single picture has.
            inverse_frequency = self._log_pictures - math.log(max(self._counts[ngram], 1))
            weights[len(ngram) - 1][ngram] = count * inverse_frequency
        norms = [math.sqrt(sum(weight * weight for weight in part.values())) for part in weights]
        # coco-caption counts pairs of words, which differs for captions without a word only.
        return _Vector(weights, norms, max(len(words) - 1, 0))


def _similarity(candidate: _Vector, reference: _Vector) -> float:
    total = 0.0
    for order in range(MAX_ORDER):
        norm = candidate.norms[order] * reference.norms[order]
        if norm:
            known = reference.weights[order]
            shared = (
                min(weight, known[ngram]) * known[ngram]
                for ngram, weight in candidate.weights[order].items()
                if ngram in known
            )
            total += sum(shared) / norm
    difference = candidate.length - reference.length
    return SCALE * total / MAX_ORDER * math.exp(-(difference**2) / (2 * SIGMA**2))


def cider_scores(
    captions: Sequence[str], references: Sequence[Sequence[str]], frequencies: DocumentFrequencies
) -> numpy.ndarray:
    """CIDEr-D (rows,) of captions, from 0 to 10, whose mean is that of a set.

    Args:
        captions: a text a row.
        references: at least one text for each row.
        frequencies: of the whole set, whichever rows of it these are.
    """
    pairs = zip(captions, references, strict=True)
    return numpy.array([frequencies.score(caption, texts) for caption, texts in pairs])
