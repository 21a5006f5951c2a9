"""BLEU and chrF from counts by row equal sacrebleu's corpus scores."""

from __future__ import annotations

import numpy
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from seqloom.metrics.bleu import METRICS, count_matches, scores, sentence_chrf, signatures

TRANSLATIONS = [
    "A man in an orange hat stares at something.",
    "a dog runs over the green grass",
    "Five people , standing in the snow .",
    "",
    "a Woman",
]
REFERENCES = [
    "A man in an orange hat starring at something.",
    "A Boston Terrier is running on lush green grass in front of a white fence.",
    "Five people in winter jackets stand in the snow.",
    "People are fixing the roof of a house.",
    "A woman.",
]


def totals(lowercase: bool) -> dict[str, numpy.ndarray]:
    return {
        name: counts.sum(0) for name, counts in count_matches(TRANSLATIONS, REFERENCES, lowercase).items()
    }


@pytest.mark.parametrize("lowercase", [False, True])
def test_summed_counts_give_the_corpus_scores(lowercase: bool) -> None:
    ours = scores(totals(lowercase))
    bleu = BLEU(lowercase=lowercase, force=True).corpus_score(TRANSLATIONS, [REFERENCES])
    chrf = CHRF(lowercase=lowercase).corpus_score(TRANSLATIONS, [REFERENCES])
    assert ours == {"bleu": bleu.score, "chrf": chrf.score}
    assert 5 < ours["bleu"] < 60


def test_case_counts_by_default() -> None:
    assert scores(totals(lowercase=True))["bleu"] > scores(totals(lowercase=False))["bleu"]


@pytest.mark.parametrize("lowercase", [False, True])
def test_signatures_are_those_of_the_corpus_score(lowercase: bool) -> None:
    for name, metric in zip(METRICS, (BLEU(lowercase=lowercase), CHRF(lowercase=lowercase)), strict=True):
        metric.corpus_score(["a"], [["a"]])
        assert signatures(lowercase)[name] == str(metric.get_signature())


def test_counts_of_a_row_do_not_depend_on_other_rows() -> None:
    together = count_matches(TRANSLATIONS, REFERENCES, lowercase=True)
    for row, pair in enumerate(zip(TRANSLATIONS, REFERENCES, strict=True)):
        alone = count_matches([pair[0]], [pair[1]], lowercase=True)
        assert all((alone[name][0] == together[name][row]).all() for name in together)


def test_sentence_chrf_is_that_of_sacrebleu() -> None:
    ours = sentence_chrf(count_matches(TRANSLATIONS, REFERENCES, lowercase=False)["chrf"])
    metric = CHRF()
    expected = [
        metric.sentence_score(*pair).score for pair in zip(TRANSLATIONS, zip(REFERENCES), strict=True)
    ]
    assert ours.tolist() == expected
