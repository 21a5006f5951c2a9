"""What looking inside costs: a diagnosis against training, a trace against a forward pass, a report.

python benchmarks/inspection.py
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from measuring import processor_seconds, spread
from results import save, verdict, write_section

from seqloom.inference.predictor import Predictor
from seqloom.inspection.diagnosis import measure_module
from seqloom.inspection.diagnosis.diagnose import NUM_BATCHES
from seqloom.inspection.diagnosis.horizon import measure_horizon
from seqloom.inspection.diagnosis.sample import Sample, draw_sample
from seqloom.inspection.report.writing import write_report
from seqloom.layers.recurrent import make_layer
from seqloom.layers.tracing import record
from seqloom.runs.config import resolve
from seqloom.runs.run_folder import REPORT
from seqloom.tasks import task_named
from seqloom.training.train import train

PAIRS = 5
PASSES, FORWARD, REPORTED = 3.0, 1.2, 0.05
SMALL = {"model": {"hidden_size": 8, "num_layers": 1}, "training": {"batch_size": 4}}
TASKS = ("generate", "classify", "tag", "translate")
STEPS, ROWS = 200, 16
MINUTE = 60.0


def ratios(ours: Callable[[], object], theirs: Callable[[], object]) -> list[float]:
    """Ours over theirs, in turn, after one of each."""
    ours(), theirs()
    return [processor_seconds(ours) / processor_seconds(theirs) for _ in range(PAIRS)]


def untrained(task_name: str, folder: Path, parts: dict[str, Any]) -> tuple[Any, Sample]:
    """A model as it is before training, and a sample of its data."""
    task = task_named(task_name)
    path = folder / task_name
    if not path.exists():
        path.mkdir()
        task.write_toy_data(path, 0)
    config = resolve(task, [parts])
    preparation = task.prepare(config.read(path), config.data)
    torch.manual_seed(0)
    run = Predictor(folder, config, "", preparation, task.build(preparation, config.model).eval())
    return run.model, draw_sample(run, path, NUM_BATCHES, strict=False, reading=None, log=str)


def diagnosis_passes(model: Any, sample: Sample) -> list[float]:
    """What `diagnose` computes, in passes of training over its sample: forward and backward of all."""

    def diagnose() -> None:
        model.eval()
        places = measure_module(model, sample.losses)
        model.zero_grad(set_to_none=True)
        longest = max(place.longest for place in places.values())
        measure_horizon(model, lambda: float(sample.few()), longest)

    def train() -> None:
        model.train()
        for compute in sample.losses:
            compute().backward()
        model.zero_grad(set_to_none=True)

    return ratios(diagnose, train)


def trace_ratios(cell: str, units: int, *, bidirectional: bool) -> list[float]:
    """Every gate and state of a layer, against its output alone."""
    layer = make_layer(cell, 64, units, bidirectional=bidirectional).eval()  # type: ignore[arg-type]
    x = torch.randn(STEPS, ROWS, 64)

    def trace() -> None:
        with record(layer) as recording:
            layer(x)
        recording.values()

    with torch.inference_mode():
        return ratios(trace, lambda: layer(x))


def report_seconds(folder: Path) -> float:
    """Of report.html after a short training: what it costs does not grow with the steps."""
    seconds: list[float] = []

    def write(finished: Any, log: Any) -> None:
        seconds.append(processor_seconds(lambda: write_report(finished, log)))

    settings = ["training.max_steps=30"]
    train(folder / "classify", settings=settings, out=folder / "run", at_end=write)
    assert (folder / "run" / REPORT).exists()
    return seconds[0]


def main() -> None:
    """Measure every case and write the table."""
    torch.set_num_threads(1)
    rows: list[tuple[str, list[float], float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for task in TASKS:
            for size, parts in (("", {}), (", 8 units, 4 rows", SMALL)):
                values = diagnosis_passes(*untrained(task, folder, parts))
                rows.append((f"diagnose, passes of training: {task}{size}", values, PASSES))
        for cell, units in (("lstm", 64), ("lstm", 128), ("lstm", 256), ("gru", 128), ("rnn", 128)):
            for both in (False, True):
                values = trace_ratios(cell, units, bidirectional=both)
                way = "both ways" if both else "one way"
                rows.append((f"trace over forward: {cell} {units}, {way}", values, FORWARD))
        rows.append(("report, share of a minute", [report_seconds(folder) / MINUTE], REPORTED))
    lines = ["| what | median [least, most] | at most | |", "|---|---|---|---|"]
    for what, values, floor in rows:
        met = verdict(statistics.median(values), floor, at_most=True)
        lines.append(f"| {what} | {spread(values)} | {floor:g} | {met} |")
    lines += [
        "",
        f"Processor time, {PAIRS} pairs in turn. diagnose: what it computes, without reading the data, of 8",
        f"batches of made-up data and models with default settings. trace: {STEPS} steps of {ROWS} rows.",
    ]
    write_section("Looking inside", Path(__file__), lines)
    save(Path(__file__), {"rows": [{"what": what, "ratios": values} for what, values, _ in rows]})


if __name__ == "__main__":
    main()
