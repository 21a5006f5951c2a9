"""Piano rolls as tunes and back."""

from __future__ import annotations

import numpy
import pytest

from seqloom.data.music.rolls.tunes import continue_tune, frames_of_tune, tune_of_frames
from seqloom.data.music.tune import TimeSignature, make_tune


@pytest.mark.parametrize("frames_per_quarter", [1, 2, 3, 4])
def test_a_roll_comes_back(frames_per_quarter: int) -> None:
    frames = (numpy.random.default_rng(0).random((40, 88)) < 0.2).astype(numpy.uint8)
    frames[-3:] = 0  # silence at the end counts
    tune = tune_of_frames(frames, frames_per_quarter)
    numpy.testing.assert_array_equal(frames_of_tune(tune, frames_per_quarter), frames)
    finer = tune.with_resolution(480 * frames_per_quarter)
    numpy.testing.assert_array_equal(frames_of_tune(finer, frames_per_quarter), frames)


def test_frames_in_a_row_are_one_note() -> None:
    frames = numpy.zeros((6, 88), dtype=numpy.uint8)
    frames[[0, 1, 2, 4], 39] = 1
    frames[[1, 5], 87] = 1
    tune = tune_of_frames(frames, 2, (TimeSignature(0, 3, 4),))
    assert tune.notes[:, :3].tolist() == [[0, 3, 60], [1, 1, 108], [4, 1, 60], [5, 1, 108]]
    assert tune.length == 6
    assert tune.time_signatures == (TimeSignature(0, 3, 4),)


def test_short_notes_fill_a_frame_and_others_go_to_the_nearest() -> None:
    tune = make_tune([(0, 10, 60), (250, 200, 62), (480, 490, 64), (0, 480, 20)], 480)
    frames = frames_of_tune(tune, 2)
    assert [frame.nonzero()[0].tolist() for frame in frames] == [[39], [41], [43], [43]]


def test_silence_is_a_tune_without_notes() -> None:
    tune = tune_of_frames(numpy.zeros((4, 88)), 2)
    assert tune.notes.shape == (0, 4)
    assert frames_of_tune(tune, 2).shape == (4, 88)


def test_what_is_added_makes_a_note_longer_where_it_goes_on() -> None:
    tune = make_tune([(0, 4, 60), (0, 3, 64)], 2, (TimeSignature(0, 3, 8),), tempo=90)
    added = make_tune([(0, 2, 60), (0, 1, 64), (1, 1, 65)], 2, length=3)
    joined = continue_tune(tune, added, start=4)
    assert joined.notes[:, :3].tolist() == [[0, 6, 60], [0, 3, 64], [4, 1, 64], [5, 1, 65]]
    assert joined.length == 7
    assert joined.tempo == 90
    assert joined.time_signatures == (TimeSignature(0, 3, 8),)
