"""A piano roll as one SVG, four bars a line: readable on a phone, in light and dark; notes have titles."""

from __future__ import annotations

from xml.sax.saxutils import escape

import numpy

from seqloom.data.music.tune import DURATION, ONSET, PITCH, VELOCITY, Tune, pitch_name

BARS_PER_LINE = 4
MAX_BARS = 400
"""A picture of more would be of no use; the rest is said to be left out"""
WIDTH, LEFT, RIGHT, TOP, GAP = 760, 58, 6, 66, 46
KEY = 8
"""Height of a key"""
MARGIN_KEYS = 2
BLACK_KEYS = (1, 3, 6, 8, 10)
STYLE = """
svg { --paper: #fff; --ink: #222; --line: #bbb; --black: #f1f1f1; --note: #2a5d8f; --primer: #c2571a }
@media (prefers-color-scheme: dark) {
  svg { --paper: #16181c; --ink: #e6e6e6; --line: #555; --black: #22252b; --note: #7fb2e5; --primer: #f0a06a }
}
text { font: 20px system-ui, sans-serif; fill: var(--ink) }
.title { font-weight: 600 }
.paper { fill: var(--paper) } .black { fill: var(--black) } .line { stroke: var(--line) }
.note { fill: var(--note) } .primer { fill: var(--primer) }
.note:hover, .primer:hover { stroke: var(--ink); stroke-width: 2 }
"""


def roll_svg(tune: Tune, title: str = "") -> str:
    """Draw a tune.

    Args:
        tune: the notes; those of its primer have another color.
        title: above the picture.

    Returns:
        A whole SVG file, which needs no other.

    >>> from seqloom.data.music.tune import make_tune
    >>> svg = roll_svg(make_tune([(0, 24, 60)], ticks_per_quarter=24), title="one note")
    >>> "C4, bar 1, beat 1, 1 beat" in svg
    True
    """
    starts = tune.bar_starts().tolist()
    num_bars = min(len(starts) - 1, MAX_BARS)
    pitches = tune.notes[:, PITCH]
    low, high = int(pitches.min(initial=60)) - MARGIN_KEYS, int(pitches.max(initial=72)) + MARGIN_KEYS
    line_height = KEY * (high - low + 1)
    lines = -(-num_bars // BARS_PER_LINE)
    height = TOP + lines * (line_height + GAP)
    # Bars of one line are drawn to one scale, that of the longest line
    ticks_per_line = max(
        starts[min(first + BARS_PER_LINE, num_bars)] - starts[first]
        for first in range(0, num_bars, BARS_PER_LINE)
    )
    left_out = len(starts) - 1 - num_bars
    caption = title + (f" (without the last {left_out:,} bars)" if left_out else "")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(caption or 'piano roll')}</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="28">{escape(caption)}</text>',
    ]
    scale = (WIDTH - LEFT - RIGHT) / max(ticks_per_line, 1)
    for line in range(lines):
        first = line * BARS_PER_LINE
        stop = min(first + BARS_PER_LINE, num_bars)
        top = TOP + line * (line_height + GAP)
        parts += _staff(tune, starts, (first, stop), (low, high), top, scale)
        inside = (tune.notes[:, ONSET] >= starts[first]) & (tune.notes[:, ONSET] < starts[stop])
        for note in tune.notes[inside]:
            parts.append(_note(tune, note, starts, (starts[first], high, top), scale))
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _staff(
    tune: Tune,
    starts: list[int],
    bars: tuple[int, int],
    keys: tuple[int, int],
    top: int,
    scale: float,
) -> list[str]:
    """The keys, the octaves and the bars of a line."""
    low, high = keys
    right = LEFT + (starts[bars[1]] - starts[bars[0]]) * scale
    bottom = top + KEY * (high - low + 1)
    parts = []
    for pitch in range(low, high + 1):
        y = top + KEY * (high - pitch)
        if pitch % 12 in BLACK_KEYS:
            width = right - LEFT
            parts.append(f'<rect class="black" x="{LEFT}" y="{y}" width="{width:.1f}" height="{KEY}"/>')
        if pitch % 12 == 0:
            parts.append(f'<text x="{LEFT - 8}" y="{y + KEY}" text-anchor="end">{pitch_name(pitch)}</text>')
            parts.append(f'<line class="line" x1="{LEFT}" x2="{right:.1f}" y1="{y + KEY}" y2="{y + KEY}"/>')
    for bar in range(bars[0], bars[1] + 1):
        x = LEFT + (starts[bar] - starts[bars[0]]) * scale
        parts.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>')
        if bar < bars[1]:
            new = [str(mark) for mark in tune.time_signatures if mark.tick == starts[bar]]
            parts.append(f'<text x="{x + 3:.1f}" y="{top - 8}">{" ".join([str(bar + 1), *new])}</text>')
    return parts


def _note(
    tune: Tune,
    note: numpy.ndarray,
    starts: list[int],
    corner: tuple[int, int, int],
    scale: float,
) -> str:
    onset, duration, pitch = (int(note[column]) for column in (ONSET, DURATION, PITCH))
    line_start, high, top = corner
    x, y = LEFT + (onset - line_start) * scale, top + KEY * (high - pitch)
    width = max(min(duration * scale, WIDTH - RIGHT - x) - 1, 2)
    kind = "primer" if onset < tune.primer_end else "note"
    opacity = 0.55 + 0.45 * int(note[VELOCITY]) / 127
    bar = int(numpy.searchsorted(starts, onset, side="right")) - 1
    mark = tune.signature_at(onset)
    beat = tune.ticks_per_quarter * 4 / mark.denominator
    beats = duration / beat
    what = (
        f"{pitch_name(pitch)}, bar {bar + 1}, beat {(onset - starts[bar]) / beat + 1:.4g}, "
        f"{beats:.4g} beat{'s' * (beats != 1)}"
    )
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{KEY}" rx="2" '
        f'opacity="{opacity:.2f}"><title>{what}</title></rect>'
    )
