"""Time of a training step: `seqloom train` against a bare PyTorch loop of the same model.

Both train in turn in one process, 8 steps each, on Python's help texts; the ratio is taken pair by pair.
The bare loop has what any loop needs: embedding, nn.LSTM or nn.GRU, output layer, cross-entropy, the state
carried, clipping by norm, AdamW. Ours also keeps time, records, and checks that all is finite.

    python benchmarks/training_step.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from results import write_section
from torch import nn

from seqloom.data.batching import Streams
from seqloom.data.read import read
from seqloom.data.samples import python_help
from seqloom.state import detach
from seqloom.tasks import TASKS
from seqloom.training.config import resolve
from seqloom.training.job import Job
from seqloom.training.loop import Trainer

STEPS, PAIRS = 8, 41
CASES = [("lstm", "float32"), ("lstm", "bfloat16"), ("gru", "float32")]


class Bare(nn.Module):
    """What one writes in an afternoon."""

    def __init__(self, cell_type: str, vocabulary_size: int, embedding_size: int, hidden_size: int) -> None:
        super().__init__()
        layer = {"lstm": nn.LSTM, "gru": nn.GRU}[cell_type]
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.layers = layer(embedding_size, hidden_size, num_layers=2)
        self.output = nn.Linear(hidden_size, vocabulary_size)

    def forward(self, tokens: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """Time-first, which is what torch's layers are fastest at."""
        values, state = self.layers(self.embedding(tokens), state)
        return self.output(values), state


class BareLoop:
    """A loop over the same windows."""

    def __init__(self, job: Job) -> None:
        training, model = job.config.training, job.config.model
        tokens = job.preparation.tokens(job.data, "train")
        self.batches = self._forever(Streams(tokens, training.batch_size, training.window, seed=0))
        size = len(job.preparation.vocabulary)
        self.model = Bare(model.cell_type, size, min(model.hidden_size, 256), model.hidden_size)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, fused=True)
        self.half, self.state = training.precision == "bfloat16", None

    @staticmethod
    def _forever(source: Streams) -> Any:
        while True:
            yield from source.batches(0)

    def run(self, steps: int) -> None:
        """Train."""
        for inputs, targets in islice(self.batches, steps):
            if self.state is not None and inputs.shape[1] < 64:
                self.state = None
            with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
                logits, state = self.model(inputs.t(), self.state)
                loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.t().flatten())
            self.state = detach(state)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            loss.item()


class InTurn:
    """A hook of our loop that lets the bare loop run after every 8 of our steps, and times both."""

    def __init__(self, bare: BareLoop) -> None:
        self.bare, self.count, self.ours, self.theirs = bare, 0, [], []
        self.started = time.perf_counter()

    def step(self, progress: float, seconds: float) -> None:  # noqa: ARG002
        """After each of our steps."""
        self.count += 1
        if self.count % STEPS:
            return
        now = time.perf_counter()
        self.ours.append(now - self.started)
        self.bare.run(STEPS)
        self.theirs.append(time.perf_counter() - now)
        self.started = time.perf_counter()

    def record(self, record: dict[str, Any]) -> None:
        """Nothing."""

    def written_bytes(self) -> int:
        """Nothing."""
        return 0

    def close(self) -> None:
        """Nothing."""


def measure(path: Path, cell_type: str, precision: str) -> tuple[float, float, list[float]]:
    """Medians of seconds a step, ours and theirs, and the ratios pair by pair."""
    training = {"max_steps": STEPS * (PAIRS + 2), "precision": precision, "validate_every": 10_000}
    model = {"cell_type": cell_type, "dropout": 0.0, "kernel": "torch"}
    config = resolve(TASKS["generate"], [{"training": training, "model": model}])
    data = read(path)
    job = Job(config, TASKS["generate"].prepare(data, config.data), data, path)
    trainer = Trainer(job, Accelerator(cpu=True))
    hook = InTurn(BareLoop(job))
    (path.parent / "resume").mkdir(exist_ok=True)
    trainer.run(path.parent, [hook])
    ours, theirs = hook.ours[2:], hook.theirs[2:]  # the first two warm up
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return statistics.median(ours) / STEPS, statistics.median(theirs) / STEPS, ratios


def main() -> None:
    """Measure every case and write the table."""
    lines = ["| model | ours, ms a step | bare loop | ratio, median [min, max] |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "help.txt"
        path.write_text(python_help(), encoding="utf-8")
        for cell_type, precision in CASES:
            ours, theirs, ratios = measure(path, cell_type, precision)
            spread = f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"
            lines.append(
                f"| 2 x {cell_type} 256, {precision} | {ours * 1e3:.1f} | {theirs * 1e3:.1f} | {spread} |"
            )
    lines += ["", f"Batch 16, window 64, {PAIRS} pairs of {STEPS} steps in turn. Floor: at most 1.05."]
    write_section("Training step against a bare PyTorch loop", Path(__file__), lines)


if __name__ == "__main__":
    main()
