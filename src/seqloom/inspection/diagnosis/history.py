"""The course of a training, from the records of its run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from seqloom.runs.run_folder import METRICS
from seqloom.stored import MAX_COUNT, read_bytes

LOSS = "loss_nats_per_"


class Curve(NamedTuple):
    """Numbers over steps."""

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


class History(NamedTuple):
    """What `metrics.jsonl` says.

    Fields:
        train: nats per unit, the mean of the steps since the record before.
        validation: nats per unit.
        norms: the norm of the whole gradient, before it was clipped.
        by_parameter: the median norm of the gradient of each parameter, the greatest first.
        clipped_share: of all steps so far; None: nothing is recorded.
    """

    train: Curve = Curve()
    validation: Curve = Curve()
    norms: Curve = Curve()
    by_parameter: Mapping[str, float] = {}
    clipped_share: float | None = None


def read_history(folder: Path) -> History:
    """The history of a run folder; of one without records, an empty one. Damaged lines are passed over."""
    try:
        lines = read_bytes(folder / METRICS).splitlines()
    except OSError:
        return History()
    records = [record for line in lines if (record := _record(line)) is not None]
    train = [record for record in records if record["split"] == "train"]
    norms: dict[str, list[float]] = {}
    for record in train:
        by_name = record.get("gradient_norms")
        for name, norm in by_name.items() if isinstance(by_name, dict) else ():
            if _is_number(norm):
                norms.setdefault(name, []).append(float(norm))
    medians = {name: float(numpy.median(values)) for name, values in norms.items()}
    shares = [share for record in train if _is_number(share := record.get("clipped_share"))]
    return History(
        _curve(train, LOSS),
        _curve([record for record in records if record["split"] == "validation"], LOSS),
        _curve(train, "gradient_norm"),
        dict(sorted(medians.items(), key=lambda item: -item[1])),
        shares[-1] if shares else None,
    )


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_record = isinstance(record, dict) and "split" in record and type(record.get("step")) is int
    return record if is_record and 0 <= record["step"] <= MAX_COUNT else None


def _is_number(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    return type(value) is float or (type(value) is int and abs(value) <= MAX_COUNT)


def _curve(records: Sequence[Mapping[str, Any]], key: str) -> Curve:
    """The numbers whose name is `key`, or begins with it where it is a beginning."""
    points = []
    for record in records:
        names = [name for name in record if name == key or (key == LOSS and name.startswith(LOSS))]
        if names and _is_number(record[names[0]]):
            points.append((record["step"], float(record[names[0]])))
    return Curve(*(tuple(column) for column in zip(*points, strict=True))) if points else Curve()
