"""Tunes as tokens: time signatures and notes survive, and what does not is counted."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from seqloom.data.music.tokens import TuneTokenizer
from seqloom.data.music.tune import TimeSignature, Tune, make_tune
from seqloom.errors import DataError, RunError

from .metres import METRES, tune_in


@pytest.fixture(scope="module")
def tokenizer() -> TuneTokenizer:
    return TuneTokenizer.make(positions_per_beat=12, max_beats=16, has_velocities=False)


def in_quarters(tune: Tune) -> list[list[int]]:
    return tune.with_resolution(24).notes[:, :3].tolist()


@pytest.mark.parametrize("metres", METRES)
def test_time_signatures_and_notes_survive(tokenizer: TuneTokenizer, metres: list[tuple[int, int]]) -> None:
    tune = tune_in(*metres)
    back = tokenizer.decode(tokenizer.encode(tune).tokens).with_resolution(24)
    assert in_quarters(back) == in_quarters(tune)
    assert back.time_signatures == tune.time_signatures
    assert back.length == tune.length
    assert back.bar_starts().tolist() == tune.bar_starts().tolist()


def test_triplets_and_dotted_notes_survive(tokenizer: TuneTokenizer) -> None:
    notes = [(0, 36, 60), (36, 12, 62), (48, 8, 64), (56, 8, 65), (64, 8, 67), (72, 6, 69), (78, 18, 71)]
    tune = make_tune(notes, 24)
    assert in_quarters(tokenizer.decode(tokenizer.encode(tune).tokens)) == in_quarters(tune)


def test_what_is_cut_and_left_out_is_counted(tokenizer: TuneTokenizer) -> None:
    notes = [(0, 24 * 17, 60), (0, 24, 62), (0, 48, 62), (24, 24, 20), (24, 24, 109), (48, 24, 64)]
    encoded = tokenizer.encode(make_tune(notes, 24))
    assert (encoded.cut, encoded.left_out) == (1, 3)
    assert in_quarters(tokenizer.decode(encoded.tokens)) == [[0, 384, 60], [0, 48, 62], [48, 24, 64]]


def test_velocities_are_rounded_to_sixteen() -> None:
    tokenizer = TuneTokenizer.make(positions_per_beat=4, max_beats=4, has_velocities=True)
    tune = make_tune([(0, 24, 60, 30), (24, 24, 62, 100)], 24)
    velocities = tokenizer.decode(tokenizer.encode(tune).tokens).notes[:, 3]
    numpy.testing.assert_allclose(velocities, [30, 100], atol=4)  # 127 / 16 / 2


@pytest.mark.parametrize("mark", [TimeSignature(0, 13, 8), TimeSignature(96, 3, 16)])
def test_a_time_signature_without_a_token_is_refused(tokenizer: TuneTokenizer, mark: TimeSignature) -> None:
    tune = make_tune([(0, 24, 60)], 24, (mark,))
    expected = rf"^a\.mid: expected time signatures from 1/4 to 7/4, .*\. Got {mark}\.$"
    with pytest.raises(DataError, match=expected):
        tokenizer.encode(tune, "a.mid")


def test_notes_outside_a_piano_only_are_refused(tokenizer: TuneTokenizer) -> None:
    with pytest.raises(DataError, match=r"expected notes on the keys of a piano\. Got none\."):
        tokenizer.encode(make_tune([(0, 24, 5)], 24))


def test_a_pitch_without_a_duration_is_left_out(tokenizer: TuneTokenizer) -> None:
    tokens = tokenizer.encode(make_tune([(0, 24, 60), (24, 24, 62)], 24)).tokens
    assert tokenizer.decode(tokens[:-2]).notes[:, 2].tolist() == [60]


def test_the_tokenizer_is_midi_toks_file(tokenizer: TuneTokenizer, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json())
    loaded = TuneTokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.names == tokenizer.names
    assert loaded.to_json() == tokenizer.to_json()


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"config": 1}'])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(RunError, match=r"tokenizer\.json: expected a tokenizer of MidiTok"):
        TuneTokenizer.load(tmp_path / "tokenizer.json")
