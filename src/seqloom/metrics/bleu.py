"""BLEU and chrF by sacrebleu, from counts by row that add up however rows were batched.

BLEU: Papineni et al., 2002, as Post, 2018 (arXiv:1804.08771), made it comparable: its signature says how it
was computed. chrF: Popović, 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

METRICS = ("bleu", "chrf")


def count_matches(
    translations: Sequence[str], references: Sequence[str], lowercase: bool
) -> dict[str, numpy.ndarray]:
    """Count the n-gram matches of each row, from which BLEU and chrF follow.

    Args:
        translations: plain texts, not tokenized.
        references: one for each row.
        lowercase: whether case is ignored.

    Returns:
        `bleu` (rows, 10), `chrf` (rows, 18), and `lowercase` (rows,), for `signatures`.

    >>> counts = count_matches(["It is a small house"], ["it is a small red house"], lowercase=True)
    >>> round(scores({name: values.sum(0) for name, values in counts.items()})["bleu"], 1)
    57.9
    """
    counts = {
        name: numpy.array(
            metric._extract_corpus_statistics(list(translations), [list(references)]), dtype=float
        )
        for name, metric in _metrics(lowercase).items()
    }
    return {**counts, "lowercase": numpy.full(len(translations), float(lowercase))}


def scores(totals: Mapping[str, numpy.ndarray]) -> dict[str, float]:
    """BLEU and chrF, from 0 to 100, from the sums over rows of the counts of `count_matches`."""
    return {
        name: float(metric._compute_score_from_stats(totals[name].tolist()).score)
        for name, metric in _metrics(False).items()
    }


def sentence_chrf(counts: numpy.ndarray) -> numpy.ndarray:
    """The chrF (rows,) of each row, from the `chrf` counts of `count_matches`."""
    metric = _metrics(False)["chrf"]
    return numpy.array([metric._compute_score_from_stats(row).score for row in counts.tolist()])


def signatures(lowercase: bool) -> dict[str, str]:
    """Sacrebleu's signatures, which say how the metrics were computed.

    >>> signatures(lowercase=True)["bleu"]
    'nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:...'
    """
    signatures_by_name = {}
    for name, metric in _metrics(lowercase).items():
        metric.num_refs = 1
        signatures_by_name[name] = str(metric.get_signature())
    return signatures_by_name


def _metrics(lowercase: bool) -> dict[str, Any]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    # force: no warning about texts that end in " .", which some data sets have.
    return dict(zip(METRICS, (BLEU(lowercase=lowercase, force=True), CHRF(lowercase=lowercase)), strict=True))
