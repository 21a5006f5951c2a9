"""Tables: numbers to the right with three significant figures, texts to the left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seqloom.pages.html import Html, element, paragraph, text
from seqloom.pages.numbers import number


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str = "",
    shades: Mapping[tuple[int, int], float] | None = None,
    most: int | None = None,
    note: str = "",
) -> Html:
    """Rows of texts and numbers; a wide one scrolls by itself.

    Args:
        header: a name for each column; names that are empty: a table without a header.
        rows: cells: numbers, texts, or `Html`.
        title: above the table.
        shades: how strongly cells are colored, 0 to 1, by row and column: a confusion.
        most: rows that are shown; how many more there are is said. None: all.
        note: a sentence below.

    >>> page = table(["metric", "model"], [["accuracy", 0.91234]], title="Scores")
    >>> '<td class="n">0.912</td>' in page
    True
    """
    shown = rows if most is None else rows[:most]
    if len(shown) < len(rows):
        note = f"{note} {len(rows) - len(shown):,} more rows.".strip()
    numeric = [
        bool(shown) and all(_is_number(row[place]) for row in shown if place < len(row) and row[place] != "")
        for place in range(len(header))
    ]
    head = "".join(
        f'<th scope="col"{" class=n" if is_number else ""}>{text(name)}</th>'
        for name, is_number in zip(header, numeric, strict=True)
    )
    shades = shades or {}
    body = ""
    for turn, row in enumerate(shown):
        cells = "".join(_cell(cell, place, shades.get((turn, place))) for place, cell in enumerate(row))
        body += f"<tr>{cells}</tr>"
    caption = element("caption", title) if title else ""
    titles = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    name = text(title or "Table")
    foot = paragraph(note, "note") if note else ""
    return Html(
        f'<div class="scroll" role="group" tabindex="0" aria-label="{name}"><table>{caption}'
        f"{titles}<tbody>{body}</tbody></table></div>{foot}"
    )


def _is_number(cell: object) -> bool:
    return cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool))


def _cell(cell: object, place: int, shade: float | None) -> str:
    kind = "n" if _is_number(cell) else ""
    words = text(number(cell)) if cell is None or isinstance(cell, int | float) else text(cell)  # type: ignore[arg-type]
    if shade is not None:
        return f'<td class="shaded n" style="--s:{min(max(shade, 0.0), 1.0):.2f}"><span>{words}</span></td>'
    if place == 0 and not kind:
        return f'<th scope="row">{words}</th>'
    return f'<td class="{kind}">{words}</td>' if kind else f"<td>{words}</td>"
