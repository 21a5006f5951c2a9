"""Word and character error rates: counts of single rows against a small edit distance, and jiwer's rates."""

from __future__ import annotations

import jiwer
import numpy
import pytest

from seqloom.metrics import error_rate

EXPECTED = ["bin blue at a one now", "set red", "place green by z two soon", "lay it"]
FOUND = ["bin blue at a one now", "set the red", "lace green z too soon soon", ""]


def distance(said: list[str], understood: list[str]) -> int:
    """Levenshtein's, row by row."""
    row = list(range(len(understood) + 1))
    for i, one in enumerate(said, 1):
        above, row = row, [i]
        for j, other in enumerate(understood, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (one != other)))
    return row[-1]


def test_counts_are_an_edit_distance() -> None:
    counted = error_rate.count_errors(EXPECTED, FOUND)
    pairs = list(zip(EXPECTED, FOUND, strict=True))
    words = [distance(said.split(), found.split()) for said, found in pairs]
    assert counted["words"][:, :3].sum(1).tolist() == words
    assert counted["words"][:, 3].tolist() == [len(said.split()) for said in EXPECTED]
    characters = [distance(list(said), list(found)) for said, found in pairs]
    assert counted["characters"][:, :3].sum(1).tolist() == characters
    assert counted["characters"][:, 3].tolist() == [len(said) for said in EXPECTED]


def test_each_kind_of_error_has_its_place() -> None:
    rows = [("a b c", "a x c"), ("a b c", "a c"), ("a b c", "a b x c")]
    counted = error_rate.count_errors(*zip(*rows, strict=True))["words"]  # type: ignore[arg-type]
    assert counted.tolist() == [[1, 0, 0, 3], [0, 1, 0, 3], [0, 0, 1, 3]]


def test_rates_of_sums_are_those_of_the_whole() -> None:
    totals = {name: counts.sum(0) for name, counts in error_rate.count_errors(EXPECTED, FOUND).items()}
    found = error_rate.scores(totals)
    assert list(found) == ["wer", "cer"]
    assert found["wer"] == pytest.approx(jiwer.wer(EXPECTED, FOUND), rel=1e-12)
    assert found["cer"] == pytest.approx(jiwer.cer(EXPECTED, FOUND), rel=1e-12)
    one_by_one = [error_rate.count_errors([a], [b]) for a, b in zip(EXPECTED, FOUND, strict=True)]
    assert error_rate.scores({name: sum(row[name].sum(0) for row in one_by_one) for name in totals}) == found


def output(file: str, expected: str, found: str) -> dict[str, str]:
    return {"file": file, "expected": expected, "found": found}


def test_the_worst_rows_come_first_with_their_alignment() -> None:
    rows = [
        output(f"{n}.wav", said, found) for n, (said, found) in enumerate(zip(EXPECTED, FOUND, strict=True))
    ]
    assert error_rate.worst(rows) == [
        "2.wav: 4 of 6 words",
        "REF: place green by   z  two soon",
        "HYP:  lace green  z too soon soon",
        "         S        S   S    S",
        "3.wav: 2 of 2 words",
        "REF: lay it",
        "HYP: *** **",
        "       D  D",
        "1.wav: 1 of 2 words",
        "REF: set *** red",
        "HYP: set the red",
        "           I",
    ]


def test_no_more_than_ten_and_none_that_is_right() -> None:
    rows = [output(f"{n:02d}.wav", "one two", "one too") for n in range(30)]
    shown = [line for line in error_rate.worst(rows) if ".wav" in line]
    assert shown == [f"{n:02d}.wav: 1 of 2 words" for n in range(10)]
    assert error_rate.worst([output("a.wav", "one two", "one two")]) == []
    assert error_rate.worst([]) == []


def test_counts_are_whole_numbers() -> None:
    assert error_rate.count_errors(["a"], ["b"])["words"].dtype == numpy.int64
