"""The page of an inspection: the text under the cursor, units, outputs, attention, the cell step by step."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import numpy

from seqloom.inference.attention_page import draw_looks
from seqloom.inspection.cells import cell_stepper
from seqloom.inspection.inspector.difference import Difference
from seqloom.inspection.inspector.expecting import Expected, Running
from seqloom.inspection.inspector.inspect import Inspection
from seqloom.inspection.inspector.units import THRESHOLD, UnitScore
from seqloom.pages import (
    Html,
    Series,
    columns,
    element,
    footer_here,
    heat_strip,
    line_chart,
    number,
    percent,
    reader,
    render_page,
    section,
    table,
    text,
)

MAX_BYTES = 180_000
"""Of the values of units that are in a page"""
MAX_STRIP, MAX_SQUARE = 160, 100
"""Steps of a strip, and of the table of what each step depends on"""
MAX_CELL_STEPS = 24
NUM_UNITS = 6
LSTM_VALUES = {"input", "forget", "candidate", "output", "cell", "hidden"}
GRU_VALUES = {"reset", "update", "candidate", "hidden"}


def draw_inspection(inspection: Inspection, command: str = "") -> str:
    """The page of an inspection, as one string.

    Args:
        inspection: of one input.
        command: what makes the page again, for its footer; by default without options.
    """
    trace = inspection.trace
    parts = [_draw_reader(inspection)]
    if inspection.units:
        parts.append(_draw_units(inspection))
    if inspection.other is not None:
        parts.append(_draw_difference(inspection, inspection.other))
    if inspection.expected is not None:
        parts += _draw_expected(inspection.expected, inspection.task)
    if inspection.looks is not None:
        looks = draw_looks(inspection.looks, 0)
        parts.append(section("Attention", looks, lead="The brighter a place, the greater its weight."))
    elif "attention" in trace:
        parts.append(_draw_attention(inspection))
    parts += _draw_cell(inspection)
    answer, value = _cut(inspection.answer.text), _cut(inspection.value)
    usual = ["seqloom", "inspect", inspection.run, value, "--out", "page.html"]
    return render_page(
        f"Inside {inspection.run.rstrip('/').rpartition('/')[2]}",
        parts,
        lead=f"To “{value}” the model answers “{answer}”.",
        footer=footer_here(command or shlex.join(usual)),
        data={"units": [score._asdict() for score in inspection.units]},
    )


def _cut(words: str, most: int = 90) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(words.split())
    return line if len(line) <= most else f"{line[:most]} …"


def _draw_reader(inspection: Inspection) -> Html:
    trace, steps, norms = inspection.trace, inspection.steps, inspection.connectivity
    arrays = {
        name: values.numpy()
        for name, values in trace.items()
        if name != "attention" and values.dim() == 2 and len(values) == len(steps)
    }
    width = sum(values.shape[1] for values in arrays.values())
    shown = min(len(steps), max(MAX_BYTES // max(width, 1), 16))
    if norms is not None:
        shown = min(shown, len(norms))
    likely = inspection.expected.likely[:shown] if inspection.expected is not None else []
    if inspection.expected is not None and len(inspection.expected.steps) != len(steps):
        likely = []
    notes = []
    if shown < len(steps):
        notes.append(f"The first {shown:,} of {len(steps):,} steps are shown.")
    if norms is not None:
        notes.append(
            "What a step depends on is the norm of the derivative of its output with respect to what was "
            "read at another step, in the stack “" + inspection.connected_stack + "”."
        )
    notes.append(
        "Drag over steps, or hold Shift with the arrow keys, to select them: the units that are on there and "
        f"nowhere right beside ({percent(THRESHOLD)} of the greatest value), and where else they are on."
    )
    start = inspection.unit if inspection.unit and inspection.unit[0] in arrays else None
    body = reader(
        steps[:shown],
        title="The input, step by step",
        values={name: values[:shown].tolist() for name, values in arrays.items()},
        depends=None if norms is None else norms[:shown, :shown].tolist(),
        expects=likely,
        start=start,
        threshold=THRESHOLD,
        note=" ".join(notes),
    )
    static = ""
    if norms is not None:
        few = min(shown, MAX_SQUARE)
        static = heat_strip(
            norms[:few, :few].tolist(),
            title="What each step (row) depends on (column)",
            row_names=[f"{place} {step}" for place, step in enumerate(steps[:few])],
            column_names=steps[:few],
        )
    return section("What each step depends on", body, static)


def _draw_units(inspection: Inspection) -> Html:
    scores = inspection.units
    rows = [
        (
            score.property,
            Html(
                f'<button type="button" class="pick" data-unit-of="reader" data-value="{text(score.name)}" '
                f'data-unit="{score.unit}">{text(score.name)}, unit {score.unit}</button>'
            ),
            "rises" if score.sign > 0 else "falls",
            score.score,
            "other steps" if score.is_held_out else "the same steps",
            score.chosen_by,
        )
        for score in scores
    ]
    note = (
        "A score of 1 tells every step with the property from every step without it (twice the area under "
        "the ROC curve, less one); of a number it is the rank correlation. Units were chosen by the first "
        "half of the steps and scored on the second; where a half has too few steps of a kind, by all of "
        "them, which flatters the score."
    )
    return section(
        "Units that follow a property best",
        table(
            ["property", "unit", "with it, it", "score", "measured on", "score it was chosen by"],
            rows,
            note=note,
        ),
        _draw_strips(inspection, scores[:NUM_UNITS]),
        lead=_best_in_words(scores[0]),
    )


def _best_in_words(best: UnitScore) -> str:
    where = "" if best.is_held_out else ", on the steps that it was chosen by, which flatters it"
    return (
        f"Unit {best.unit} of {best.name} follows “{best.property}” best: "
        f"its score is {number(best.score)} of 1{where}."
    )


def _draw_strips(inspection: Inspection, scores: Sequence[UnitScore]) -> Html:
    trace, steps = inspection.trace, inspection.steps
    few = min(len(steps), MAX_STRIP)
    rows, names = [], []
    for score in scores:
        values = trace[score.name][:few, score.unit].numpy()
        greatest = float(numpy.abs(trace[score.name][:, score.unit].numpy()).max()) or 1.0
        rows.append((values / greatest).tolist())
        names.append(f"{score.property}")
    return heat_strip(
        rows,
        title="These units, each as a share of its greatest value",
        row_names=names,
        column_names=steps[:few],
        low=-1.0,
        high=1.0,
        note="" if few == len(steps) else f"The first {few} steps.",
    )


def _draw_difference(inspection: Inspection, other: Difference) -> Html:
    series = [
        Series(name, [there for _, there in other.pairs], values) for name, values in other.distance.items()
    ]
    marked = [
        Html(f"<ins>{text(step)}</ins>") if place in set(other.changed) else text(step)
        for place, step in enumerate(other.steps)
    ]
    between = " " if any(len(step) > 3 for step in other.steps) else ""
    rows = [
        ("input", inspection.value, Html(f'<span class="mono">{between.join(marked)}</span>')),
        ("answer", inspection.answer.text, other.answer.text),
    ]
    chart = (
        line_chart(
            [one for one in series if one.x],
            title="How far the states of the same steps are apart",
            x_label="step of the second input",
            y_label="distance as a share of the norm",
            note="Steps that only the second input has leave a gap.",
        )
        if any(one.x for one in series)
        else "The two have no step in common."
    )
    units = table(
        ["value", "unit", "greatest difference"], [list(unit) for unit in other.units], title="Most changed"
    )
    return section(
        "Two inputs side by side",
        table(["what", "first", "second"], rows),
        columns(chart, units),
        lead=f"{len(other.changed):,} of {len(other.steps):,} steps of the second are not in the first.",
    )


def _draw_expected(expected: Expected, task: str) -> list[Html]:
    few = min(len(expected.steps), MAX_STRIP)
    if task == "transcribe":
        title, what = "Posteriors of CTC", "What it hears at each frame; most of the time a blank."
    else:
        title, what = (
            "What it expects",
            "How likely each output is after each step, of those that are ever likely.",
        )
    strip = heat_strip(
        expected.probabilities[:few].T.tolist(),
        title=title,
        row_names=[name.replace(" ", "␣").replace("\n", "↵") for name in expected.names],
        column_names=expected.steps[:few],
        low=0.0,
        high=1.0,
        note="" if few == len(expected.steps) else f"The first {few} of {len(expected.steps):,} steps.",
    )
    sections = [section(title, strip, lead=what)] if expected.names else []
    if expected.running is not None:
        sections.append(_draw_running(expected.running))
    return sections


def _draw_running(running: Running) -> Html:
    between = " " if any(len(word) > 3 for word in running.came) else ""

    def draw(words: Sequence[str], wrong: int | None) -> Html:
        parts = [
            f"<mark>{text(word)}</mark>" if place == wrong else text(word)
            for place, word in enumerate(words[:MAX_STRIP])
        ]
        return Html(f"<pre>{between.join(parts)}</pre>")

    def at(wrong: int | None) -> str:
        return "never" if wrong is None else f"at step {wrong}"

    right = sum(one == other for one, other in zip(running.forced, running.came, strict=False))
    share = percent(right / len(running.came)) if running.came else "–"
    return section(
        "Told what came, and by itself",
        element("h3", f"What came after the first {running.told:,} steps" if running.told else "What came"),
        draw(running.came, None),
        element("h3", f"Told what came before, its most likely next: wrong {at(running.forced_wrong)}"),
        draw(running.forced, running.forced_wrong),
        element("h3", f"By itself: wrong {at(running.free_wrong)}"),
        draw(running.free, running.free_wrong),
        lead=f"Told at each step what came before, it is right in {share} of steps. By itself it leaves "
        f"what came {at(running.free_wrong)}.",
    )


def _draw_attention(inspection: Inspection) -> Html:
    trace = inspection.trace
    weights = trace["attention"]
    few_out, few_in = min(len(weights), MAX_STRIP), min(weights.shape[1], MAX_STRIP)
    written = trace.steps_of("attention")
    strip = heat_strip(
        weights[:few_out, :few_in].tolist(),
        title="Rows: what the decoder had just read. Columns: the input.",
        row_names=written[:few_out],
        column_names=trace.steps[:few_in],
        low=0.0,
        high=1.0,
    )
    return section("Attention", strip, lead="Where the decoder looked at each of its steps.")


def _draw_cell(inspection: Inspection) -> list[Html]:
    """The steps of one unit of one layer."""
    trace = inspection.trace
    if inspection.unit is None:
        return []
    name, unit = inspection.unit
    prefix = name.rpartition(".")[0]
    kinds = {
        other.rpartition(".")[2]
        for other in trace
        if other.rpartition(".")[0] == prefix and trace[other].dim() == 2
    }
    cell = "lstm" if kinds >= LSTM_VALUES else "gru" if kinds >= GRU_VALUES else ""
    if not cell or ".reverse" in prefix:
        return []
    wanted = LSTM_VALUES if cell == "lstm" else GRU_VALUES
    steps = trace.steps_of(name)
    values = {kind: trace[f"{prefix}.{kind}"][:, unit].tolist() for kind in wanted}
    first = _liveliest(values["hidden"])
    some = {kind: numbers[first : first + MAX_CELL_STEPS] for kind, numbers in values.items()}
    before = {kind: numbers[first - 1] if first else 0.0 for kind, numbers in values.items()}
    picture = cell_stepper(
        cell,
        steps[first : first + MAX_CELL_STEPS],
        some,
        title=f"Unit {unit} of {prefix}, {cell.upper()}",
        first=first,
        before=before.get("cell", 0.0),
        before_hidden=before["hidden"],
    )
    return [section("The cell, step by step", picture, lead="One unit, with its own numbers at each step.")]


def _liveliest(hidden: Sequence[float]) -> int:
    """Where the steps begin among which a unit moves most."""
    moves = numpy.abs(numpy.diff(numpy.array(hidden)))
    if len(moves) <= MAX_CELL_STEPS:
        return 0
    window = numpy.convolve(moves, numpy.ones(MAX_CELL_STEPS), "valid")
    return int(window.argmax())
