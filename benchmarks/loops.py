"""`seqloom train`'s loop against a bare PyTorch loop of the same model, in turn in one process."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from measuring import Pairs
from torch import nn

from seqloom.data.batching import TokenStreams
from seqloom.data.read import read
from seqloom.runs.config import resolve
from seqloom.state import detach
from seqloom.tasks import task_named
from seqloom.training.job import Job
from seqloom.training.monitoring.callbacks import Callback
from seqloom.training.trainer import Trainer

STEPS = 8
"""Of a turn."""


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

    def __init__(self, job: Job, precision: str) -> None:
        training, model = job.config.training, job.config.model
        preparation: Any = job.preparation
        tokens = preparation.tokens(job.data, "train")
        self.batches = self._forever(TokenStreams(tokens, training.batch_size, training.window, seed=0))
        size = len(preparation.vocabulary)
        self.model = Bare(model.cell_type, size, min(model.hidden_size, 256), model.hidden_size)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, fused=True)
        self.bf16, self.state = precision == "bfloat16", None

    @staticmethod
    def _forever(source: TokenStreams) -> Any:
        while True:
            yield from source.batches(0)

    def run(self, steps: int) -> None:
        """Train."""
        for inputs, targets in islice(self.batches, steps):
            if self.state is not None and inputs.shape[1] < 64:
                self.state = None
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                logits, state = self.model(inputs.t(), self.state)
                loss = nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.t().flatten())
            self.state = detach(state)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
            loss.item()


class InTurn(Callback):
    """Lets the bare loop run after every 8 steps of ours, and times both."""

    def __init__(self, bare: BareLoop) -> None:
        self.bare, self.count, self.ours, self.theirs = bare, 0, [], []
        self.started = time.perf_counter()

    def on_step(self, progress: float, seconds: float) -> None:  # noqa: ARG002
        """After each of our steps."""
        self.count += 1
        if self.count % STEPS:
            return
        now = time.perf_counter()
        self.ours.append(now - self.started)
        self.bare.run(STEPS)
        self.theirs.append(time.perf_counter() - now)
        self.started = time.perf_counter()


def measure(
    path: Path, pairs: int, training: dict[str, Any], model: dict[str, Any], bare_precision: str | None = None
) -> Pairs:
    """Seconds a step, ours and those of the bare loop, in turn.

    Args:
        path: a text to train on; the run's files land beside it.
        pairs: turns of each.
        training, model: what the configuration says otherwise than the defaults.
        bare_precision: of the bare loop, if it is another.
    """
    training = {"max_steps": STEPS * (pairs + 2), "validate_every": 1_000_000, **training}
    config = resolve(task_named("generate"), [{"training": training, "model": {"dropout": 0.0, **model}}])
    data = read(path)
    job = Job(config, task_named("generate").prepare(data, config.data), data, path)
    trainer = Trainer(job, Accelerator(cpu=True))
    in_turn = InTurn(BareLoop(job, bare_precision or config.training.precision))
    (path.parent / "resume").mkdir(exist_ok=True)
    trainer.run(path.parent, [in_turn])
    # The first two warm up.
    return Pairs([s / STEPS for s in in_turn.ours[2:]], [s / STEPS for s in in_turn.theirs[2:]])
