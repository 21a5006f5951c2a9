"""Statistics of tunes, what a tune shares with others, and how alike two sets of tunes are.

Statistics are as MusPy defines them (Dong et al., 2020, arXiv:2008.01951), groove as Wu and Yang (2020,
arXiv:2008.01307). Onsets and durations are in one unit, such as ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, final

import numpy

MAJOR = numpy.array([0, 2, 4, 5, 7, 9, 11])
NGRAM = 8
"""Notes of an n-gram"""
GRID = 512
"""Points at which densities are compared"""
GRID_MARGIN = 4.0
"""Bandwidths beyond the outermost values at which the comparison ends"""


def pitch_class_entropy(pitches: numpy.ndarray) -> float:
    """Entropy of the histogram of pitch classes in bits: 0 for one note only, 3.58 for all twelve alike.

    >>> pitch_class_entropy(numpy.array([60, 72, 64, 76]))
    1.0
    """
    shares = numpy.bincount(pitches % 12, minlength=12) / len(pitches)
    shares = shares[shares > 0]
    return float(-(shares * numpy.log2(shares)).sum()) + 0.0


def scale_consistency(pitches: numpy.ndarray) -> float:
    """The largest share of notes that are in one major scale, or in the natural minor scale of its notes.

    >>> scale_consistency(numpy.array([60, 62, 64, 66])), scale_consistency(numpy.array([60, 61, 62, 63]))
    (1.0, 0.75)
    """
    counts = numpy.bincount(pitches % 12, minlength=12)
    return float(max(counts[(MAJOR + root) % 12].sum() for root in range(12)) / len(pitches))


def polyphony(onsets: numpy.ndarray, durations: numpy.ndarray) -> float:
    """Notes that sound together, on average over the time in which one sounds.

    >>> polyphony(numpy.array([0, 0, 8]), numpy.array([4, 4, 4]))
    1.5
    """
    order = numpy.argsort(onsets, kind="stable")
    ends = numpy.maximum.accumulate((onsets + durations)[order])
    starts = onsets[order]
    # What of each note is not covered by the notes before it
    uncovered = numpy.maximum(ends - numpy.maximum(starts, numpy.concatenate([starts[:1], ends[:-1]])), 0)
    return float(durations.sum() / uncovered.sum())


def groove_consistency(onsets: numpy.ndarray, bar_starts: numpy.ndarray, step: int) -> float:
    """How alike the rhythms of neighboring bars are: 1 less the share of steps at which one has an onset.

    Args:
        onsets: (N,) of notes.
        bar_starts: (bars + 1,), the last one is the end.
        step: size of a step.

    Returns:
        The mean over neighbors of the same length, 1 for equal rhythms; nan where there are no neighbors.

    >>> groove_consistency(numpy.array([0, 2, 4, 6]), numpy.array([0, 4, 8]), step=1)
    1.0
    >>> groove_consistency(numpy.array([0, 2, 4, 7]), numpy.array([0, 4, 8]), step=1)
    0.5
    """
    bars = numpy.searchsorted(bar_starts, onsets, side="right") - 1
    sizes = numpy.diff(bar_starts) // step
    patterns = [numpy.zeros(max(size, 1), dtype=bool) for size in sizes.tolist()]
    for bar, place in zip(bars.tolist(), ((onsets - bar_starts[bars]) // step).tolist(), strict=True):
        if bar < len(patterns) and place < len(patterns[bar]):
            patterns[bar][place] = True
    alike = [
        float((first == second).mean()) for first, second in pairwise(patterns) if len(first) == len(second)
    ]
    return float(numpy.mean(alike)) if alike else float("nan")


def note_ngrams(notes: numpy.ndarray, size: int = NGRAM) -> list[tuple[Any, ...]]:
    """The n-grams of a tune's notes, whatever its key.

    Args:
        notes: (N, 3) onset, duration and pitch of each, by onset, then by pitch.
        size: notes of an n-gram.

    >>> high, low = ([[0, 2, 60 + key], [2, 1, 64 + key]] for key in (12, 0))
    >>> note_ngrams(numpy.array(high), 2) == note_ngrams(numpy.array(low), 2)
    True
    """
    steps = numpy.diff(notes[:, [0, 2]], axis=0).tolist()
    durations = notes[:, 1].tolist()
    return [
        (*map(tuple, steps[start : start + size - 1]), *durations[start : start + size])
        for start in range(len(notes) - size + 1)
    ]


def bar_links(notes: numpy.ndarray, bar_starts: numpy.ndarray) -> list[tuple[Any, int]]:
    """Each bar of a tune whatever its key, and by how much its first pitch is above that of the bar before.

    Args:
        notes: (N, 3) onset, duration and pitch of each, by onset, then by pitch.
        bar_starts: (bars + 1,), the last one is the end.

    Returns:
        A pair a bar: its length with its notes, their pitches from its first one; and the interval. Bars
        without notes break a run: they are left out, as None.
    """
    bars = numpy.searchsorted(bar_starts, notes[:, 0], side="right") - 1
    links: list[tuple[Any, int]] = []
    before = 0
    for bar in range(len(bar_starts) - 1):
        inside = notes[bars == bar]
        if not len(inside):
            links.append((None, 0))
            continue
        first = int(inside[0, 2])
        content = (inside - [bar_starts[bar], 0, first]).tobytes()
        links.append(((int(bar_starts[bar + 1] - bar_starts[bar]), content), first - before))
        before = first
    return links


@final
class Copies:
    """Find what tunes have in common with those of a training set, whatever their keys.

    Args:
        tunes: for each the notes (N, 3), onset, duration and pitch by onset, then by pitch, and the starts of
            its bars.
    """

    def __init__(self, tunes: Iterable[tuple[numpy.ndarray, numpy.ndarray]]) -> None:
        self._ngrams: set[int] = set()
        self._bars: list[list[tuple[Any, int]]] = []
        for notes, bar_starts in tunes:
            self._ngrams.update(map(hash, note_ngrams(notes)))
            self._bars.append(bar_links(notes, bar_starts))
        self._runs: dict[int, set[int]] = {}

    def ngram_overlap(self, notes: numpy.ndarray) -> float:
        """The share of a tune's n-grams that are in the training set; nan for a tune of fewer notes.

        >>> scale = numpy.array([[t, 1, 60 + t] for t in range(12)])
        >>> Copies([(scale, numpy.array([0, 4, 8, 12]))]).ngram_overlap(scale)
        1.0
        """
        ngrams = note_ngrams(notes)
        if not ngrams:
            return float("nan")
        return sum(hash(ngram) in self._ngrams for ngram in ngrams) / len(ngrams)

    def longest_run(self, notes: numpy.ndarray, bar_starts: numpy.ndarray) -> int:
        """The most bars in a row that a training tune has too, note for note, perhaps in another key.

        >>> scale, bars = numpy.array([[t, 1, 60 + t] for t in range(12)]), numpy.array([0, 4, 8, 12])
        >>> Copies([(scale, bars)]).longest_run(scale[4:] + [-4, 0, 5], bars[1:] - 4)
        2
        """
        links, longest = bar_links(notes, bar_starts), 0
        while longest < len(links) and not self._known(longest + 1).isdisjoint(_runs(links, longest + 1)):
            longest += 1
        return longest

    def _known(self, size: int) -> set[int]:
        if size not in self._runs:
            self._runs[size] = {run for links in self._bars for run in _runs(links, size)}
        return self._runs[size]


def _runs(links: Sequence[tuple[Any, int]], size: int) -> set[int]:
    """The runs of `size` bars with notes, hashed; the first one's key is free."""
    return {
        hash((links[start][0], *links[start + 1 : start + size]))
        for start in range(len(links) - size + 1)
        if all(bar is not None for bar, _ in links[start : start + size])
    }


