"""Sets of tunes, compared with the training tunes: statistics, overlapping areas, and what was copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from seqloom.data.music.tune import DURATION, ONSET, PITCH, Tune
from seqloom.metrics import music

MAX_REFERENCE = 1000
"""Training tunes that others are compared with; more would take longer and say little more"""
TICKS_PER_QUARTER = 24
"""All tunes are compared at this resolution."""
GROOVE_STEP = 2
"""Ticks: twelve steps a quarter note"""


def spread(size: int, most: int) -> list[int]:
    """At most `most` numbers below `size`, spread evenly.

    >>> spread(3, 5), spread(10, 4)
    ([0, 1, 2], [0, 2, 5, 7])
    """
    count = min(size, most)
    return [number * size // count for number in range(count)]


def measure_tune(tune: Tune) -> dict[str, float]:
    """The statistics of a tune, by their usual names."""
    notes, starts = tune.notes, tune.bar_starts()
    return {
        "pitch-class entropy": music.pitch_class_entropy(notes[:, PITCH]),
        "scale consistency": music.scale_consistency(notes[:, PITCH]),
        "polyphony": music.polyphony(notes[:, ONSET], notes[:, DURATION]),
        "groove consistency": music.groove_consistency(notes[:, ONSET], starts, GROOVE_STEP),
        "notes per quarter": len(notes) * tune.ticks_per_quarter / max(tune.end, 1),
    }


def compare_tunes(
    training: Sequence[Tune], sets: Mapping[str, Sequence[Tune]], bars: int, num_training: int
) -> dict[str, Any]:
    """Compare sets of tunes with the training tunes.

    Args:
        training: the tunes that are the reference.
        sets: such as `model`, `held out` and `bigram`.
        bars: of the beginning of each tune, for statistics; training tunes are copied from as a whole.
        num_training: how many training tunes there are.

    Returns:
        `statistics`, the means of each set; `overlapping_area`, of their densities with those of the training
        tunes; `copied`, n-gram overlap and longest runs of bars; and `compared`, what was.
    """
    whole = [tune.with_resolution(TICKS_PER_QUARTER) for tune in training]
    parts = {name: _beginnings(tunes, bars) for name, tunes in {"training": training, **sets}.items()}
    values = {name: _columns([measure_tune(tune) for tune in tunes]) for name, tunes in parts.items()}
    copies = music.Copies((_plain_notes(tune), tune.bar_starts()) for tune in whole)
    reference = values["training"]
    copied = {name: _measure_copies(copies, parts[name]) for name in sets}
    of_all = "" if len(training) == num_training else f" of {num_training:,}"
    counts = ", ".join(f"{len(tunes):,} {name}" for name, tunes in sets.items())
    return {
        "statistics": {
            name: _known({each: _mean(values[each][name]) for each in parts}) for name in reference
        },
        "overlapping_area": {
            name: _known({each: music.overlapping_area(reference[name], values[each][name]) for each in sets})
            for name in reference
        },
        "copied": {
            name: _known({each: copied[each][name] for each in sets}) for name in next(iter(copied.values()))
        },
        "compared": f"{counts}, their first {bars} bars, with {len(training):,}{of_all} training tunes",
    }


def _mean(values: numpy.ndarray) -> float:
    """The mean of those that are known; nan where none is, as the groove of tunes of one bar."""
    known = values[~numpy.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _known(row: dict[str, float]) -> dict[str, float]:
    """Without nan, which JSON has not."""
    return {name: value for name, value in row.items() if value == value}


def _beginnings(tunes: Sequence[Tune], bars: int) -> list[Tune]:
    """The first bars of the tunes that have notes there."""
    beginnings = [tune.take_bars(0, bars).with_resolution(TICKS_PER_QUARTER) for tune in tunes]
    return [tune for tune in beginnings if len(tune.notes)]


def _columns(rows: list[dict[str, float]]) -> dict[str, numpy.ndarray]:
    return {name: numpy.array([row[name] for row in rows]) for name in rows[0]}


def _plain_notes(tune: Tune) -> numpy.ndarray:
    return tune.notes[:, [ONSET, DURATION, PITCH]]


def _measure_copies(copies: music.Copies, tunes: Sequence[Tune]) -> dict[str, float]:
    overlaps = [copies.ngram_overlap(_plain_notes(tune)) for tune in tunes]
    runs = [copies.longest_run(_plain_notes(tune), tune.bar_starts()) for tune in tunes]
    return {
        f"{music.NGRAM}-gram overlap": _mean(numpy.array(overlaps)),
        "longest run in bars, mean": float(numpy.mean(runs)),
        "longest run in bars, longest": max(runs),
        "tunes with a run of more than 2 bars": sum(run > 2 for run in runs),
    }
