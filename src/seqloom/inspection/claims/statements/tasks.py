"""Claims 1, 2, 5 to 9 and 22: tasks, each run on its made-up data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy

from seqloom.files import write_atomically
from seqloom.inspection.claims.bench import Bench, ToyRun
from seqloom.inspection.claims.claim import Check, Finding, Picture, least
from seqloom.tasks import TASKS

LSTM = {"model__cell_type": "lstm", "model__hidden_size": 32}
SMALL: dict[str, dict[str, Any]] = {
    "generate": {**LSTM, "training__window": 32},
    "classify": {**LSTM, "training__learning_rate": 2e-2, "steps": 100},
    "tag": LSTM,
    "translate": LSTM,
    "transcribe": LSTM,
    "caption": {**LSTM, "model__hidden_size": 64, "model__embedding_size": 32, "steps": 40},
    "compose": LSTM,
    "forecast": LSTM,
}
"""Settings that make a task's training one of seconds"""
VIDEO: dict[str, Any] = {"data__downsampling": 2, "data__components": 24, "model__hidden_size": 32}
LEARNT = 0.02
"""The share of its loss that a model of seconds has to lose, to have learnt at all"""
SEEDS = 3


def small_run(bench: Bench, task: str, **settings: Any) -> ToyRun:
    """A training of seconds on a task's made-up data."""
    merged: dict[str, Any] = {**SMALL[task], **settings}
    return bench.toy(task, **merged)


def reads_or_writes_sequences(bench: Bench) -> Finding:
    """1: every task, trained and answering."""
    runs = {task: small_run(bench, task) for task in TASKS}
    with_sequence = sum("many" in run.shape for run in runs.values())
    return Finding(
        f"all {len(runs)} tasks, each trained for 30 to 100 steps on made-up data",
        (
            Check("tasks that read or write a sequence", with_sequence, at_least=len(TASKS)),
            least("share of the loss that each took away", [run.fall for run in runs.values()], LEARNT),
        ),
        _falls(runs),
        "; ".join(f"{task}: {run.shape}" for task, run in runs.items()),
    )


def reads_five_kinds(bench: Bench) -> Finding:
    """2: text, audio, series, video and weather."""
    runs = {
        "text": small_run(bench, "classify"),
        "audio clips": small_run(bench, "transcribe"),
        "time series": small_run(bench, "forecast"),
        "video clips": bench.toy("classify", kind="video", **VIDEO),
        "weather": bench.toy("forecast", path=bench.write("weather", write_weather), **SMALL["forecast"]),
    }
    return Finding(
        "texts classified, recordings transcribed, sales forecast, clips classified, made-up weather (hourly "
        "temperature and pressure of three stations) forecast: some tens of steps of each",
        (least("share of the loss that each took away", [run.fall for run in runs.values()], LEARNT),),
        _falls(runs),
    )


def has_four_shapes(bench: Bench) -> Finding:
    """5: a model of each shape."""
    runs = {
        "one-to-one": bench.toy("classify", kind="image"),
        "one-to-many": small_run(bench, "caption"),
        "many-to-one": small_run(bench, "classify"),
        "many-to-many": small_run(bench, "translate"),
    }
    right = sum(run.shape == shape for shape, run in runs.items())
    return Finding(
        "a picture classified as a whole, a picture captioned, a text classified, a text translated",
        (
            Check("shapes, each by a model of its own", right, at_least=4),
            least("share of the loss that each took away", [run.fall for run in runs.values()], LEARNT),
        ),
        _falls(runs),
    )


def captions(bench: Bench) -> Finding:
    """6: a picture in, words out."""
    run = small_run(bench, "caption")
    pictures = sorted(bench.data("caption").rglob("*.png"))[:3]
    texts = [output.text for output in run.run.predict(pictures)]
    return _application(
        run, "one-to-many", [len(text.split()) for text in texts], "words of a caption", texts
    )


def classifies(bench: Bench) -> Finding:
    """7: a text in, a label out."""
    run = small_run(bench, "classify")
    outputs = run.run.predict(
        ["the music was really clumsy .", "although the soup was cold , it was fresh ."]
    )
    texts = [output.text for output in outputs]
    known = [float(text in ("positive", "negative")) for text in texts]
    return _application(run, "many-to-one", known, "a label of the data for each text", texts)


def translates(bench: Bench) -> Finding:
    """8: a text in, another out."""
    run = small_run(bench, "translate")
    texts = [output.text for output in run.run.predict(["the cat carries the child"])]
    return _application(
        run, "many-to-many", [len(text) for text in texts], "characters of a translation", texts
    )


def composes(bench: Bench) -> Finding:
    """9: from nothing to notes."""
    run = small_run(bench, "compose")
    tunes = [run.run.compose(bars=2, seed=seed) for seed in range(SEEDS)]
    notes = [len(tune.notes) for tune in tunes]
    return _application(run, "one-to-many", notes, "notes of a tune of two bars, from nothing", [])


def lstm_has_applications(bench: Bench) -> Finding:
    """22: translation, speech, series, music and sentiment, each by an LSTM."""
    names = {
        "translation": "translate",
        "speech recognition": "transcribe",
        "time series": "forecast",
        "music": "compose",
        "sentiment": "classify",
    }
    runs = {name: small_run(bench, task) for name, task in names.items()}
    lstms = sum(run.job.config.model.cell_type == "lstm" for run in runs.values())
    return Finding(
        "an LSTM each, some tens of steps on made-up data",
        (
            Check("applications whose model is an LSTM", lstms, at_least=5),
            least("share of the loss that each took away", [run.fall for run in runs.values()], LEARNT),
        ),
        _falls(runs),
        "their figures on real data, beside peers, are in the recipes",
    )


def write_weather(folder: Path) -> None:
    """Hourly temperature and pressure of three stations for 30 days: a day's wave, slow changes, noise."""
    generator = numpy.random.default_rng(0)
    rows = ["unique_id,ds,y,pressure\n"]
    start = datetime(2024, 3, 1)
    for station in ("north", "harbor", "hill"):
        pressure, level = 1013.0, generator.uniform(4, 14)
        for hour in range(30 * 24):
            pressure += generator.normal(0, 0.4) - 0.01 * (pressure - 1013)
            day = 5 * math.sin(2 * math.pi * (hour % 24 - 9) / 24)
            temperature = level + day + 0.2 * (pressure - 1013) + generator.normal(0, 0.5)
            when = start + timedelta(hours=hour)
            rows.append(f"{station},{when:%Y-%m-%d %H:%M},{temperature:.1f},{pressure:.1f}\n")
    write_atomically(folder / "weather.csv", "".join(rows))


def _application(run: ToyRun, shape: str, sizes: Sequence[float], what: str, texts: list[str]) -> Finding:
    task = run.job.config.task
    return Finding(
        f"{task.name}: {run.steps} steps on made-up data, then answers",
        (
            Check(f"the shape is {shape}", float(run.shape == shape), at_least=1),
            least(what, list(map(float, sizes)), 1),
            Check("share of the loss that the training took away", run.fall, at_least=LEARNT),
        ),
        Picture(
            "bars", (), {"before": (run.before,), "after": (run.after,)}, y_label="validation loss, nats"
        ),
        "; ".join(texts[:2]),
    )


def _falls(runs: dict[str, ToyRun]) -> Picture:
    return Picture(
        "bars", (), {name: (max(run.fall, 0.0),) for name, run in runs.items()}, y_label="share of loss lost"
    )
