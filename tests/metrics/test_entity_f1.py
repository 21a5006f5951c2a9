"""Entities and their counts, by hand and as conlleval counts them."""

from __future__ import annotations

import pytest

from seqloom.metrics.entity_f1 import Counts, Span, by_type, count, precision_recall_f1, spans


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O O", []),
        ("", []),
        ("B-A", [("A", 0, 1)]),
        ("B-A I-A I-A O", [("A", 0, 3)]),
        ("O B-A I-A", [("A", 1, 3)]),
        ("B-A B-A", [("A", 0, 1), ("A", 1, 2)]),
        ("B-A I-B", [("A", 0, 1), ("B", 1, 2)]),
        ("B-A I-B I-A", [("A", 0, 1), ("B", 1, 2), ("A", 2, 3)]),
        ("B-A O I-A", [("A", 0, 1), ("A", 2, 3)]),
        ("I-A I-A O I-B", [("A", 0, 2), ("B", 3, 4)]),
        ("O I-A B-A I-A", [("A", 1, 2), ("A", 2, 4)]),
        ("I-A I-B B-B", [("A", 0, 1), ("B", 1, 2), ("B", 2, 3)]),
        ("B-A-1 I-A-1 I-A-2", [("A-1", 0, 2), ("A-2", 2, 3)]),
    ],
)
def test_entities_of_a_sentence(tags: str, expected: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == [Span(*span) for span in expected]


@pytest.mark.parametrize(
    ("expected", "predicted", "counts"),
    [
        ("B-A I-A O B-B", "B-A I-A O B-B", (2, 2, 2)),
        ("B-A I-A O B-B", "O O O O", (2, 0, 0)),
        ("O O O O", "B-A O I-B O", (0, 2, 0)),
        ("B-A I-A O B-B", "B-A O O B-B", (2, 2, 1)),  # too short is wrong
        ("B-A I-A O B-B", "B-A I-A I-A B-B", (2, 2, 1)),  # too long too
        ("B-A I-A O B-B", "B-B I-B O B-B", (2, 2, 1)),  # of another type too
        ("B-A I-A", "I-A I-A", (1, 1, 1)),  # the same entity in IOB1
        ("B-A B-A", "B-A I-A", (2, 1, 0)),
    ],
)
def test_only_entities_of_the_same_type_start_and_stop_are_correct(
    expected: str, predicted: str, counts: tuple[int, int, int]
) -> None:
    assert count(expected.split(), predicted.split()) == Counts(*counts)


def test_as_conlleval_counts() -> None:
    """What conlleval 0.2, the Python version of the script, prints for these tags."""
    expected = "B-NP I-NP B-VP B-NP O B-PP B-NP I-NP B-NP"
    predicted = "B-NP I-NP I-VP I-VP O O B-NP B-NP I-NP"
    assert count(expected.split(), predicted.split()) == Counts(expected=6, predicted=4, correct=1)
    assert precision_recall_f1(6, 4, 1) == pytest.approx({"precision": 1 / 4, "recall": 1 / 6, "f1": 1 / 5})


def test_a_division_by_0_gives_0() -> None:
    assert precision_recall_f1(0, 0, 0) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert precision_recall_f1(3, 0, 0) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert precision_recall_f1(0, 3, 0) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_f1_is_the_harmonic_mean() -> None:
    scores = precision_recall_f1(expected=40, predicted=25, correct=20)
    assert scores["f1"] == pytest.approx(2 / (1 / scores["precision"] + 1 / scores["recall"]))


def test_counts_add_up_over_sentences() -> None:
    expected = [["B-A", "O"], ["B-A", "I-A", "B-B"], ["O"]]
    predicted = [["B-A", "I-A"], ["B-A", "I-A", "B-A"], ["B-B"]]
    counts = [count(*pair) for pair in zip(expected, predicted, strict=True)]
    joined = (" O ".join(" ".join(tags) for tags in sentences).split() for sentences in (expected, predicted))
    assert tuple(map(sum, zip(*counts, strict=True))) == count(*joined)


def test_scores_of_each_type() -> None:
    pairs = [(["B-A", "B-B", "O"], ["B-A", "B-A", "O"]), (["B-A"], ["B-C"])]
    scores = by_type(pairs)
    assert list(scores) == ["A", "B", "C"]
    assert scores["A"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5, "expected": 2}
    assert scores["B"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "expected": 1}
    assert scores["C"]["expected"] == 0
