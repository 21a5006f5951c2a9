"""The training loop: limits, schedules, records, clipping, precision, processes, non-finite losses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.errors import DataError, RunError
from seqloom.state import State, tensors_of
from seqloom.tasks.base import Context, Loss
from seqloom.tasks.generate.task import Generate
from seqloom.training import checkpoint
from seqloom.training.train import train

from ..attacks.faults import run_in_two_processes
from .conftest import SMALL


def records(folder: Path, split: str) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [record for line in lines if (record := json.loads(line))["split"] == split]


def test_the_loss_falls(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "model.hidden_size=64", "training.max_steps=150", "training.learning_rate=0.01"]
    folder, report = train(small_text, settings=settings, out=tmp_path / "run")
    losses = [record["loss_nats_per_character"] for record in records(folder, "train")]
    assert losses[0] > 2.5
    assert losses[-1] < 0.5
    assert report.metrics["loss_nats_per_character"] < 0.5


def test_a_training_record_has_rates_and_gradient_norms(small_text: Path, tmp_path: Path) -> None:
    folder, _ = train(small_text, settings=[*SMALL, "training.max_steps=10"], out=tmp_path / "run")
    record = records(folder, "train")[0]
    assert record["step"] == 5
    assert {"seconds", "bits_per_character", "learning_rate", "characters_per_second", "clipped_share"} < set(
        record
    )
    norms = record["gradient_norms"]
    assert set(norms) == set(checkpoint.load(folder).model)
    # float32 norms of float32 norms
    assert record["gradient_norm"] == pytest.approx(sum(n**2 for n in norms.values()) ** 0.5, rel=1e-5)


def test_the_share_of_clipped_steps(small_text: Path, tmp_path: Path) -> None:
    shares = {}
    for limit in ("1e-6", "1e6", "null"):
        settings = [*SMALL, "training.max_steps=10", f"training.gradient_clip={limit}"]
        folder, _ = train(small_text, settings=settings, out=tmp_path / limit)
        shares[limit] = records(folder, "train")[-1]["clipped_share"]
    assert shares == {"1e-6": 1.0, "1e6": 0.0, "null": 0.0}


def test_the_state_is_carried_from_window_to_window_and_cut_from_the_graph(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = [], []
    loss = Generate.loss

    def watched(
        self: Generate, model: torch.nn.Module, batch: Any, state: State | None, context: Context
    ) -> Loss:
        result = loss(self, model, batch, state, context)
        if model.training:
            before.append(state)
            after.append(result.state)
        return result

    monkeypatch.setattr(Generate, "loss", watched)
    folder, _ = train(small_text, settings=[*SMALL, "training.max_epochs=2"], out=tmp_path / "run")
    steps = checkpoint.load(folder).state.step
    assert len(before) == steps
    first_steps = [step for step in range(steps) if before[step] is None]
    assert first_steps[0] == 0
    assert len(first_steps) == 2  # each epoch starts from the initial state
    for step in set(range(steps)) - set(first_steps):
        for carried, final in zip(tensors_of(before[step]), tensors_of(after[step - 1]), strict=True):
            assert torch.equal(carried, final)
            assert not carried.requires_grad


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("training.max_steps=7", "training.max_steps=7"),
        ("training.max_epochs=2", "training.max_epochs=2"),
        ("training.max_minutes=0.005", "training.max_minutes=0.005"),
    ],
)
def test_limits(small_text: Path, tmp_path: Path, setting: str, reason: str) -> None:
    folder, _ = train(small_text, settings=[*SMALL, setting], out=tmp_path / "run")
    state = checkpoint.load(folder).state
    assert state.stop_reason == reason
    assert "training.max_steps" not in reason or state.step == 7
    assert "training.max_epochs" not in reason or state.epoch == 2


def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abcabcabc" * 100 + "zyxwzyxw" * 12)  # what is learnt here is wrong there
    settings = [*SMALL, "training.validate_every=5", "training.patience=3", "training.schedule=constant"]
    folder, report = train(text, settings=[*settings, "training.learning_rate=0.01"], out=tmp_path / "run")
    state = checkpoint.load(folder).state
    assert state.stop_reason == "training.patience=3 validations without improvement"
    assert state.step == state.best_step + 15
    assert report.metrics["loss_nats_per_character"] == pytest.approx(state.best_loss)


def test_plateau_lowers_the_rate_when_validation_does_not_improve(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abcabcabc" * 100 + "zyxwzyxw" * 12)
    settings = [*SMALL, "training.validate_every=5", "training.schedule=plateau", "training.max_steps=60"]
    settings += ["training.optimizer=sgd", "training.learning_rate=2.0", "training.patience=null"]
    folder, _ = train(text, settings=[*settings, "training.warmup_steps=0"], out=tmp_path / "run")
    rates = [record["learning_rate"] for record in records(folder, "train")]
    assert rates[0] == 2.0
    assert 0.5 in rates
    assert all(after in (before, before / 4) for before, after in pairwise(rates))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(
    small_text: Path, tmp_path: Path
) -> None:
    settings = [
        *SMALL,
        "training.max_steps=500",
        "training.learning_rate=1e38",
        "training.checkpoint_every=1",
    ]
    settings += ["training.schedule=constant", "training.gradient_clip=null", "training.warmup_steps=0"]
    settings += ["model.cell_type=rnn", "training.optimizer=sgd"]
    message = (
        r"step \d+: loss and gradient must be finite\. Got a loss of .*, first in .*learning_rate=2\.5e\+37"
    )
    with pytest.raises(RunError, match=message):
        train(small_text, settings=settings, out=tmp_path / "run")
    saved = checkpoint.load(tmp_path / "run")
    assert all(tensor.isfinite().all() for tensor in saved.model.values())


def test_a_validation_loss_that_is_not_finite_is_never_the_best(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> Loss:
        loss = Generate.loss(*arguments)
        return loss._replace(nats=loss.nats * torch.nan)

    monkeypatch.setattr(Generate, "evaluate_batch", broken)
    with pytest.raises(
        RunError, match=r"the validation loss must be finite\. Got nan\. The last good checkpoint stays"
    ):
        train(small_text, settings=[*SMALL, "training.max_steps=10"], out=tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_bad_test_split_is_found_before_the_first_step(small_text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.txt").write_text(small_text.read_text())
    (folder / "test.txt").write_bytes(b"\xff" * 50)
    with pytest.raises(DataError, match=r"test\.txt, byte 0: the text must be UTF-8"):
        train(folder, settings=[*SMALL, "training.max_steps=10"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_test_split_is_measured_once_with_the_best_weights(small_text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text(small_text.read_text())
    run, report = train(folder, settings=[*SMALL, "training.max_steps=10"], out=tmp_path / "run")
    assert report.split == "test"
    (record,) = records(run, "test")
    assert record["loss_nats_per_character"] == report.metrics["loss_nats_per_character"]


def test_bfloat16_learns_as_float32_does(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.max_steps=100", "training.learning_rate=0.01", "model.dropout=0"]
    losses = {}
    for precision in ("float32", "bfloat16"):
        chosen = [*settings, f"training.precision={precision}"]
        _, report = train(small_text, settings=chosen, out=tmp_path / precision)
        losses[precision] = report.metrics["loss_nats_per_character"]
    # 8 bits of mantissa: the same course, not the same numbers
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1)
    assert losses["bfloat16"] != losses["float32"]


def test_tensorboard_gets_the_same_numbers(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.max_steps=10", "training.tensorboard=true"]
    folder, _ = train(small_text, settings=settings, out=tmp_path / "run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    scalars = events.Scalars("train/loss_nats_per_character")
    expected = [record["loss_nats_per_character"] for record in records(folder, "train")]
    assert [event.value for event in scalars] == pytest.approx(expected, rel=1e-6)


PROGRAM = """
import sys, torch
torch.set_num_threads(1)
from seqloom.training.train import train
text, folder, resume, *settings = sys.argv[1:]
train(text, settings=settings, out=folder, resume=resume == "resume")
"""


def train_in_two_processes(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program.write_text(PROGRAM)
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *run, str(program), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_also_when_resumed(small_text: Path, tmp_path: Path) -> None:
    """The same global batch: losses equal to 1e-4 for 50 steps, and so the validation's."""
    settings = [*SMALL, "training.log_every=1", "model.dropout=0", "training.schedule=constant"]
    settings += ["training.warmup_steps=0", "model.ngram_context=3", "model.ngram_buckets=256"]
    settings += ["training.precision=float32"]  # rounding to 8 bits depends on how a batch is cut
    one, two = tmp_path / "one", tmp_path / "two"
    train(small_text, settings=[*settings, "training.max_steps=50"], out=one)
    run_in_two_processes(
        lambda run: train(small_text, settings=[*settings, "training.max_steps=23"], out=run), two
    )
    run_in_two_processes(
        lambda run: train(small_text, resume=True, settings=["training.max_steps=50"], out=run), two
    )
    assert len(checkpoint.load(two).processes) == 2
    assert len(records(one, "train")) == 50
    pairs = [*zip(records(one, "train"), records(two, "train"), strict=True)]
    pairs.append((records(one, "validation")[-1], records(two, "validation")[-1]))
    for mine, other in pairs:
        name = "loss_nats_per_character"
        assert mine["step"] == other["step"]
        assert mine[name] == pytest.approx(other[name], abs=1e-4)
    with pytest.raises(RunError, match=r"expected 2 process\(es\), as before\. Got 1\."):
        train(out=two, resume=True, settings=["training.max_steps=60"])


