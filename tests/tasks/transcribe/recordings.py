"""Made-up recordings with transcripts, and small transcribers of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import soundfile
import torch

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.evaluation.measure import measure
from seqloom.inference.predictor import Predictor
from seqloom.runs.config import RunConfig, resolve
from seqloom.tasks.base import Rows
from seqloom.tasks.transcribe.preparation import Preparation
from seqloom.tasks.transcribe.task import Transcribe
from seqloom.tasks.transcribe.toy_data import RATE_HZ, synthesize

TASK = Transcribe()
CPU = torch.device("cpu")
WORDS = ("go", "left", "right", "on", "stop")


def speech(text: str, seed: int = 0) -> numpy.ndarray:
    return synthesize(text, 1.0, numpy.random.default_rng(seed))


def write(folder: Path, rows: Sequence[tuple[str, str]], columns: str = "file_name,transcription") -> None:
    """Recordings and metadata.csv; a file that exists is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, rest) in enumerate(rows):
        if not (folder / name).exists():
            soundfile.write(folder / name, speech(rest.partition(",")[0], number), RATE_HZ, subtype="PCM_16")
    lines = [columns, *(f"{name},{rest}" for name, rest in rows)]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def sentences(count: int, seed: int) -> list[tuple[str, str]]:
    generator = numpy.random.default_rng(seed)
    return [(f"{n}.wav", " ".join(generator.choice(WORDS, generator.integers(1, 4)))) for n in range(count)]


def settings(**parts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    model = {"hidden_size": 32, "num_layers": 1, "dropout": 0.0, "cell_type": "gru", **parts.get("model", {})}
    training = {"max_steps": 300, "batch_size": 8, "learning_rate": 0.01, "warmup_steps": 10, "log_every": 50}
    return {"data": {}, "loss": {}, **parts, "model": model, "training": training}


def trained(folder: Path, out: Path, **parts: dict[str, Any]) -> Predictor:
    config = out.with_suffix(".yaml")
    config.write_text(json.dumps(settings(**parts)))
    return seqloom.train(folder, config=config, out=out)


class Case(NamedTuple):
    config: RunConfig
    data: Records
    preparation: Preparation

    def rows(self, split: str = "test", model: Any = None, **decoding: Any) -> Rows:
        updated = self.config.decoding.model_copy(update=decoding)
        context = self.config.context(self.preparation, decoding=updated)
        source = self.preparation.source(self.data, split, Batching(8, training=False))
        return measure(TASK, model or self.model(), source, CPU, context)

    def model(self) -> Any:
        torch.manual_seed(0)
        return TASK.build(self.preparation, self.config.model).eval()


def prepared(folder: Path, strict: bool = False, **parts: dict[str, Any]) -> Case:
    data = read(folder, strict)
    assert isinstance(data, Records)
    config = resolve(TASK, [settings(**parts)])
    return Case(config, data, TASK.prepare(data, config.data))
