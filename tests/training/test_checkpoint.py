"""Checkpoints: what is saved comes back, also from an earlier version's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from seqloom.errors import RunError
from seqloom.runs import weights
from seqloom.training import checkpoint
from seqloom.training.checkpoint import Checkpoint
from seqloom.training.state import TrainingState


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "resume").mkdir()
    return tmp_path


def made_up(**model: torch.Tensor) -> Checkpoint:
    state = TrainingState(step=12, best_loss=1.5, sums={"nats": 2.5, "pairs": [1.0, 2.0]})
    moments = {0: {"step": torch.tensor(12.0), "exp_avg": torch.randn(3)}}
    processes = [[torch.arange(4, dtype=torch.uint8), torch.randn(1, 2, 3)], [torch.zeros(4)]]
    return Checkpoint(state, "text.txt", "abc", model, moments, processes, {"w": torch.ones(3)})


def test_what_is_saved_comes_back(folder: Path) -> None:
    saved = made_up(w=torch.randn(3))
    checkpoint.save(folder, saved)
    loaded = checkpoint.load(folder)
    assert loaded[:3] == saved[:3]
    assert torch.equal(loaded.model["w"], saved.model["w"])
    assert torch.equal(loaded.average["w"], saved.average["w"])
    assert torch.equal(loaded.optimizer[0]["exp_avg"], saved.optimizer[0]["exp_avg"])
    assert [len(tensors) for tensors in loaded.processes] == [2, 1]
    assert torch.equal(loaded.processes[0][1], saved.processes[0][1])


def test_a_checkpoint_of_an_earlier_version_is_read(folder: Path) -> None:
    """Version 0.1.0 called the state a position, and four of its fields otherwise."""
    position = {
        "step": 12,
        "epoch": 1,
        "best_loss": 1.5,
        "stale_validations": 2,
        "plateau_validations": 1,
        "recent": {"nats": 2.5},
        "finished": "training.max_steps=12",
    }
    metadata = {
        "position": json.dumps(position),
        "data": json.dumps({"path": "text.txt", "digest": "abc"}),
        "processes": "1",
    }
    tensors = {"model.w": torch.ones(2), "process.0.0": torch.zeros(4, dtype=torch.uint8)}
    weights.write(folder / checkpoint.FILE, tensors, metadata)
    assert checkpoint.load(folder).state == TrainingState(
        step=12,
        epoch=1,
        best_loss=1.5,
        best_metric="loss",
        best_value=1.5,
        loss_at_best=1.5,
        validations_since_best=2,
        validations_since_rate_change=1,
        sums={"nats": 2.5},
        stop_reason="training.max_steps=12",
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_is_seen_wherever_it_is(value: float, dtype: torch.dtype) -> None:
    assert checkpoint._is_finite(torch.zeros(0, dtype=dtype))
    for size in (1, 7, 4099):
        weight = torch.randn(size).to(dtype)
        assert checkpoint._is_finite(weight)
        for place in {0, size // 2, size - 1}:
            damaged = weight.clone()
            damaged[place] = value
            assert not checkpoint._is_finite(damaged)
    assert checkpoint._is_finite(torch.full((100,), 3e38))  # whose sum is not


def test_weights_that_are_not_finite_are_never_saved(folder: Path) -> None:
    checkpoint.save(folder, made_up(w=torch.ones(3)))
    with pytest.raises(RunError, match=r"training, step 12: weights must be finite\. Got w is not\."):
        checkpoint.save(folder, made_up(w=torch.tensor([1.0, torch.nan, 1.0])))
    assert torch.equal(checkpoint.load(folder).model["w"], torch.ones(3))


def test_fields_of_a_later_version_are_refused(folder: Path) -> None:
    saved = made_up(w=torch.ones(3))
    metadata = {"state": json.dumps({**saved.state.to_dict(), "new": 1}), "data": "{}", "processes": "0"}
    weights.write(folder / checkpoint.FILE, {"model.w": torch.ones(2)}, metadata)
    with pytest.raises(RunError, match=r"expected a checkpoint of this version\. Got TypeError: .*'new'"):
        checkpoint.load(folder)