@pytest.mark.slow  # three processes import torch
def test_torchrun_trains_in_two_processes(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.max_steps=2"]
    done = train_in_two_processes(
        tmp_path / "p.py", str(small_text), str(tmp_path / "run"), "begin", *settings
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(checkpoint.load(tmp_path / "run").processes) == 2


def test_a_mistake_ends_all_processes_with_its_one_line(small_text: Path, tmp_path: Path) -> None:
    done = train_in_two_processes(
        tmp_path / "p.py", str(small_text), str(tmp_path / "run"), "begin", "training.x=1"
    )
    assert done.returncode != 0
    assert "unknown key `training.x`" in done.stderr


def test_a_run_folder_holds_no_pickle_and_all_that_is_needed(small_text: Path, tmp_path: Path) -> None:
    folder, _ = train(small_text, settings=[*SMALL, "training.max_steps=5"], out=tmp_path / "run")
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "README.md",
        "config.json",
        "metrics.jsonl",
        "model.safetensors",
        "resume/checkpoint.safetensors",
        "resume/lock",
        "resume/previous.safetensors",
        "tokenizer.json",
    }
    small_text.unlink()
    assert isinstance(seqloom.load(folder).generate("the ", max_new_tokens=5), str)
    assert "loss_nats_per_character" in (folder / "README.md").read_text()


def test_a_training_depends_on_its_seed_alone(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.max_steps=10"]
    for name, seed, global_seed in (("a", 1, 10), ("b", 1, 20), ("c", 2, 10)):
        torch.manual_seed(global_seed)
        train(small_text, settings=[*settings, f"training.seed={seed}"], out=tmp_path / name)
    weights = {name: checkpoint.load(tmp_path / name).model["output.weight"] for name in "abc"}
    assert torch.equal(weights["a"], weights["b"])
    assert not torch.equal(weights["a"], weights["c"])
