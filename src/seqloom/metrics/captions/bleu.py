"""BLEU-1 to BLEU-4 against several references, by sacrebleu without its tokenizer and without smoothing.

Papineni et al., 2002. The length of the reference that is closest counts, as in coco-caption, whose figures
these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy

from seqloom.metrics.captions.tokenizer import tokenize

ORDERS = (1, 2, 3, 4)


def count_ngrams(captions: Sequence[str], references: Sequence[Sequence[str]]) -> numpy.ndarray:
    """Count the n-grams that a caption shares with its references, from which BLEU follows.

    Args:
        captions: a text a row.
        references: at least one text for each row; their number may differ.

    Returns:
        (rows, 10): words of the caption and of the closest reference, then for n from 1 to 4 the n-grams that
        match, and those that there are.

    >>> count_ngrams(["A red dog runs."], [["a dog runs", "the red dog is running fast"]]).astype(int)
    array([[4, 3, 4, 2, 0, 0, 4, 3, 2, 1]])
    """
    texts = [" ".join(tokenize(caption)) for caption in captions]
    # sacrebleu leaves out references that are None, where other rows have more.
    streams = list(zip_longest(*([" ".join(tokenize(text)) for text in row] for row in references)))
    return numpy.array(_metric()._extract_corpus_statistics(texts, streams), dtype=float).reshape(-1, 10)


def bleu_scores(totals: numpy.ndarray) -> dict[str, float]:
    """BLEU-1 to BLEU-4, from 0 to 1, from the sum (10,) over rows of what `count_ngrams` returned.

    >>> {name: round(value, 3) for name, value in bleu_scores([4, 3, 4, 2, 0, 0, 4, 3, 2, 1]).items()}
    {'bleu_1': 1.0, 'bleu_2': 0.816, 'bleu_3': 0.0, 'bleu_4': 0.0}
    """
    words, closest, *counts = (round(float(value)) for value in totals)
    scores = {}
    for order in ORDERS:
        score = _metric().compute_bleu(
            counts[:4], counts[4:], words, closest, smooth_method="none", max_ngram_order=order
        )
        scores[f"bleu_{order}"] = float(score.score) / 100
    return scores


def _metric() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="none", smooth_method="none", force=True)
