"""One unit of one layer, step by step: what its gates did, what it kept and what it showed."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

from seqloom.errors import ConfigError
from seqloom.inspection.cells.diagrams import GRU, LSTM, draw_step, draw_store
from seqloom.pages import Frame, Html, join, paragraph, stepper

CELL_NAMES = ("lstm", "gru")
"""Cells that have a picture"""
MAX_STEPS = 24


def cell_stepper(
    cell: str,
    steps: Sequence[str],
    values: Mapping[str, Sequence[float]],
    *,
    title: str,
    first: int = 0,
    before: float = 0.0,
    before_hidden: float = 0.0,
) -> Html:
    """A picture of each step of one unit, gone through by buttons, slider or arrow keys.

    Args:
        cell: `lstm` or `gru`.
        steps: what was read at each step.
        values: of the unit at each step, by the names of traces: of an LSTM `input`, `forget`, `candidate`,
            `output`, `cell` and `hidden`, of a GRU `reset`, `update`, `candidate` and `hidden`.
        title: above the pictures; no other of the page has the same.
        first: the number of the first step, for names.
        before: the cell of an LSTM before the first step.
        before_hidden: the hidden state before the first step.

    Raises:
        ConfigError: a cell without a picture.

    >>> page = cell_stepper("gru", "ab", {"reset": [0.5, 0.5], "update": [0.9, 0.1], "candidate": [1.0, -1.0],
    ...                                   "hidden": [0.1, -0.89]}, title="A GRU")
    >>> "−0.890" in page
    True
    """
    if cell not in CELL_NAMES:
        raise ConfigError("cell_stepper", f"cell must be one of {', '.join(CELL_NAMES)}", got=cell)
    key, frames = f"cell-{zlib.crc32(f'{cell} {title}'.encode()):08x}", []
    for place, step in enumerate(steps[:MAX_STEPS]):
        now = {name: float(numbers[place]) for name, numbers in values.items()}
        old = {name: float(numbers[place - 1]) for name, numbers in values.items()} if place else {}
        now["before.hidden"] = old.get("hidden", before_hidden)
        if cell == "lstm":
            now["before.cell"] = old.get("cell", before)
        frames.append(_frame(cell, key, place + first, step, now))
    note = f"The first {MAX_STEPS} of {len(steps):,} steps." if len(steps) > MAX_STEPS else ""
    store = draw_store(LSTM if cell == "lstm" else GRU, key)
    return Html(f"{store}{stepper(title, frames, note=note)}")


def _frame(cell: str, key: str, place: int, step: str, now: dict[str, float]) -> Frame:
    diagram = LSTM if cell == "lstm" else GRU
    numbers = now | (_lstm_parts(now) if cell == "lstm" else _gru_parts(now))
    shown = {key: f"{round(value, 3) + 0.0:.3f}".replace("-", "−") for key, value in numbers.items()}
    words = _lstm_words(now) if cell == "lstm" else _gru_words(now)
    name = f"{place}: {visible(step)}"
    picture = draw_step(diagram, key, shown, f"“{visible(step)}”", f"Step {name}. {words}")
    equations = [paragraph(line, "mono") for line in _filled(cell, shown)]
    return Frame(name, join([picture, paragraph(words), *equations]))


def visible(step: str) -> str:
    """A step with its spaces and line ends to be seen.

    >>> visible(" a")
    '␣a'
    """
    return step.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥") or "∅"


def _lstm_parts(now: dict[str, float]) -> dict[str, float]:
    return {
        "keep": now["forget"] * now["before.cell"],
        "write": now["input"] * now["candidate"],
        "sum": now["cell"],
        "squash": math.tanh(now["cell"]),
        "show": now["hidden"],
    }


def _gru_parts(now: dict[str, float]) -> dict[str, float]:
    rest = 1.0 - now["update"]
    return {
        "keep": now["update"] * now["before.hidden"],
        "rest": rest,
        "write": rest * now["candidate"],
        "see": now["reset"] * now["before.hidden"],
        "sum": now["hidden"],
    }


def _lstm_words(now: dict[str, float]) -> str:
    return (
        f"It keeps {now['forget']:.0%} of its cell, writes {now['input']:.0%} of what is new, "
        f"and shows {now['output']:.0%}."
    )


def _gru_words(now: dict[str, float]) -> str:
    return (
        f"It keeps {now['update']:.0%} of its state and takes {1 - now['update']:.0%} of what is new, "
        f"which was made with {now['reset']:.0%} of the past."
    )


def _filled(cell: str, n: dict[str, str]) -> list[str]:
    """The equations of the step with its numbers."""
    if cell == "lstm":
        kept, written = f"{n['forget']} × {n['before.cell']}", f"{n['input']} × {n['candidate']}"
        return [
            f"c = f × c + i × g = {kept} + {written} = {n['cell']}",
            f"h = o × tanh(c) = {n['output']} × {n['squash']} = {n['hidden']}",
        ]
    kept, written = f"{n['update']} × {n['before.hidden']}", f"{n['rest']} × {n['candidate']}"
    return [f"h = z × h + (1 − z) × n = {kept} + {written} = {n['hidden']}"]
