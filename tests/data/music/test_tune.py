"""Tunes: bars of any time signature, parts of a tune, other ticks."""

from __future__ import annotations

import numpy
import pytest

from seqloom.data.music.tune import TimeSignature, make_tune, tidy_signatures
from seqloom.errors import DataError

THREE, SIX, NINE = TimeSignature(0, 3, 4), TimeSignature(144, 6, 8), TimeSignature(288, 9, 8)


def test_bars_follow_the_time_signatures() -> None:
    tune = make_tune([(0, 24, 60), (400, 24, 60)], 24, (THREE, SIX, NINE))
    assert tune.bar_starts().tolist() == [0, 72, 144, 216, 288, 396, 504]
    assert tune.num_bars == 6
    assert [str(tune.signature_at(tick)) for tick in (0, 143, 144, 300)] == ["3/4", "3/4", "6/8", "9/8"]


def test_a_time_signature_within_a_bar_ends_it() -> None:
    tune = make_tune([(0, 24, 60), (200, 4, 60)], 24, (TimeSignature(0, 4, 4), TimeSignature(120, 3, 4)))
    assert tune.bar_starts().tolist() == [0, 96, 120, 192, 264]
    assert tune.num_bars == 4


def test_bars_are_counted_without_being_listed() -> None:
    tune = make_tune([(0, 1, 60), (1 << 30, 1, 60)], 1)
    assert tune.num_bars == (1 << 28) + 1


@pytest.mark.parametrize("length", [0, 192])
def test_an_empty_bar_at_the_end_counts_where_the_length_says_so(length: int) -> None:
    assert make_tune([(0, 24, 60)], 24, length=length).num_bars == max(length // 96, 1)


def test_bars_are_taken_with_their_time_signature_and_cut_notes() -> None:
    tune = make_tune([(0, 200, 60), (150, 20, 62), (216, 200, 64)], 24, (THREE, SIX))
    part = tune.take_bars(2, 4)
    assert part.notes[:, :3].tolist() == [[6, 20, 62], [72, 72, 64]]
    assert part.time_signatures == (TimeSignature(0, 6, 8),)
    assert part.length == 144
    assert part.num_bars == 2


def test_other_ticks_keep_ends_together() -> None:
    notes = [(0, 7, 60), (7, 9, 62), (16, 1, 64)]
    tune = make_tune(notes, 24, length=96).with_resolution(6)
    assert tune.notes[:, :3].tolist() == [[0, 2, 60], [2, 2, 62], [4, 1, 64]]
    assert tune.length == 24
    finer = make_tune(notes, 24).with_resolution(480)
    assert numpy.array_equal(finer.with_resolution(24).notes, make_tune(notes, 24).notes)


@pytest.mark.parametrize("note", [(-1, 4, 60), (0, 0, 60), (0, 4, 128), (0, 4, 60, 0)])
def test_impossible_notes_are_refused(note: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"^tune: a note must have an onset >= 0, .* Got \("):
        make_tune([note], 24)


def test_time_signatures_are_tidied() -> None:
    marks = [TimeSignature(96, 3, 4), TimeSignature(96, 6, 8), TimeSignature(192, 6, 8)]
    assert tidy_signatures(marks) == (TimeSignature(0, 4, 4), TimeSignature(96, 6, 8))


def test_a_tune_without_notes_has_one_bar() -> None:
    tune = make_tune([], 24)
    assert tune.notes.shape == (0, 4)
    assert tune.num_bars == 1
    assert tune.bar_starts().tolist() == [0, 96]
