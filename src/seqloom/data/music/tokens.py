"""Tunes as events: the tokens of REMI (Huang and Yang, 2020, arXiv:2002.00212), made by MidiTok.

A bar begins with `Bar` and its time signature; then come the positions at which notes begin, and for each of
its notes, from low to high, a pitch, a velocity if those of the data differ, and a duration.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy

from seqloom.data.music.tune import DEFAULT_VELOCITY, DURATION, ONSET, PITCH, VELOCITY, Tune, make_tune
from seqloom.data.music.tune import TimeSignature as Signature
from seqloom.data.text.stored_vocabulary import is_like
from seqloom.errors import DataError, RunError
from seqloom.optional import import_optional
from seqloom.stored import DAMAGED, parse_json, read_text

LOWEST, HIGHEST = 21, 108
"""The keys of a piano"""
SIGNATURES = {2: [2, 3, 4], 4: [1, 2, 3, 4, 5, 6, 7], 8: [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}
"""Numerators by denominator"""
NUM_VELOCITIES = 16
MAX_POSITIONS, MAX_BEATS = 48, 64
"""Of a beat, and of the longest duration"""
SPECIAL = ("PAD", "BOS", "EOS")


class Encoded(NamedTuple):
    """The tokens of a tune, and what they leave out."""

    tokens: numpy.ndarray
    """(T,) uint16, from `BOS` to `EOS`"""
    cut: int
    """Notes that are longer than the longest duration"""
    left_out: int
    """Notes outside the keys of a piano, or twice there"""


class Numbers(NamedTuple):
    """The numbers in the names of tokens, (V,) each, -1 for tokens that have none of a kind."""

    position: numpy.ndarray
    pitch: numpy.ndarray
    velocity: numpy.ndarray
    duration: numpy.ndarray
    """In positions"""
    numerator: numpy.ndarray
    denominator: numpy.ndarray


def _read_names(names: Sequence[str], positions_per_beat: int) -> Numbers:
    table = Numbers(*numpy.full((len(Numbers._fields), len(names)), -1, dtype=numpy.int64))
    for token, name in enumerate(names):
        kind, _, value = name.partition("_")
        if kind == "Duration":  # beats, positions, positions of a beat
            beats, positions, _ = map(int, value.split("."))
            table.duration[token] = beats * positions_per_beat + positions
        elif kind == "TimeSig":
            table.numerator[token], table.denominator[token] = map(int, value.split("/"))
        elif kind in ("Position", "Pitch", "Velocity"):
            getattr(table, kind.lower())[token] = int(value)
    return table


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
        self._table = _read_names(self.names, self.positions_per_beat)

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
        expected = "expected a tokenizer of MidiTok"
        content = parse_json(read_text(path, expected), path, expected)
        config = content.get("config") if isinstance(content, dict) else None
        tokenizer = cls._like(config) if isinstance(config, dict) else None
        if tokenizer is None or not is_like(config, json.loads(tokenizer.to_json())["config"]):
            raise RunError(path, expected, got="one that is not as this package makes them", hint=DAMAGED)
        return tokenizer

    @classmethod
    def _like(cls, config: dict[str, Any]) -> TuneTokenizer | None:
        """One that is made anew with the few settings that may differ; None where they are out of bounds."""
        resolution = config.get("beat_res")
        if not isinstance(resolution, dict) or len(resolution) != 1:
            return None
        ((beats, positions),) = resolution.items()
        match = re.fullmatch(r"0_(\d{1,2})", beats)
        if match is None or type(positions) is not int or not 1 <= positions <= MAX_POSITIONS:
            return None
        if not 1 <= int(match[1]) <= MAX_BEATS:
            return None
        return cls.make(positions, int(match[1]), config.get("use_velocities") is True)

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

        It is MidiTok's, of which it takes a tenth of the time. A note without a duration is left out, as a
        sequence that was cut off may end in one; so is what comes before the first time signature.
        """
        table, quarter = self._table, 2 * self.positions_per_beat
        tokens = numpy.asarray(tokens, dtype=numpy.int64)
        places = numpy.arange(len(tokens))
        # A bar begins with its time signature, which comes right after it
        signatures = places[table.numerator[tokens] > 0]
        numerators, denominators = table.numerator[tokens[signatures]], table.denominator[tokens[signatures]]
        sizes = quarter * 4 * numerators // numpy.maximum(denominators, 1)
        starts = numpy.concatenate([[0], numpy.cumsum(sizes)])
        bars = numpy.searchsorted(signatures, places, side="right") - 1
        positions = numpy.maximum.accumulate(numpy.where(table.position[tokens] >= 0, places, -1))
        pitches = places[(table.pitch[tokens] >= 0) & (bars >= 0) & (positions >= 0)]
        ends = pitches + 1 + self.has_velocities
        pitches = pitches[ends < len(tokens)]
        durations = table.duration[tokens[pitches + 1 + self.has_velocities]]
        pitches, durations = pitches[durations > 0], durations[durations > 0]
        steps = quarter * 4 // (denominators[bars[pitches]] * self.positions_per_beat)
        onsets = starts[bars[pitches]] + table.position[tokens[positions[pitches]]] * steps
        velocities = table.velocity[tokens[pitches + 1]] if self.has_velocities else DEFAULT_VELOCITY
        columns = (onsets, durations * steps, table.pitch[tokens[pitches]], velocities)
        marks = tuple(
            Signature(*map(int, mark)) for mark in zip(starts[:-1], numerators, denominators, strict=True)
        )
        notes = numpy.stack(numpy.broadcast_arrays(*columns), axis=1)
        return make_tune(notes, quarter, marks, length=int(starts[-1]))


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
    columns = {name: tune.notes[:, place].astype(dtype) for name, (place, dtype) in COLUMNS.items()}
    track = symusic.Track("", 0, False)
    track.notes = symusic.Note.from_numpy(**columns)
    score.tracks.append(track)
    return score


COLUMNS: dict[str, tuple[int, Any]] = {
    "time": (ONSET, numpy.int32),
    "duration": (DURATION, numpy.int32),
    "pitch": (PITCH, numpy.int8),
    "velocity": (VELOCITY, numpy.int8),
}
"""Of notes as symusic takes them: the column of a tune's notes, and the type"""
