"""Word and character error rates: counts by row against a small edit distance, and jiwer's rates."""

from __future__ import annotations

import jiwer
import numpy
import pytest

from seqloom.metrics import error_rate

REFERENCES = ["bin blue at a one now", "set red", "place green by z two soon", "lay it"]
TRANSCRIPTS = ["bin blue at a one now", "set the red", "lace green z too soon soon", ""]


def distance(reference: list[str], transcript: list[str]) -> int:
    """The Levenshtein distance, row by row."""
    row = list(range(len(transcript) + 1))
    for i, expected in enumerate(reference, 1):
        above, row = row, [i]
        for j, actual in enumerate(transcript, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (expected != actual)))
    return row[-1]


def test_counts_are_an_edit_distance() -> None:
    counts = error_rate.count_errors(REFERENCES, TRANSCRIPTS)
    pairs = list(zip(REFERENCES, TRANSCRIPTS, strict=True))
    words = [distance(reference.split(), transcript.split()) for reference, transcript in pairs]
    assert counts["words"][:, :3].sum(1).tolist() == words
    assert counts["words"][:, 3].tolist() == [len(reference.split()) for reference in REFERENCES]
    characters = [distance(list(reference), list(transcript)) for reference, transcript in pairs]
    assert counts["characters"][:, :3].sum(1).tolist() == characters
    assert counts["characters"][:, 3].tolist() == [len(reference) for reference in REFERENCES]


def test_substitutions_deletions_and_insertions() -> None:
    rows = [("a b c", "a x c"), ("a b c", "a c"), ("a b c", "a b x c")]
    counts = error_rate.count_errors(*zip(*rows, strict=True))["words"]  # type: ignore[arg-type]
    assert counts.tolist() == [[1, 0, 0, 3], [0, 1, 0, 3], [0, 0, 1, 3]]


def test_rates_of_summed_counts_are_those_of_jiwer() -> None:
    totals = {
        name: counts.sum(0) for name, counts in error_rate.count_errors(REFERENCES, TRANSCRIPTS).items()
    }
    rates = error_rate.scores(totals)
    assert list(rates) == ["wer", "cer"]
    assert rates["wer"] == pytest.approx(jiwer.wer(REFERENCES, TRANSCRIPTS), rel=1e-12)
    assert rates["cer"] == pytest.approx(jiwer.cer(REFERENCES, TRANSCRIPTS), rel=1e-12)
    one_by_one = [error_rate.count_errors([a], [b]) for a, b in zip(REFERENCES, TRANSCRIPTS, strict=True)]
    assert error_rate.scores({name: sum(row[name].sum(0) for row in one_by_one) for name in totals}) == rates


def output(file: str, expected: str, predicted: str) -> dict[str, str]:
    return {"file": file, "expected": expected, "predicted": predicted}


def test_the_worst_rows_come_first_with_their_alignment() -> None:
    rows = [output(f"{n}.wav", *pair) for n, pair in enumerate(zip(REFERENCES, TRANSCRIPTS, strict=True))]
    assert error_rate.worst_rows(rows) == [
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


def test_ten_rows_at_most_and_only_wrong_ones() -> None:
    rows = [output(f"{n:02d}.wav", "one two", "one too") for n in range(30)]
    shown = [line for line in error_rate.worst_rows(rows) if ".wav" in line]
    assert shown == [f"{n:02d}.wav: 1 of 2 words" for n in range(10)]
    assert error_rate.worst_rows([output("a.wav", "one two", "one two")]) == []
    assert error_rate.worst_rows([]) == []


def test_counts_are_integers() -> None:
    assert error_rate.count_errors(["a"], ["b"])["words"].dtype == numpy.int64
