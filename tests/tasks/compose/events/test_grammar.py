"""The grammar: whatever a model says, what is written is a tune of whole bars that can be read again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy
import pytest
import torch
from torch import Tensor

from seqloom.data.music.midi import midi_bytes, parse_midi
from seqloom.data.music.tokens import TuneTokenizer
from seqloom.data.music.tune import TimeSignature, Tune, make_tune
from seqloom.errors import ConfigError
from seqloom.state import State
from seqloom.tasks.compose.config import DecodingConfig
from seqloom.tasks.compose.events.grammar import EventVocabulary, Limits, TuneState
from seqloom.tasks.compose.events.preparation import Facts, Preparation
from seqloom.tasks.compose.events.writing import write_tunes

QUARTER = 24
PRIMER = make_tune(
    [(0, 30, 48), (0, 36, 60), (36, 36, 62), (72, 500, 64), (144, 24, 65)], QUARTER, (TimeSignature(0, 6, 8),)
)


@pytest.fixture(scope="module", params=[False, True], ids=["without velocities", "with velocities"])
def preparation(request: pytest.FixtureRequest) -> Preparation:
    tokenizer = TuneTokenizer.make(positions_per_beat=4, max_beats=4, has_velocities=request.param)
    return Preparation(tokenizer, Facts(velocity=90, tempo=100.0, max_bar_tokens=60))


def anything(preparation: Preparation, seed: int, **favored: float) -> object:
    """A step whose logits are noise, plus a number for tokens of some types."""
    generator = torch.Generator().manual_seed(seed)
    types = preparation.events.types
    bias = torch.tensor([favored.get(kind, 0.0) for kind in types])

    def step(tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        logits = torch.randn(*tokens.shape, len(types), generator=generator) * 3 + bias
        return logits, torch.zeros(1, len(tokens))

    return step


def write(
    preparation: Preparation, count: int, primer: Tune | None = None, seed: int = 0, **options: object
) -> list[Tune]:
    favored = {name: options.pop(name) for name in ("Bar", "EOS", "Position", "Pitch") if name in options}
    config = DecodingConfig(**{"bars": 3, **options})
    step = anything(preparation, seed, **favored)
    return write_tunes(step, None, preparation, [primer] * count, config, range(count))


def check(tune: Tune, bars: int) -> None:
    """Its file can be read; it has so many bars, each as long as its time signature; no note hangs."""
    assert len(tune.notes)
    starts = tune.bar_starts()
    assert len(starts) - 1 == bars
    for begin, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        assert end - begin == tune.signature_at(begin).bar_ticks(tune.ticks_per_quarter)
    assert {mark.tick for mark in tune.time_signatures} <= set(starts.tolist())
    assert (tune.notes[:, 1] > 0).all()
    assert (tune.notes[:, 0] + tune.notes[:, 1]).max() <= starts[-1] == tune.length
    read = parse_midi(midi_bytes(tune), "written")
    assert numpy.array_equal(read.notes, tune.notes)
    assert read.time_signatures == tune.time_signatures


@pytest.mark.parametrize("favored", [{}, {"EOS": 9.0}, {"Bar": 9.0}, {"Position": 9.0, "Pitch": 9.0}])
def test_whatever_the_model_says_a_tune_is_written(
    preparation: Preparation, favored: dict[str, float]
) -> None:
    for tune in write(preparation, 50, **favored):
        check(tune, 3)
        assert tune.tempo == 100
        assert preparation.tokenizer.has_velocities or set(tune.notes[:, 3].tolist()) == {90}


@pytest.mark.parametrize("signature", ["3/4", "6/8", "9/8", "4/4"])
def test_a_time_signature_is_kept_where_one_is_asked_for(preparation: Preparation, signature: str) -> None:
    for tune in write(preparation, 10, time_signature=signature):
        check(tune, 3)
        assert [str(mark) for mark in tune.time_signatures] == [signature]


@pytest.mark.parametrize(("share", "changes"), [(0.04, False), (0.06, True)])
def test_a_metre_is_held_where_training_tunes_hold_theirs(
    preparation: Preparation, share: float, changes: bool
) -> None:
    known = Preparation(preparation.tokenizer, preparation.facts._replace(changing_metre=share))
    for hold_metre, expected in ((None, changes), (True, False), (False, True)):
        tunes = write(known, 20, hold_metre=hold_metre)
        assert any(len(tune.time_signatures) > 1 for tune in tunes) == expected
    for tune in write(known, 5, PRIMER, hold_metre=True):
        assert [str(mark) for mark in tune.time_signatures] == ["6/8"]
    longer = write(known, 5, PRIMER, hold_metre=True, time_signature="3/4")
    assert [str(mark) for mark in longer[0].time_signatures] == ["6/8", "3/4"]


@pytest.mark.parametrize(("temperature", "waltzes"), [(0.2, 0.25), (1.0, 0.25), (0.0, 0.0), (1e-46, 0.0)])
def test_metres_are_drawn_as_often_as_the_model_says_whatever_the_temperature_of_the_notes(
    preparation: Preparation, temperature: float, waltzes: float
) -> None:
    signatures = preparation.events.signatures
    logits = torch.zeros(len(preparation.events))
    logits[list(signatures.values())] = -torch.inf
    logits[signatures["4/4"]], logits[signatures["3/4"]] = 0.0, -math.log(3)

    def step(tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        return logits.expand(*tokens.shape, -1), torch.zeros(1, len(tokens))

    config = DecodingConfig(bars=1, temperature=temperature)
    tunes = write_tunes(step, None, preparation, [None] * 400, config, range(400))
    drawn = numpy.mean([str(tune.time_signatures[0]) == "3/4" for tune in tunes])
    assert drawn == pytest.approx(waltzes, abs=4 * math.sqrt(0.25 * 0.75 / 400))


def test_a_time_signature_without_a_token_is_refused(preparation: Preparation) -> None:
    with pytest.raises(
        ConfigError, match=r"^compose: decoding\.time_signature must be one of .*6/8.* Got 13/8"
    ):
        write(preparation, 1, time_signature="13/8")


@pytest.mark.parametrize("favored", [{}, {"EOS": 9.0}, {"Bar": 9.0}])
def test_bars_are_added_to_a_primer_whose_notes_are_kept(
    preparation: Preparation, favored: dict[str, float]
) -> None:
    for tune in write(preparation, 10, PRIMER, bars=2, **favored):
        scale = tune.ticks_per_quarter // QUARTER
        kept = tune.notes[: len(PRIMER.notes)]
        assert (kept[:, :2] // scale).tolist() == PRIMER.notes[:, :2].tolist()
        assert kept[:, 2:].tolist() == PRIMER.notes[:, 2:].tolist()
        assert tune.notes[len(kept) :, 0].min(initial=tune.primer_end) >= kept[-1, 0]
        assert tune.tempo == PRIMER.tempo
        # its three bars, the last of which may go on, and two more; its long note rings beyond them
        assert tune._replace(notes=tune.notes[tune.notes[:, 1] < 500 * scale]).num_bars == 5


def test_primers_of_other_lengths_do_not_disturb_one_another(preparation: Preparation) -> None:
    tokenizer = preparation.tokenizer
    table = torch.randn(len(tokenizer), len(tokenizer), generator=torch.Generator().manual_seed(1))

    def step(tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        return table[tokens], torch.zeros(1, len(tokens))

    config, primers = DecodingConfig(bars=2), [None, PRIMER, PRIMER.take_bars(0, 1)]
    together = write_tunes(step, None, preparation, primers, config, [5, 5, 5])
    for primer, tune in zip(primers, together, strict=True):
        (alone,) = write_tunes(step, None, preparation, [primer], config, [5])
        assert midi_bytes(alone) == midi_bytes(tune)


def types_allowed(preparation: Preparation, tokens: Sequence[str], limits: Limits) -> set[str]:
    names = preparation.tokenizer.names
    state = TuneState(preparation.events, limits)
    for token in tokens:
        state.advance(names.index(token))
    return {preparation.events.types[token] for token in numpy.flatnonzero(state.allowed())}


def test_every_type_has_its_followers() -> None:
    tokenizer = TuneTokenizer.make(positions_per_beat=4, max_beats=4, has_velocities=False)
    preparation = Preparation(tokenizer, Facts())
    start, note = ["Bar_None", "TimeSig_3/4"], ["Position_11", "Pitch_108", "Duration_1.0.4"]
    cases: list[tuple[list[str], set[str]]] = [
        ([], {"Bar"}),
        (["Bar_None"], {"TimeSig"}),
        (start, {"Position"}),  # the first bar has a note
        ([*start, "Position_0"], {"Pitch"}),
        ([*start, "Position_0", "Pitch_60"], {"Duration"}),
        ([*start, "Position_0", "Pitch_60", "Duration_1.0.4"], {"Position", "Pitch", "Bar"}),
        ([*start, *note], {"Bar"}),  # the last position, the highest pitch
        ([*start, *note, *start], {"Position", "Bar"}),
        ([*start, *note, *start, *start], {"Position"}),  # one empty bar at most
    ]
    for tokens, expected in cases:
        assert types_allowed(preparation, tokens, Limits(8)) == expected
    full = Limits(8, max_bar_tokens=4)
    assert types_allowed(preparation, cases[5][0], full) == {"Bar"}
    assert types_allowed(preparation, [*start, *note, *start], Limits(bars=1)) == set()
    assert types_allowed(preparation, [*start, *note, *start], Limits(bars=2)) == {"Position"}


def test_positions_and_pitches_rise() -> None:
    tokenizer = TuneTokenizer.make(positions_per_beat=4, max_beats=4, has_velocities=False)
    events = EventVocabulary(tokenizer)
    state = TuneState(events, Limits(8))
    for name in ("Bar_None", "TimeSig_6/8", "Position_5", "Pitch_60", "Duration_1.0.4"):
        state.advance(tokenizer.names.index(name))
    allowed = state.allowed()
    assert sorted(events.position[allowed & (events.position >= 0)].tolist()) == list(range(6, 24))
    assert sorted(events.pitch[allowed & (events.pitch >= 0)].tolist()) == list(range(61, 109))
