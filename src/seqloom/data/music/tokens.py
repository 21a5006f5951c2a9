"""Tunes as events: the tokens of REMI (Huang and Yang, 2020, arXiv:2002.00212), made by MidiTok.

A bar begins with `Bar` and its time signature; then come the positions at which notes begin, and for each of
its notes, from low to high, a pitch, a velocity if those of the data differ, and a duration.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy

from seqloom.data.music.tune import DURATION, ONSET, PITCH, VELOCITY, Tune, make_tune
from seqloom.data.music.tune import TimeSignature as Signature
from seqloom.errors import DataError, RunError
from seqloom.optional import import_optional

LOWEST, HIGHEST = 21, 108
"""The keys of a piano"""
SIGNATURES = {2: [2, 3, 4], 4: [1, 2, 3, 4, 5, 6, 7], 8: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}
"""Numerators by denominator"""
NUM_VELOCITIES = 16
SPECIAL = ("PAD", "BOS", "EOS")


class Encoded(NamedTuple):
    """The tokens of a tune, and what they leave out."""

    tokens: numpy.ndarray
    """(T,) uint16, from `BOS` to `EOS`"""
    cut: int
    """Notes that are longer than the longest duration"""
    left_out: int
    """Notes outside the keys of a piano, or twice there"""


@final
class TuneTokenizer:
    """Encode tunes as tokens, and decode them.

    Args:
        remi: MidiTok's tokenizer, as `make` or `load` set it up.

    >>> from seqloom.data.music.tune import make_tune
    >>> tokenizer = TuneTokenizer.make(positions_per_beat=4, max_beats=4, has_velocities=False)
    >>> tokens = tokenizer.encode(make_tune([(24, 48, 64)], ticks_per_quarter=24)).tokens
    >>> print(*(tokenizer.names[token] for token in tokens))
    BOS_None Bar_None TimeSig_4/4 Position_4 Pitch_64 Duration_2.0.4 EOS_None
    >>> tokenizer.decode(tokens).notes[:, 2]
    array([64])
    """

    def __init__(self, remi: Any) -> None:
        self._remi = remi
        numbers: dict[str, int] = remi.vocab
        self.names = sorted(numbers, key=numbers.__getitem__)
        self.pad, self.bos, self.eos = (numbers[f"{name}_None"] for name in SPECIAL)
        self.has_velocities: bool = remi.config.use_velocities
        self.positions_per_beat: int = remi.config.max_num_pos_per_beat
        self._max_beats = max(beats for _, beats in remi.config.beat_res)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def make(cls, positions_per_beat: int, max_beats: int, has_velocities: bool) -> TuneTokenizer:
        """A tokenizer of a piano.

        Args:
            positions_per_beat: at which a note may begin; a beat is a note of the time signature's
                denominator.
            max_beats: of the longest duration.
            has_velocities: whether there are tokens for them.

        Raises:
            ConfigError: MidiTok is not installed.
        """
        miditok = import_optional("miditok", "music")
        config = miditok.TokenizerConfig(
            pitch_range=(LOWEST, HIGHEST),
            beat_res={(0, max_beats): positions_per_beat},
            num_velocities=NUM_VELOCITIES,
            special_tokens=list(SPECIAL),
            use_velocities=has_velocities,
            use_time_signatures=True,
            time_signature_range=SIGNATURES,
            remove_duplicated_notes=True,
        )
        return cls(miditok.REMI(config))

    @classmethod
    def load(cls, path: Path) -> TuneTokenizer:
        """Read what `to_json` gave.

        Raises:
            RunError: the file is missing or damaged.
            ConfigError: MidiTok is not installed.
        """
        miditok = import_optional("miditok", "music")
        try:
            if json.loads(path.read_text(encoding="utf-8"))["tokenization"] != "REMI":
                raise ValueError("another tokenization than REMI")
            return cls(miditok.REMI(params=path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(path, "expected a tokenizer of MidiTok", got=f"{error!s:.200}") from None

    def to_json(self) -> str:
        """MidiTok's own file, `miditok.REMI(params=…)` reads it."""
        return json.dumps(self._remi.to_dict())

    def encode(self, tune: Tune, where: object = "tune") -> Encoded:
        """The tokens of a tune; onsets and durations are rounded to positions.

        Raises:
            DataError: a time signature that has no token, or no note that has one.
        """
        for mark in tune.time_signatures:
            if mark.numerator not in SIGNATURES.get(mark.denominator, ()):
                expected = "expected time signatures from 1/4 to 7/4, 2/8 to 12/8 or 2/2 to 4/2"
                raise DataError(where, expected, got=str(mark))
        inside = tune.notes[(tune.notes[:, PITCH] >= LOWEST) & (tune.notes[:, PITCH] <= HIGHEST)]
        if not len(inside):
            raise DataError(where, "expected notes on the keys of a piano", got="none")
        notes = _without_doubles(inside)
        beat = tune.ticks_per_quarter * 4 // max(mark.denominator for mark in tune.time_signatures)
        cut = int((notes[:, DURATION] > self._max_beats * beat).sum())
        sequences = self._remi.encode(_to_score(tune._replace(notes=notes)))
        ids = sequences[0].ids if isinstance(sequences, list) else sequences.ids
        tokens = numpy.array([self.bos, *ids, self.eos], dtype=numpy.uint16)
        return Encoded(tokens, cut, len(tune.notes) - len(notes))

    def decode(self, tokens: Sequence[int] | numpy.ndarray) -> Tune:
        """The tune of tokens, which may lack `BOS` and `EOS`; its length is that of its bars.

        A note without a duration is left out, as a sequence that was cut off may end in one.
        """
        special = (self.pad, self.bos, self.eos)
        ids = [int(token) for token in tokens if token not in special]
        score = self._remi.decode([ids])
        notes = [
            (note.time, note.duration, note.pitch, note.velocity)
            for track in score.tracks
            for note in track.notes
        ]
        marks = tuple(
            Signature(mark.time, mark.numerator, mark.denominator) for mark in score.time_signatures
        )
        tune = make_tune(notes, score.ticks_per_quarter, marks)
        bars = sum(self.names[token].startswith("Bar") for token in ids)
        return tune._replace(length=_end_of_bar(tune, bars))


def _end_of_bar(tune: Tune, bars: int) -> int:
    """The tick at which bar number `bars`, counted from 1, is over."""
    end = 0
    for _ in range(bars):
        end += tune.signature_at(end).bar_ticks(tune.ticks_per_quarter)
    return end


def _without_doubles(notes: numpy.ndarray) -> numpy.ndarray:
    """Of notes that begin together on one key, the longest."""
    order = numpy.lexsort((-notes[:, DURATION], notes[:, PITCH], notes[:, ONSET]))
    notes = notes[order]
    is_double = (numpy.diff(notes[:, [ONSET, PITCH]], axis=0) == 0).all(axis=1)
    return notes[numpy.concatenate([[True], ~is_double])]


def _to_score(tune: Tune) -> Any:
    symusic = import_optional("symusic", "music")
    score = symusic.Score(tune.ticks_per_quarter)
    for mark in tune.time_signatures:
        score.time_signatures.append(symusic.TimeSignature(*mark))
    columns = {name: tune.notes[:, place].astype(numpy.int32) for name, place in COLUMNS.items()}
    for name in ("pitch", "velocity"):
        columns[name] = columns[name].astype(numpy.int8)
    track = symusic.Track("", 0, False)
    track.notes = symusic.Note.from_numpy(**columns)
    score.tracks.append(track)
    return score


COLUMNS = {"time": ONSET, "duration": DURATION, "pitch": PITCH, "velocity": VELOCITY}