def overlapping_area(values: numpy.ndarray, others: numpy.ndarray) -> float:
    """The area that is below the densities of both of two sets of values: 1 where they are the same.

    Densities are estimated with Gaussian kernels, their bandwidth by Scott's rule. Yang and Lerch ("On the
    evaluation of generative models in music", 2020) measure distances between tunes so; here it is the
    values themselves. Values that are nan are left out.

    Args:
        values: (N,) a statistic of one set of tunes.
        others: (M,) the same of another set.

    >>> few = numpy.arange(9.0)
    >>> overlapping_area(few, few), overlapping_area(few, few + 90)
    (1.0, 0.0)
    """
    sets = [part[numpy.isfinite(part)] for part in (values, others)]
    if not all(map(len, sets)):
        return float("nan")
    span = max(part.max() for part in sets) - min(part.min() for part in sets)
    if not span:
        return 1.0
    # A set of equal values has no deviation: a hundredth of the span stands for it
    widths = [max(part.std() * len(part) ** -0.2, span / 100) for part in sets]
    margin = GRID_MARGIN * max(widths)
    low, high = min(part.min() for part in sets) - margin, max(part.max() for part in sets) + margin
    grid = numpy.linspace(low, high, GRID)
    densities = [_density(grid, part, width) for part, width in zip(sets, widths, strict=True)]
    return round(float(numpy.trapezoid(numpy.minimum(*densities), grid)), 6)


def _density(grid: numpy.ndarray, values: numpy.ndarray, width: float) -> numpy.ndarray:
    distances = (grid[:, None] - values) / width
    density = numpy.exp(-0.5 * distances**2).sum(axis=1)
    return density / numpy.trapezoid(density, grid)
