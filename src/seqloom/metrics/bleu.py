"""BLEU and chrF by sacrebleu, from counts of single rows: so they add up, however rows were batched.

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
    """What BLEU and chrF are made of, for each row.

    Args:
        translations: texts as a person reads them, not cut into tokens.
        references: of each row one.
        lowercase: whether capitals count as small letters.

    Returns:
        `bleu` (rows, 10), `chrf` (rows, 18), and `lowercase` (rows,), which `signatures` wants.

    >>> counted = count_matches(["It is a small house"], ["it is a small red house"], lowercase=True)
    >>> round(scores({name: values.sum(0) for name, values in counted.items()})["bleu"], 1)
    57.9
    """
    counted = {
        name: numpy.array(
            metric._extract_corpus_statistics(list(translations), [list(references)]), dtype=float
        )
        for name, metric in _metrics(lowercase).items()
    }
    return {**counted, "lowercase": numpy.full(len(translations), float(lowercase))}


def scores(totals: Mapping[str, numpy.ndarray]) -> dict[str, float]:
    """BLEU and chrF, from 0 to 100, of the sums over rows of what `count_matches` gives."""
    return {
        name: float(metric._compute_score_from_stats(totals[name].tolist()).score)
        for name, metric in _metrics(False).items()
    }


def chrf_of_rows(counted: numpy.ndarray) -> numpy.ndarray:
    """The chrF (rows,) of each row by itself, from what `count_matches` gives as `chrf`."""
    metric = _metrics(False)["chrf"]
    return numpy.array([metric._compute_score_from_stats(row).score for row in counted.tolist()])


def signatures(lowercase: bool) -> dict[str, str]:
    """How they were computed, in sacrebleu's words.

    >>> signatures(lowercase=True)["bleu"]
    'nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:...'
    """
    found = {}
    for name, metric in _metrics(lowercase).items():
        metric.num_refs = 1
        found[name] = str(metric.get_signature())
    return found


def _metrics(lowercase: bool) -> dict[str, Any]:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    # force: some texts do end in " .", and that is not for us to complain about.
    return dict(zip(METRICS, (BLEU(lowercase=lowercase, force=True), CHRF(lowercase=lowercase)), strict=True))
