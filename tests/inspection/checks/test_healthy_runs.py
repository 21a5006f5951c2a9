"""Nothing is wrong with models of every task: no check fails that does not depend on training.

Of trained ones no check fails at all, and they are diagnosed as healthy; `benchmarks/verdicts.py` has more.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import seqloom
from seqloom.inference.predictor import Predictor
from seqloom.inspection.checks.table import CHECKS
from seqloom.tasks import TASKS, task_named

from .conftest import answers, sentence, untrained

TRAINED_ONLY = {"baseline", "answers", "lagged-copy"}
NAMES = [check.name for check in CHECKS if check.name not in TRAINED_ONLY]
SMALL = {"hidden_size": 8, "num_layers": 1}
APPLICABLE = {
    "generate": {"repeats", "batch-mates", "batch-size", "chunks", "causality", "near-duplicates"},
    "classify": {"repeats", "padding", "batch-mates", "batch-size", "empty-rows", "near-duplicates"},
    "tag": {"repeats", "padding", "batch-mates", "batch-size", "empty-rows", "near-duplicates"},
    "translate": {
        "padding",
        "batch-mates",
        "batch-size",
        "chunks",
        "causality",
        "empty-rows",
        "near-duplicates",
    },
    "transcribe": {"padding", "batch-mates", "batch-size", "empty-rows", "shared-examples"},
    "caption": {"batch-mates", "batch-size", "chunks", "causality", "shared-examples"},
    "compose": {"padding", "batch-mates", "batch-size", "chunks", "causality", "shared-examples"},
    "forecast": {"batch-mates", "batch-size", "chunks", "empty-rows"},
    "rolls": {"padding", "batch-mates", "batch-size", "chunks", "causality", "empty-rows", "shared-examples"},
}
"""Of each task some checks that must be made, and not be passed over"""
FOR_ALL = {"repeats", "save-and-load", "kernels", "precisions"}
SLOW = ("tag", "transcribe")
"""Tasks whose toy data takes seconds to read"""


def as_parameters(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in names]


TWO_WAY = as_parameters(("classify", "tag", "transcribe"))
"""Tasks whose models read both ways, if nobody asks for one direction"""


class Run(NamedTuple):
    """A model of a task's toy data that nobody trained."""

    name: str
    predictor: Predictor
    path: Path


def write_rolls(path: Path) -> Path:
    """Piano rolls, the ninth kind of data."""
    generator = random.Random(0)
    chords = [[48, 64, 67], [53, 65, 69], [55, 62, 71]]
    splits = {
        name: [generator.choices(chords, k=generator.randint(9, 24)) for _ in range(count)]
        for name, count in {"train": 30, "validation": 6, "test": 20}.items()
    }
    path.write_text(json.dumps(splits))
    return path


@pytest.fixture(scope="module", params=as_parameters((*TASKS, "rolls")))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A task's toy data, and an untrained model of it."""
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    if name == "caption":
        pytest.importorskip("PIL")
    if name == "rolls":
        path = write_rolls(folder / "rolls.json")
        return Run(name, untrained("compose", path, folder, model={**SMALL, "key_hidden_size": 4}), path)
    path = folder / "data"
    path.mkdir()
    task_named(name).write_toy_data(path, 0)
    return Run(name, untrained(name, path, folder, model=SMALL), path)


def test_no_check_of_a_healthy_model_fails(run: Run) -> None:
    name, predictor, path = run
    results = answers(predictor, path, *NAMES)
    assert {check: result.evidence for check, result in results.items() if result.result == "fail"} == {}
    passed = {check for check, result in results.items() if result.result == "pass"}
    assert passed >= APPLICABLE[name] | FOR_ALL


@pytest.mark.parametrize("run", TWO_WAY, indirect=True)
def test_models_of_one_direction_are_causal(run: Run) -> None:
    """Those that read both ways unless one direction is asked for."""
    name, predictor, path = run
    two_way = answers(predictor, path, "chunks", "causality")
    assert {check.result for check in two_way.values()} == {"not applicable"}
    assert two_way["causality"].evidence == "layers.0 reads both ways"
    model = {**SMALL, "bidirectional": False}
    one_way = answers(untrained(name, path, predictor.folder, model=model), path, "chunks", "causality")
    assert {check.result for check in one_way.values()} == {"pass"}


SETTINGS = {"model.num_layers": 1, "model.dropout": 0.1, "training.learning_rate": 5e-3}
SETTINGS |= {"training.precision": "float32", "training.patience": None, "training.log_every": 10}
TOY_RUNS: dict[str, dict[str, Any]] = {
    "generate": {
        "model.hidden_size": 64,
        "model.ngram_context": 5,
        "training.learning_rate": 0.01,
        "training.max_steps": 400,
    },
    "classify": {
        "model.hidden_size": 48,
        "model.embedding_size": 32,
        "training.batch_size": 32,
        "training.max_steps": 300,
    },
    "translate": {
        "data.unit": "word",
        "model.hidden_size": 96,
        "model.embedding_size": 96,
        "training.batch_size": 16,
        "training.max_steps": 250,
    },
    "compose": {
        "model.hidden_size": 48,
        "training.learning_rate": 0.01,
        "training.max_steps": 100,
        "decoding.report_tunes": 0,
    },
}
"""Tasks whose toy data is learnt in seconds, and how"""


@pytest.mark.slow
@pytest.mark.parametrize("name", TOY_RUNS)
def test_nothing_is_wrong_with_a_trained_model(name: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir()
    task_named(name).write_toy_data(path, 0)
    model = seqloom.train(path, settings={**SETTINGS, **TOY_RUNS[name]}, out=tmp_path / "run")
    report = seqloom.check(model, path)
    assert {check.name: check.evidence for check in report.checks if check.result == "fail"} == {}
    assert report["baseline"].result == "pass"
    assert [verdict.name for verdict in seqloom.diagnose(model).verdicts] == ["healthy"]


def test_a_decoder_is_causal_where_targets_are_as_long_as_sources(tmp_path: Path) -> None:
    """Its encoder reads both ways, over as many steps."""
    generator, folder = random.Random(0), tmp_path / "pairs"
    folder.mkdir()
    for split, count in {"train": 30, "validation": 8, "test": 20}.items():
        pairs = [(text := sentence(generator), text[::-1]) for _ in range(count)]
        (folder / f"{split}.tsv").write_text("source\ttarget\n" + "".join(f"{a}\t{b}\n" for a, b in pairs))
    predictor = untrained("translate", folder, tmp_path, model=SMALL, data={"unit": "character"})
    result = answers(predictor, folder, "causality")["causality"]
    assert (result.result, result.numbers.get("modules", 0) > 2) == ("pass", True)
