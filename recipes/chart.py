"""Draw docs/tinyshakespeare.svg from the validation records in recipes/results/.

python recipes/chart.py
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
CURVES = {
    "tinyshakespeare-5-minutes.jsonl": ("#c2571a", "seqloom train, all defaults"),
    "tinyshakespeare.jsonl": ("#2a5d8f", "recipes/tinyshakespeare.yaml"),
}
LINES = {"6-gram, Kneser-Ney": 1.5581, "nanoGPT, its GPU setting": 1.4697}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 64, 216, 40, 48
LOSSES, MINUTES = (1.4, 1.75), (0.5, 30.0)


def x(minutes: float) -> float:
    """Minutes on a scale of square roots: the first ones matter most."""
    low, high, at = (value**0.5 for value in (*MINUTES, minutes))
    return LEFT + (at - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def y(loss: float) -> float:
    """Nats, from above."""
    low, high = LOSSES
    return TOP + (high - loss) / (high - low) * (HEIGHT - TOP - BOTTOM)


def text(at: tuple[float, float], words: str, anchor: str = "start", color: str = "#444") -> str:
    """A label."""
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
    )


def level(loss: float, stroke: str) -> str:
    """A line across."""
    return f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" stroke="{stroke}/>'


def curve(records: list[dict[str, float]], color: str) -> list[str]:
    """A line through the validations, with the best."""
    points = [(x(r["seconds"] / 60), y(r["loss_nats_per_character"])) for r in records]
    shown = [(px, py) for (px, py), r in zip(points, records, strict=True) if r["seconds"] >= 60 * MINUTES[0]]
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in shown if py >= TOP)
    best = min(r["loss_nats_per_character"] for r in records)  # the weights that are kept
    end = shown[-1]
    return [
        f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.5"/>',
        f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="4" fill="{color}"/>',
        text((end[0] + 10, end[1] + 16), f"{best:.3f}", color=color),
    ]


def main() -> None:
    """Draw."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for tick in (1.4, 1.5, 1.6, 1.7):
        parts.append(level(tick, '#eee"'))
        parts.append(text((LEFT - 8, y(tick) + 4), f"{tick:.1f}", "end"))
    ticks = (1, 2, 5, 10, 20, 30)
    parts += [text((x(minutes), HEIGHT - BOTTOM + 18), str(minutes), "middle") for minutes in ticks]
    parts.append(
        text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10), "minutes of training on two CPU cores", "middle")
    )
    parts.append(text((LEFT - 40, 20), "validation loss, nats per character"))
    for name, loss in LINES.items():
        parts.append(level(loss, '#888" stroke-dasharray="5 4"'))
        parts.append(text((WIDTH - RIGHT + 8, y(loss) + 4), f"{name} {loss:.3f}"))
    for place, (file, (color, name)) in enumerate(CURVES.items()):
        records = [json.loads(line) for line in (HERE / "results" / file).read_text().splitlines()]
        parts += curve([r for r in records if r["split"] == "validation"], color)
        parts.append(text((WIDTH - RIGHT - 220, TOP + 24 + 22 * place), name, color=color))
    (HERE.parent / "docs" / "tinyshakespeare.svg").write_text("\n".join([*parts, "</svg>", ""]))


if __name__ == "__main__":
    main()
