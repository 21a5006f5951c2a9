r"""ROUGE-L (Lin, 2004), as coco-caption computes it: of the longest common subsequence of words.

.. math::

    P = \max_s \frac{\mathrm{lcs}(c, s)}{|c|}, \quad R = \max_s \frac{\mathrm{lcs}(c, s)}{|s|}, \quad
    F = \frac{(1 + \beta^2) P R}{R + \beta^2 P}

The best precision and the best recall are each taken over all references, and may be those of two; beta is
1.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy

from seqloom.metrics.captions.tokenizer import tokenize

BETA = 1.2


def rouge_l(caption: str, references: Sequence[str]) -> float:
    """ROUGE-L of a caption, from 0 to 1, against the references of its picture.

    >>> rouge_l("a red dog", ["a dog", "a red dog runs"])  # all words are right, and the first is all there
    1.0
    """
    words = tokenize(caption)
    tokenized = [tokenize(text) for text in references]
    common = [longest_common_subsequence(words, reference) for reference in tokenized]
    precision = max(common) / max(len(words), 1)
    recall = max(count / max(len(reference), 1) for count, reference in zip(common, tokenized, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def rouge_l_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> numpy.ndarray:
    """ROUGE-L (rows,) of captions, whose mean is that of a set."""
    return numpy.array([rouge_l(*pair) for pair in zip(captions, references, strict=True)])


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest sequence of words that both have in this order.

    >>> longest_common_subsequence("a b c d".split(), "b a d".split())
    2
    """
    lengths = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, 1):
            above = lengths[place]
            lengths[place] = diagonal + 1 if word == other else max(above, lengths[place - 1])
            diagonal = above
    return lengths[-1]
