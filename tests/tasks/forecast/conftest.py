"""A small data set of series, and models trained on it for a moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy
import pytest

import seqloom
from seqloom.inference.predictor import Predictor
from seqloom.training.train import train

SMALL = {
    "data.horizon": 4,
    "data.season": 7,
    "data.context": 14,
    "model.hidden_size": 8,
    "training.batch_size": 8,
    "training.max_steps": 30,
    "training.validate_every": 30,
}


def write_series(file: Path, series: Mapping[str, object], start: str = "2024-01-01") -> Path:
    """A long table, a step a day."""
    rows = ["unique_id,ds,y"]
    for name, values in series.items():
        y = numpy.asarray(values, dtype=float)
        days = numpy.datetime64(start) + numpy.arange(len(y))
        rows += [
            f"{name},{day},{'' if numpy.isnan(v) else repr(float(v))}" for day, v in zip(days, y, strict=True)
        ]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rows) + "\n")
    return file


def weekly(steps: int, level: float = 100.0, seed: int = 0) -> numpy.ndarray:
    """A week, a trend, and noise."""
    generator = numpy.random.default_rng(seed)
    days = numpy.arange(steps)
    return level * (1 + 0.2 * numpy.sin(days * 2 * numpy.pi / 7) + 0.002 * days) + generator.normal(
        size=steps
    )


@pytest.fixture(scope="session")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six series of 90 days."""
    folder = tmp_path_factory.mktemp("weeks")
    return write_series(folder / "weeks.csv", {f"s{n}": weekly(90, 50.0 * (n + 1), n) for n in range(6)})


@pytest.fixture(scope="session")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as whole numbers."""
    series = {f"s{n}": weekly(90, 50.0 * (n + 1), n).round() for n in range(6)}
    return write_series(tmp_path_factory.mktemp("counts") / "counts.csv", series)


@pytest.fixture(scope="session")
def trained(weeks: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Predictor]:
    """Models of that data by their settings, each trained once."""
    models: dict[str, Predictor] = {}

    def get(data: Path = weeks, **settings: object) -> Predictor:
        key = repr((data, sorted(settings.items())))
        if key not in models:
            out = tmp_path_factory.mktemp("runs") / "run"
            changes = {name.replace("__", "."): value for name, value in settings.items()}
            train(data, task="forecast", settings={**SMALL, **changes}, out=out)
            models[key] = seqloom.load(out)
        return models[key]

    return get
