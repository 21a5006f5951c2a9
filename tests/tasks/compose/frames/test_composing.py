"""Tunes that a model of frames writes: on from a primer or from nothing, the same for the same seed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from seqloom.data.music.midi import midi_bytes
from seqloom.data.music.rolls.tunes import frames_of_tune
from seqloom.data.music.tune import TimeSignature, Tune, make_tune
from seqloom.errors import ConfigError, DataError
from seqloom.inference.predictor import Predictor
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.models.rolls.roll_model import RollConfig, RollModel
from seqloom.models.rolls.sampling import AS_PROBABLE
from seqloom.tasks import task_named
from seqloom.tasks.compose.frames.composing import sample_rolls
from seqloom.tasks.compose.frames.preparation import Meter

TASK: Any = task_named("compose")
PRIMER = make_tune([(0, 960, 48), (0, 960, 64), (0, 960, 67), (0, 480, 79), (480, 480, 78)], 480)


def _compose(trained: Predictor, *primers: Tune | None, **decoding: Any) -> list[Tune]:
    return TASK.compose(trained.model, list(primers), trained.context(**{"bars": 2, **decoding}))


def test_a_tune_from_nothing_has_the_bars_that_are_asked_for(trained: Predictor) -> None:
    (tune,) = _compose(trained, None, bars=5)
    assert tune.time_signatures == (TimeSignature(0, 4, 4),)
    assert tune.length == 5 * 4 * tune.ticks_per_quarter
    assert tune.ticks_per_quarter == 480
    frames = frames_of_tune(tune, 1)
    assert frames.shape == (20, 88)
    # it has learnt that a chord of three has a fourth voice above it
    assert numpy.mean(frames.sum(1) == 4) > 0.5


def test_the_same_seed_gives_the_same_tune(trained: Predictor) -> None:
    first, again, other = (_compose(trained, None, seed=seed, bars=6)[0] for seed in (1, 1, 2))
    numpy.testing.assert_array_equal(first.notes, again.notes)
    assert first.notes.tolist() != other.notes.tolist()
    with torch.device("meta"):  # on which nothing can be computed
        numpy.testing.assert_array_equal(_compose(trained, None, seed=1, bars=6)[0].notes, first.notes)


def test_a_tune_depends_on_its_own_primer_only(trained: Predictor) -> None:
    other = make_tune([(0, 480, 53)], 480)
    together = _compose(trained, PRIMER, None, other)
    for primer, tune in zip((PRIMER, None, other), together, strict=True):
        (alone,) = _compose(trained, primer)
        numpy.testing.assert_array_equal(alone.notes, tune.notes)


def test_all_notes_of_a_primer_stay(trained: Predictor) -> None:
    (tune,) = _compose(trained, PRIMER)
    durations = {(onset, pitch): duration for onset, duration, pitch, _ in tune.notes.tolist()}
    for onset, duration, pitch, _ in PRIMER.notes.tolist():
        assert durations[onset, pitch] >= duration  # a note that goes on is made longer, not struck again
    assert tune.length == 960 + 2 * 4 * 480
    assert tune.notes[:, 0].max() >= 960


def test_a_primer_is_read_in_one_pass_as_in_steps(trained: Predictor) -> None:
    model = trained.model
    before = torch.from_numpy(frames_of_tune(PRIMER, 1))
    drawn, other = sample_rolls(model, before, 14, AS_PROBABLE, seeds=[5, 6])
    generator, state = torch.Generator("cpu").manual_seed(5), None
    with torch.inference_mode():
        *heard, frame = torch.cat([torch.zeros(1, 88), before.float()])
        for place, earlier in enumerate(heard):
            _, state = model.step(earlier.view(1, 1, -1), state, first_steps=torch.tensor([place]))
        for number in range(14):
            place = torch.tensor([len(before) + number])
            context, state = model.step(frame.view(1, 1, -1), state, first_steps=place)
            uniforms = torch.rand(1, 88, generator=generator, dtype=torch.float64)
            frame = model.sample(context, uniforms)[0].float()
            assert torch.equal(frame.to(torch.uint8), drawn[number])
    assert not torch.equal(drawn, other)


def test_temperature_zero_is_the_same_for_every_seed(trained: Predictor) -> None:
    tunes = [_compose(trained, PRIMER, temperature=0, seed=seed)[0] for seed in (0, 1)]
    numpy.testing.assert_array_equal(tunes[0].notes, tunes[1].notes)


def test_another_time_signature_has_bars_of_its_own(trained: Predictor) -> None:
    (tune,) = _compose(trained, None, time_signature="3/4", bars=3)
    assert tune.length == 3 * 3 * 480
    assert [str(mark) for mark in tune.time_signatures] == ["3/4"]


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        ({"top_k": 4}, r"decoding\.top_k: must be 0 for piano rolls\. Got 4\. Use top_p\."),
        (
            {"time_signature": "3/8"},
            r"decoding\.time_signature: a bar must be whole frames, 1 of them a quarter note\. Got 3/8\.",
        ),
    ],
)
def test_options_that_frames_do_not_have(trained: Predictor, decoding: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        _compose(trained, None, **decoding)


@pytest.mark.parametrize(
    ("meter", "expected"),
    [
        (Meter(2, 8), "4/4"),
        (Meter(2, 6), "3/4"),
        (Meter(2, 3), "3/8"),
        (Meter(2, None), "4/4"),
        (Meter(2, 24), "12/4"),
        (Meter(3, 4), "4/4"),  # no time signature has a bar of 4/3 quarter notes
    ],
)
def test_the_time_signature_of_a_bar(meter: Meter, expected: str) -> None:
    assert str(meter.time_signature()) == expected


def test_primers_of_every_form(trained: Predictor, path: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mid").write_bytes(midi_bytes(PRIMER))
    encode = trained.preparation.encode
    roll = frames_of_tune(PRIMER, 1)
    tunes = [encode(value) for value in (tmp_path / "a.mid", str(tmp_path / "a.mid"), PRIMER, roll)]
    for tune in tunes:
        numpy.testing.assert_array_equal(frames_of_tune(tune, 1), roll)
    assert len(frames_of_tune(encode(path), 1)) % 4 == 0
    answer = trained.predict([tmp_path / "a.mid"], bars=1)[0]
    assert answer.text.startswith("4/4 | C3+E4+G4+G5 F#5")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, r"compose: the primer must be a MIDI file, a piano roll or a tune\. Got int\."),
        (numpy.zeros((4, 90)), r"primer: a piano roll must be \(steps, 88\)\. Got \(4, 90\)\."),
        (numpy.zeros((4, 88)), r"primer: expected notes from 21 to 108\. Got none\."),
        (make_tune([(0, 480, 10)], 480), r"primer: expected notes from 21 to 108\. Got none\."),
    ],
)
def test_primers_that_cannot_be_used(trained: Predictor, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^{message}$"):
        trained.preparation.encode(value)


def test_frames_are_sampled_fast() -> None:
    """A model of the size of recipes, untrained: 67 frames a second of a processor that others use too."""
    torch.manual_seed(0)
    model = RollModel(88, RecurrentConfig("gru", 64), RollConfig(first_key=21, stop_key=77)).eval()
    sample_rolls(model, None, 5, AS_PROBABLE, seeds=[0])
    started = time.process_time()
    sample_rolls(model, None, 50, AS_PROBABLE, seeds=[0])
    assert time.process_time() - started < 0.75
