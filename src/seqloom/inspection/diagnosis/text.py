"""A diagnosis in lines of text, 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from seqloom.inspection.diagnosis.diagnose import MAX_RANKED, Diagnosis
from seqloom.inspection.diagnosis.place import PlaceDiagnosis

WIDTH = 80
LAGS = (1, 2, 5, 10, 20, 50, 100)


def describe(diagnosis: Diagnosis) -> str:
    """The verdicts first, then what they rest on."""
    return "\n".join(_lines(diagnosis))


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    for number, verdict in enumerate(diagnosis.verdicts):
        if number:
            yield ""
        yield verdict.name.upper() if verdict.name != "healthy" else "healthy"
        yield from _wrap(f"{verdict.evidence[:1].upper()}{verdict.evidence[1:]}.", "  ")
        if verdict.name != "healthy":
            yield from _wrap(f"Try first: {verdict.advice[:1].lower()}{verdict.advice[1:]}.", "  ")
    places = diagnosis.places
    batches = f"{diagnosis.batches} batches" if diagnosis.batches != 1 else "1 batch"
    yield from _section(f"gradient by lag, of {batches}, {diagnosis.rows} rows")
    yield from _table(
        ["layer", *map(str, LAGS), "a step", "1 % after"],
        [[name, *_gradient_row(place)] for name, place in places.items()],
    )
    yield from _section("singular values of W_hh and of a step's Jacobian, and spectral radius")
    yield from _table(["matrix", "greatest", "median", "least", "radius"], list(_spectra(places)))
    if gates := list(_gates(places)):
        yield from _section("gates")
        yield from _table(["gate", "mean", "below .1", "above .9"], gates)
    yield from _section("units")
    yield from _table(
        ["layer", "units", "dead", "duplicates", "bit halves after", "by its gate"],
        [[name, *_unit_row(place)] for name, place in places.items()],
    )
    yield from _memory(diagnosis)
    yield from _history(diagnosis)


def _spectra(places: Mapping[str, PlaceDiagnosis]) -> Iterator[list[str]]:
    for name, place in places.items():
        for spectrum in [*place.weights, *([place.step] if place.step else [])]:
            values = spectrum.singular
            numbers = (values[0], values[len(values) // 2], values[-1], spectrum.radius)
            yield [f"{name}.{spectrum.name}", *map(_number, numbers)]


def _gates(places: Mapping[str, PlaceDiagnosis]) -> Iterator[list[str]]:
    for name, place in places.items():
        for gate in place.gates:
            shares = (_percent(part.mean()) for part in (gate.low, gate.high))
            yield [f"{name}.{gate.name}", f"{gate.means.mean():.2f}", *shares]


def _gradient_row(place: PlaceDiagnosis) -> list[str]:
    lags = place.gradient
    if lags is None:
        return ["-"] * (len(LAGS) + 2)
    shares = [_share(float(lags.share[lag])) if lag <= lags.max_lag else "" for lag in LAGS]
    gone = "never" if lags.gone_after is None else str(lags.gone_after)
    return [*shares, _number(lags.decay), gone]


def _unit_row(place: PlaceDiagnosis) -> list[str]:
    units, planted = place.units, place.planted
    row = [str(units.size), str(len(units.dead)), str(len(units.duplicates))]
    if planted is None:
        return [*row, "-", "-"]
    half = f"> {len(planted.left) - 1}" if planted.half_life is None else str(planted.half_life)
    return [*row, half, "-" if planted.gate_half_life is None else f"{planted.gate_half_life:.1f}"]


def _memory(diagnosis: Diagnosis) -> Iterator[str]:
    horizon = diagnosis.horizon
    yield from _section("memory: share of its gain that the last steps explain")
    shares = [_percent(share) for share in horizon.shares]
    if not any(horizon.shares):
        loss = horizon.losses[0] if horizon.losses else horizon.full
        words = f"the loss is {loss:.4g} nats without it, {horizon.full:.4g} with it"
        yield from _wrap(f"Memory explains nothing: {words}.", "  ")
        return
    yield from _table(["steps back", *map(str, horizon.reaches)], [["share", *shares]])


def _history(diagnosis: Diagnosis) -> Iterator[str]:
    history = diagnosis.history
    if not history.train.values:
        return
    yield from _section("training")
    train, validation = history.train.values, history.validation.values
    rows = [["training loss", _number(train[0]), _number(min(train)), _number(train[-1])]]
    if validation:
        rows.append(["validation loss", *map(_number, (validation[0], min(validation), validation[-1]))])
    if norms := history.norms.values:
        rows.append(["gradient norm", *map(_number, (norms[0], min(norms), norms[-1]))])
    yield from _table(["nats per unit", "first", "least", "last"], rows)
    if history.clipped_share is not None:
        limit = diagnosis.circumstances.gradient_clip
        at = "never, as there is no limit"
        if limit is not None:
            at = f"{_percent(history.clipped_share)} of the steps, at {limit:g}"
        yield from _wrap(f"Clipped: {at}.", "  ")
    if history.by_parameter:
        yield from _section("median norm of the gradient, by parameter")
        ranked = list(history.by_parameter.items())
        rows = [[name, _number(norm)] for name, norm in ranked[:MAX_RANKED]]
        yield from _table(["parameter", "norm"], rows)
        if len(ranked) > MAX_RANKED:
            yield f"  {len(ranked) - MAX_RANKED} more: --json has all of them"


def _section(title: str) -> Iterator[str]:
    yield ""
    yield title


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Aligned columns, the first to the left; a long first one is cut in its middle."""
    if not rows:
        return
    widths = [max(len(row[place]) for row in [header, *rows]) for place in range(len(header))]
    rest = sum(width + 2 for width in widths[1:])
    widths[0] = min(widths[0], max(WIDTH - 2 - rest, 12))
    for row in [header, *rows]:
        cells = [_cut(row[0], widths[0]).ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield ("  " + "  ".join(cells)).rstrip()


def _cut(name: str, width: int) -> str:
    if len(name) <= width:
        return name
    tail = (width - 1) // 2
    return f"{name[: width - 1 - tail]}…{name[-tail:]}"


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _number(value: float) -> str:
    return f"{value:.3g}"


def _share(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else f"{value:.0e}" if value else "0"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"
