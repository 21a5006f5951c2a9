"""BLEU and chrF from rows are sacrebleu's own of the whole, and rows may be added in any order."""

from __future__ import annotations

import numpy
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from seqloom.metrics.bleu import METRICS, chrf_of_rows, count_matches, scores, signatures

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
        name: counted.sum(0) for name, counted in count_matches(TRANSLATIONS, REFERENCES, lowercase).items()
    }


@pytest.mark.parametrize("lowercase", [False, True])
def test_summed_rows_score_as_the_corpus(lowercase: bool) -> None:
    found = scores(totals(lowercase))
    bleu = BLEU(lowercase=lowercase, force=True).corpus_score(TRANSLATIONS, [REFERENCES])
    chrf = CHRF(lowercase=lowercase).corpus_score(TRANSLATIONS, [REFERENCES])
    assert found == {"bleu": bleu.score, "chrf": chrf.score}
    assert 5 < found["bleu"] < 60


def test_capitals_count_unless_one_says_otherwise() -> None:
    assert scores(totals(lowercase=True))["bleu"] > scores(totals(lowercase=False))["bleu"]


@pytest.mark.parametrize("lowercase", [False, True])
def test_signatures_are_those_of_the_corpus_score(lowercase: bool) -> None:
    for name, metric in zip(METRICS, (BLEU(lowercase=lowercase), CHRF(lowercase=lowercase)), strict=True):
        metric.corpus_score(["a"], [["a"]])
        assert signatures(lowercase)[name] == str(metric.get_signature())


def test_each_row_is_counted_alone() -> None:
    together = count_matches(TRANSLATIONS, REFERENCES, lowercase=True)
    for row, pair in enumerate(zip(TRANSLATIONS, REFERENCES, strict=True)):
        alone = count_matches([pair[0]], [pair[1]], lowercase=True)
        assert all((alone[name][0] == together[name][row]).all() for name in together)


def test_a_row_has_a_chrf_of_its_own() -> None:
    found = chrf_of_rows(count_matches(TRANSLATIONS, REFERENCES, lowercase=False)["chrf"])
    metric = CHRF()
    expected = [
        metric.sentence_score(*pair).score for pair in zip(TRANSLATIONS, zip(REFERENCES), strict=True)
    ]
    assert found.tolist() == expected
