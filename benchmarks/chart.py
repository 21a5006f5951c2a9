"""Draw docs/kernels.svg from results/recurrence.json: how many times as fast as torch.nn each layer is.

python benchmarks/chart.py
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
COLOURS = {"training": "#c2571a", "inference": "#2a5d8f", "bf16 training": "#e3a857"}
NAMES = {"training": "training", "inference": "inference", "bf16 training": "training in bfloat16"}
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 760, 234, 48, 64, 40
BAR, GAP, GROUP_GAP = 10, 2, 10
TICKS = (1, 2, 4, 8, 16, 32)


def text(at: tuple[float, float], words: str, anchor: str = "start", color: str = "#444") -> str:
    """A label."""
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
    )


class Scale:
    """Ratios to pixels, by their logarithms: twice as fast is as far as twice as slow."""

    def __init__(self, ratios: list[float]) -> None:
        self.low, self.high = min(0.9, *ratios), max(2.0, *ratios) * 1.1

    def __call__(self, ratio: float) -> float:
        share = math.log(ratio / self.low) / math.log(self.high / self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def bar(row: dict[str, Any], y: float, x: Scale) -> list[str]:
    """From as fast as torch.nn to as fast as it is, with the least and the most of its pairs."""
    start, end = sorted((x(1), x(row["ratio"])))
    middle, color = y + BAR / 2, COLOURS[row["mode"]]
    low, high = max(x(row["low"]), LEFT), min(x(row["high"]), WIDTH - RIGHT)
    return [
        f'<rect x="{start:.1f}" y="{y:.1f}" width="{end - start:.1f}" height="{BAR}" fill="{color}"/>',
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" stroke="#000" '
        'stroke-opacity="0.35"/>',
        text(
            (max(end, high) + 5, middle + 4),
            f"{row['ratio']:.{1 if row['ratio'] >= 10 else 2}f}",
            color="#222",
        ),
    ]


def svg(rows: list[dict[str, Any]]) -> str:
    """The drawing, a group of bars a layer and shape."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"{row['cell']} {row['shape']}", []).append(row)
    x = Scale([row["ratio"] for row in rows])
    height = TOP + BOTTOM + sum(GROUP_GAP + len(group) * (BAR + GAP) for group in groups.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        text((LEFT, 20), "times as fast as torch.nn in float32"),
    ]
    for place, (mode, color) in enumerate(COLOURS.items()):
        at = LEFT + 150 * place
        parts.append(f'<rect x="{at}" y="32" width="{BAR}" height="{BAR}" fill="{color}"/>')
        parts.append(text((at + BAR + 6, 40), NAMES[mode]))
    for tick in (tick for tick in TICKS if tick <= x.high):
        stroke = "#888" if tick == 1 else "#e4e4e4"
        parts.append(
            f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 8}" y2="{height - BOTTOM + 4}" '
            f'stroke="{stroke}"/>'
        )
        parts.append(text((x(tick), height - BOTTOM + 20), str(tick), "middle"))
    y = float(TOP)
    for name, group in groups.items():
        parts.append(text((LEFT - 10, y + len(group) * (BAR + GAP) / 2 + 4), name, "end"))
        for row in group:
            parts += bar(row, y, x)
            y += BAR + GAP
        y += GROUP_GAP
    return "\n".join([*parts, "</svg>", ""])


def draw(numbers: Path = HERE / "results" / "recurrence.json") -> None:
    """Write docs/kernels.svg."""
    rows = json.loads(numbers.read_text())["rows"]
    (HERE.parent / "docs" / "kernels.svg").write_text(svg(rows))


if __name__ == "__main__":
    draw()
