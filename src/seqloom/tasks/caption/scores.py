"""What is counted of decoded captions, and the metrics that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from seqloom.metrics.captions.bleu import bleu_scores, count_ngrams
from seqloom.metrics.captions.cider import DocumentFrequencies, cider_scores
from seqloom.metrics.captions.rouge import rouge_l_scores
from seqloom.metrics.captions.tokenizer import tokenize
from seqloom.tasks.base import Rows

MAX_WORST = 10


def count_caption_matches(
    captions: Sequence[str], references: Sequence[Sequence[str]], frequencies: DocumentFrequencies
) -> dict[str, numpy.ndarray]:
    """For each picture what BLEU adds up, and its own CIDEr-D and ROUGE-L.

    CIDEr-D weighs n-grams by the whole split, whichever rows of it are scored later: so a bootstrap keeps
    the document frequencies.
    """
    return {
        "ngrams": count_ngrams(captions, references),
        "cider": cider_scores(captions, references, frequencies),
        "rouge_l": rouge_l_scores(captions, references),
    }


def caption_scores(rows: Rows) -> dict[str, float]:
    """BLEU-1 to BLEU-4, CIDEr and ROUGE-L as coco-caption has them; empty where nothing was decoded."""
    if "ngrams" not in rows.counts:
        return {}
    number = len(rows.nats)
    means = {name: float(rows.total(name)) / number for name in ("cider", "rouge_l")}
    return {**bleu_scores(rows.total("ngrams")), **means}


def describe_captions(captions: Sequence[str]) -> dict[str, Any]:
    """How much captions differ: the share of distinct ones, their mean length, the words used.

    >>> describe_captions(["A dog runs.", "a dog runs", "a red cat", "a cat"])
    {'distinct': 0.75, 'mean_words': 2.75, 'words_used': 5}
    """
    words = [tokenize(caption) for caption in captions]
    return {
        "distinct": len(set(map(tuple, words))) / len(words),
        "mean_words": sum(map(len, words)) / len(words),
        "words_used": len({word for row in words for word in row}),
    }


def caption_details(rows: Rows) -> Mapping[str, Any]:
    """How much the captions differ, and the ten with the lowest CIDEr."""
    if not rows.outputs:
        return {}
    worst = rows.counts["cider"].argsort(kind="stable")[:MAX_WORST]
    captions = [output["caption"] for output in rows.outputs]
    return {**describe_captions(captions), "worst_captions": [rows.outputs[number] for number in worst]}
