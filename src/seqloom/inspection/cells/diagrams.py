"""The pictures of an LSTM's and a GRU's step: boxes for layers, circles for products, sums and tanh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from seqloom.pages import Html, text

WIDTH, HEIGHT = 620, 300


class Box(NamedTuple):
    """A place for a number.

    Fields:
        key: whose number it shows.
        x: of its center.
        y: of its center.
        label: what stands in it.
        kind: `gate` for a layer with weights, `state` for what is carried, `do` for a product, a sum or tanh.
    """

    key: str
    x: float
    y: float
    label: str
    kind: str = "gate"


class Diagram(NamedTuple):
    """A cell: its boxes, and the lines between places."""

    boxes: Sequence[Box]
    lines: Sequence[Sequence[tuple[float, float]]]


LSTM = Diagram(
    boxes=[
        Box("before.cell", 45, 60, "c", "state"),
        Box("keep", 165, 60, "×", "do"),
        Box("sum", 340, 60, "+", "do"),
        Box("cell", 575, 60, "c", "state"),
        Box("write", 285, 125, "×", "do"),
        Box("squash", 470, 110, "tanh", "do"),
        Box("show", 470, 165, "×", "do"),
        Box("forget", 165, 190, "forget f"),
        Box("input", 245, 190, "input i"),
        Box("candidate", 325, 190, "new g"),
        Box("output", 405, 190, "output o"),
        Box("before.hidden", 45, 255, "h", "state"),
        Box("hidden", 575, 255, "h", "state"),
    ],
    lines=[
        [(73, 60), (151, 60)],
        [(179, 60), (326, 60)],
        [(354, 60), (547, 60)],
        [(73, 255), (405, 255)],
        [(165, 255), (165, 208)],
        [(245, 255), (245, 208)],
        [(325, 255), (325, 208)],
        [(405, 255), (405, 208)],
        [(165, 172), (165, 74)],
        [(245, 172), (245, 125), (271, 125)],
        [(325, 172), (325, 125), (299, 125)],
        [(285, 111), (285, 85), (340, 85), (340, 74)],
        [(470, 60), (470, 96)],
        [(470, 124), (470, 151)],
        [(405, 172), (405, 165), (456, 165)],
        [(470, 179), (470, 255), (547, 255)],
    ],
)
GRU = Diagram(
    boxes=[
        Box("before.hidden", 45, 60, "h", "state"),
        Box("keep", 250, 60, "×", "do"),
        Box("sum", 430, 60, "+", "do"),
        Box("hidden", 575, 60, "h", "state"),
        Box("see", 150, 125, "×", "do"),
        Box("write", 430, 125, "×", "do"),
        Box("reset", 150, 190, "reset r"),
        Box("update", 250, 190, "update z"),
        Box("rest", 340, 125, "1 − z", "do"),
        Box("candidate", 430, 190, "new n"),
    ],
    lines=[
        [(73, 60), (236, 60)],
        [(264, 60), (416, 60)],
        [(444, 60), (547, 60)],
        [(105, 60), (105, 125), (136, 125)],
        [(105, 125), (105, 255), (430, 255)],
        [(150, 255), (150, 208)],
        [(250, 255), (250, 208)],
        [(430, 255), (430, 208)],
        [(150, 172), (150, 139)],
        [(164, 125), (205, 125), (205, 235), (405, 235), (405, 208)],
        [(250, 172), (250, 74)],
        [(250, 125), (322, 125)],
        [(358, 125), (416, 125)],
        [(430, 172), (430, 139)],
        [(430, 111), (430, 74)],
    ],
)


def draw_store(diagram: Diagram, key: str) -> Html:
    """What all steps of a cell have in common, which is in a page once.

    Args:
        diagram: the cell.
        key: its id, which no other element of the page has.
    """
    lines = "".join(f'<path d="M{"L".join(f"{x:g} {y:g}" for x, y in line)}"/>' for line in diagram.lines)
    boxes = "".join(map(_draw_box, diagram.boxes))
    drawn = f'<g id="{key}"><g class="cell-wires">{lines}</g>{boxes}</g>'
    return Html(f'<svg class="store" aria-hidden="true"><defs>{drawn}</defs></svg>')


def draw_step(diagram: Diagram, key: str, numbers: dict[str, str], reads: str, title: str) -> Html:
    """A cell with the numbers of one step.

    Args:
        diagram: the cell.
        key: of what `draw_store` drew.
        numbers: what stands at each box, by its key.
        reads: the step that is read, at the bottom.
        title: what the picture says, for those who don't see it.
    """
    values = "".join(_draw_number(box, numbers.get(box.key, "")) for box in diagram.boxes)
    return Html(
        f'<div class="scroll" role="group" tabindex="0" aria-label="{text(title)}">'
        f'<svg class="cell" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true"><use href="#{key}"/>{values}'
        f'<text class="cell-label reads" x="45" y="{HEIGHT - 6}">reads {text(reads)}</text></svg></div>'
    )


def _draw_number(box: Box, number: str) -> str:
    if box.kind == "do":
        return f'<text class="cell-value beside" x="{box.x + 20:g}" y="{box.y - 10:g}">{text(number)}</text>'
    return f'<text class="cell-value" x="{box.x:g}" y="{box.y + 12:g}">{text(number)}</text>'


def _draw_box(box: Box) -> str:
    if box.kind == "do":
        below, shape = 5, _rectangle(box, 21 if len(box.label) > 1 else 14, 14, 14)
    else:
        below = -3
        shape = _rectangle(box, 37, 18, 4) if box.kind == "gate" else _rectangle(box, 28, 18, 18)
    label = f'<text class="cell-label" x="{box.x:g}" y="{box.y + below:g}">{text(box.label)}</text>'
    return f'<g class="cell-{box.kind}">{shape}{label}</g>'


def _rectangle(box: Box, half_width: int, half_height: int, radius: int) -> str:
    place = f'x="{box.x - half_width:g}" y="{box.y - half_height:g}"'
    return f'<rect {place} width="{2 * half_width}" height="{2 * half_height}" rx="{radius}"/>'
