"""Windows a second of the recipe for M4's hourly series, against a bare torch loop of the same model.

The bare loop is what one writes with torch.nn.GRU: windows cut from arrays, scaled, run, a linear layer at
the forks, the mixture of lags, sorted quantiles, the pinball loss, AdamW with a clipped gradient. Both train
on 414 made-up series of M4's lengths, in the same process, in turn. Then how long it takes to forecast all of
them.

    python benchmarks/forecast.py
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import torch
from measuring import in_turn, spread
from results import save, verdict, write_section
from torch import nn

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.inference.predictor import Predictor
from seqloom.runs.config import RunConfig, read_yaml, resolve
from seqloom.tasks import task_named
from seqloom.training.optimizer import build_optimizer

RECIPE = Path(__file__).parents[1] / "recipes" / "m4-hourly.yaml"
FLOOR, STEPS, PAIRS = 1.5, 4, 9
BUDGET = 30.0
MAX_SECONDS = 2.0


def made_up(series: int = 414) -> list[numpy.ndarray]:
    """A day, a week, a level and noise, of 700 or 960 steps."""
    generator = numpy.random.default_rng(0)
    made = []
    for number in range(series):
        t = numpy.arange(960 if number % 3 else 700)
        day, week = numpy.sin(2 * numpy.pi * t / 24), numpy.sin(2 * numpy.pi * t / 168)
        level = generator.lognormal(5, 2)
        made.append(level * (2 + 0.5 * day + 0.2 * week + 0.1 * generator.standard_normal(len(t))))
    return made


class Bare(nn.Module):
    """The same model by torch.nn alone."""

    def __init__(self, config: RunConfig, horizon: int) -> None:
        super().__init__()
        lags, size = [*config.data.lags, 1], config.model.hidden_size
        self.lags, self.horizon = lags, horizon
        self.levels = torch.tensor(config.model.quantiles)
        self.gru = nn.GRU(len(lags) + 1, size)
        self.head = nn.Linear(size, horizon * (len(lags) + len(self.levels)))

    def forward(self, y: torch.Tensor, context: int, forks: int, stride: int) -> torch.Tensor:
        """Quantiles (B, F, h, K) of windows y (B, S)."""
        S, steps = y.shape[1], context + (forks - 1) * stride
        lagged = [y[:, S - steps + 1 - lag : S + 1 - lag] for lag in self.lags]
        x = torch.stack([*lagged, torch.ones_like(lagged[0])], -1)
        h, _ = self.gru(x.transpose(0, 1))
        raw = self.head(h[context - 1 :: stride].transpose(0, 1)).unflatten(-1, (self.horizon, -1))
        ahead = torch.arange(1, self.horizon + 1)
        last = S - 1 - stride * torch.arange(forks - 1, -1, -1)
        places = [last[:, None] + ahead - lag * -(-ahead // lag) for lag in self.lags]
        values = torch.stack([y[:, place] for place in places], -1)
        logits, offsets = raw.split([len(self.lags), len(self.levels)], -1)
        anchor = (logits.softmax(-1) * values).sum(-1, keepdim=True)
        return (anchor + offsets).sort(-1).values


def bare_batches(series: list[numpy.ndarray], config: RunConfig, horizon: int) -> Iterator[Any]:
    """Windows and their targets, scaled."""
    data, generator = config.data, numpy.random.default_rng(0)
    span = (data.forks - 1) * data.fork_stride
    length = max(data.lags) + data.context + span
    while True:
        windows, targets = [], []
        for _ in range(config.training.batch_size):
            y = series[generator.integers(len(series))]
            stop = generator.integers(length, len(y) - horizon + 1)
            past, seen = y[stop - length : stop], y[stop - length : stop - span]
            scaled = (y[stop - length : stop + horizon] - seen.mean()) / seen.std()
            windows.append(scaled[: len(past)])
            firsts = length - span + numpy.arange(data.forks) * data.fork_stride
            targets.append(scaled[firsts[:, None] + numpy.arange(horizon)])
        yield tuple(torch.from_numpy(numpy.stack(part).astype(numpy.float32)) for part in (windows, targets))


def measure(series: list[numpy.ndarray], folder: Path) -> dict[str, Any]:
    """Train both for some steps in turn, then forecast all series."""
    rows = [f"H{n},{t},{v:.6g}\n" for n, y in enumerate(series) for t, v in enumerate(y.tolist())]
    (folder / "series.csv").write_text("unique_id,ds,y\n" + "".join(rows), encoding="utf-8")
    task = task_named("forecast")
    config = resolve(task, [read_yaml(RECIPE), {"data": {"horizon": 48}}])
    table: Any = read(folder / "series.csv")
    preparation: Any = task.prepare(table, config.data)
    source = preparation.source(table, "train", Batching(config.training.batch_size))
    model, context = task.build(preparation, config.model).train(), config.context(preparation)
    bare = Bare(config, preparation.horizon)
    optimizers = [build_optimizer(model, config.training), torch.optim.AdamW(bare.parameters(), fused=True)]
    batches = (batch for epoch in range(10_000) for batch in source.batches(epoch))
    theirs = bare_batches(series, config, preparation.horizon)
    data = config.data

    def update(loss: torch.Tensor, module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    def our_steps() -> None:
        for _ in range(STEPS):
            loss = task.loss(model, next(batches), None, context)
            update(loss.nats.sum() / loss.units.sum(), model, optimizers[0])

    def their_steps() -> None:
        for _ in range(STEPS):
            y, targets = next(theirs)
            quantiles = bare(y, data.context, data.forks, data.fork_stride)
            error = targets[..., None] - quantiles
            loss = torch.maximum(bare.levels * error, (bare.levels - 1) * error).mean()
            update(loss, bare, optimizers[1])

    pairs = in_turn(our_steps, their_steps, budget_seconds=BUDGET, least=PAIRS)
    windows = STEPS * config.training.batch_size
    ours, bare_loop = (windows / seconds for seconds in pairs.seconds)
    predictor = Predictor(folder, config, "", preparation, model.eval())
    predictor.forecast(folder / "series.csv")
    started = time.perf_counter()
    predictor.forecast(folder / "series.csv")
    seconds = time.perf_counter() - started
    rates = {"ours": ours, "theirs": bare_loop}
    return {**rates, "ratios": pairs.ratios, "ratio": pairs.ratio, "seconds": seconds}


def main() -> None:
    """Measure, and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        row = measure(made_up(), Path(folder))
    lines = [
        "| 414 hourly series | ours, windows a second | bare loop | times as fast | floor | |",
        "|---|---|---|---|---|---|",
        f"| gru 96, training | {row['ours']:,.0f} | {row['theirs']:,.0f} | {spread(row['ratios'])} "
        f"| {FLOOR} | {verdict(row['ratio'], FLOOR)} |",
        "",
        f"Forecasting 48 steps of all of them, the file read and the bands included: {row['seconds']:.2f} s "
        f"(at most {MAX_SECONDS:g} s).",
    ]
    print("\n".join(lines), flush=True)
    write_section("Forecasting against a bare PyTorch loop", Path(__file__), lines)
    save(Path(__file__), row)


if __name__ == "__main__":
    main()
