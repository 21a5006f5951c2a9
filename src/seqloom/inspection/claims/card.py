"""The picture beside the page, 1200 x 630, which a link shows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from seqloom.files import write_atomically
from seqloom.inspection.claims.claim import Verdict
from seqloom.inspection.claims.page import TITLE, counts_sentence
from seqloom.inspection.claims.report import machine
from seqloom.inspection.claims.running import Outcome
from seqloom.optional import import_optional

SIZE = (1200, 630)
BACKGROUND, INK, QUIET = "#ffffff", "#1c2328", "#5a666e"
COLORS = {
    Verdict.SHOWN: "#1b7f5a",
    Verdict.HOLDS: "#1b7f5a",
    Verdict.IN_PART: "#b26a00",
    Verdict.FAILS: "#b3261e",
    Verdict.NOT_RUN: "#8a949b",
}
MARGIN, TILE, GAP, COLUMNS = 60, 78, 12, 12


def write_card(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Draw the claims as numbered tiles in the color of their verdict.

    Args:
        path: a PNG file; it is replaced.
        outcomes: of `run_claims`.

    Raises:
        ConfigError: pillow, of the extra vision, is not installed.
    """
    image_module = import_optional("PIL.Image", "vision")
    draw_module, font_module = (
        import_optional("PIL.ImageDraw", "vision"),
        import_optional("PIL.ImageFont", "vision"),
    )
    image = image_module.new("RGB", SIZE, BACKGROUND)
    draw = draw_module.Draw(image)
    title, words, small = (font_module.load_default(size) for size in (42, 25, 20))
    draw.text((MARGIN, 48), TITLE, fill=INK, font=title)
    y = 118
    for line in _wrap(counts_sentence(outcomes), 84):
        draw.text((MARGIN, y), line, fill=INK, font=words)
        y += 34
    top = 214
    for place, outcome in enumerate(sorted(outcomes, key=lambda outcome: outcome.claim.number)):
        x = MARGIN + place % COLUMNS * (TILE + GAP)
        y = top + place // COLUMNS * (TILE + GAP)
        draw.rounded_rectangle((x, y, x + TILE, y + TILE), 10, fill=COLORS[outcome.verdict])
        middle = (x + TILE / 2, y + TILE / 2)
        draw.text(middle, str(outcome.claim.number), fill="#ffffff", font=words, anchor="mm")
    x = MARGIN
    for verdict in Verdict:
        if any(outcome.verdict == verdict for outcome in outcomes):
            draw.rounded_rectangle((x, 508, x + 22, 530), 5, fill=COLORS[verdict])
            draw.text((x + 32, 519), str(verdict), fill=INK, font=small, anchor="lm")
            x += 60 + int(draw.textlength(str(verdict), font=small))
    here = machine()
    draw.text(
        (MARGIN, 566), f"seqloom claims   {here['processor']}   torch {here['torch']}", fill=QUIET, font=small
    )
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    write_atomically(path, buffer.getvalue())


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
