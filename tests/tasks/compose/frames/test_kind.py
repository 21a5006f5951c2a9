"""Frames: the loss by hand, as published figures count; learning, saving, resuming; the baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file

from seqloom.data.batching import Batching
from seqloom.data.music.dataset import Music
from seqloom.data.read import read
from seqloom.errors import DataError
from seqloom.evaluation.measure import measure
from seqloom.inference.predictor import Predictor
from seqloom.models.recurrent_stack import RecurrentStack
from seqloom.runs.config import resolve
from seqloom.tasks import infer, task_named
from seqloom.tasks.compose.frames.preparation import RollPreparation
from seqloom.training.train import train

from .rolls import SETTINGS, write_rolls

TASK = task_named("compose")
KINDS = [("joint", True), ("joint", False), ("independent", True), ("independent", False)]
CPU = torch.device("cpu")


def _prepared(data: Music, dependence: str, tied: bool, **model: Any) -> tuple[Any, Any, Any]:
    """A preparation, an untrained model and the context, small."""
    sizes = {"hidden_size": 16, "key_hidden_size": 8, "key_output_size": 8, "key_reach": 5, "dropout": 0.0}
    keys = {"key_dependence": dependence, "tied_keys": tied}
    config = resolve(TASK, [{"model": {**sizes, **keys, **model}, "data": {"transpose": 0}}])
    preparation = TASK.prepare(data, config.data)
    torch.manual_seed(0)
    return preparation, TASK.build(preparation, config.model), config.context(preparation)


def test_it_is_inferred_from_piano_rolls(data: Music) -> None:
    assert [(task.name, reason) for task, reason in infer(data)] == [("compose", "piano rolls")]


@pytest.mark.parametrize(("dependence", "tied"), KINDS)
def test_the_loss_of_independent_and_joint_keys(data: Music, dependence: str, tied: bool) -> None:
    """Of one roll, frame by frame and key by key: the first frame is learnt, and not scored."""
    preparation, model, context = _prepared(data, dependence, tied)
    model = model.double().eval()
    batch = next(preparation.source(data, "test", Batching(1, training=False)).batches(0))
    frames = batch.frames[0].double()
    nats, state, before = [], None, torch.zeros(1, 1, 88, dtype=torch.float64)
    for frame in frames:
        units, state = model.step(before, state)
        p = model.key_logits(units, frame.unsqueeze(0))[0].sigmoid()
        nats.append(-(frame * p.log() + (1 - frame) * (1 - p).log()).sum())
        before = frame.view(1, 1, -1)
    scored = TASK.evaluate_batch(model, batch, None, context)
    assert scored.nats.item() == pytest.approx(sum(nats[1:]).item(), rel=1e-5)  # float32 cross-entropy
    assert scored.units.tolist() == [len(frames) - 1]
    assert scored.counts["first_nats"].item() == pytest.approx(nats[0].item(), rel=1e-5)
    learnt = TASK.loss(model, batch, None, context)
    assert learnt.nats.item() == pytest.approx(sum(nats).item(), rel=1e-5)
    assert learnt.units.tolist() == [len(frames)]


@pytest.mark.parametrize(("dependence", "tied"), KINDS)
def test_metrics_do_not_depend_on_the_batch(data: Music, dependence: str, tied: bool) -> None:
    preparation, model, context = _prepared(data, dependence, tied)
    sources = [preparation.source(data, "all", Batching(size, training=False)) for size in (1, 7, 64)]
    measured = [measure(TASK, model.double(), source, CPU, context) for source in sources]
    for rows in measured[1:]:
        assert rows.units.sum() == measured[0].units.sum()
        assert rows.nats.sum() == pytest.approx(measured[0].nats.sum(), rel=1e-6)
        for name in rows.counts:
            assert rows.total(name) == pytest.approx(measured[0].total(name), rel=1e-6)


@pytest.mark.parametrize(("tied", "size"), [(True, 8), (False, 16)])
def test_a_state_of_each_key_has_a_size_of_its_own(data: Music, tied: bool, size: int) -> None:
    _, model, _ = _prepared(data, "joint", tied, num_layers=2)
    (stack,) = [module for module in model.modules() if isinstance(module, RecurrentStack)]
    assert [layer.hidden_size for layer in stack] == [size, size]


def test_what_it_learnt_is_saved(trained: Predictor, path: Path) -> None:
    report = trained.evaluate(path)
    assert report.metrics["loss_nats_per_frame"] < 2 < report.baseline["loss_nats_per_frame"]
    assert json.loads((trained.folder / "frames.json").read_text()) == {
        "first_key": 26,
        "stop_key": 60,
        "frames_per_quarter": 1,
        "frames_per_bar": 4,
    }
    assert trained.preparation.describe() == "34 keys from B2 to Ab5, 1 frame a quarter note, 4 a bar"


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(path: Path, tmp_path: Path) -> None:
    schedule = ["training.schedule=constant", "training.warmup_steps=0", "training.max_steps=12"]
    settings = [*SETTINGS, "data.transpose=3", "data.max_frames=6", *schedule]
    whole, _ = train(path, settings=settings, out=tmp_path / "whole")
    train(path, settings=[*settings, "training.max_steps=7"], out=tmp_path / "parts")
    parts, _ = train(path, settings=["training.max_steps=12"], out=tmp_path / "parts", resume=True)
    weights, resumed = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert weights.keys() == resumed.keys()
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)


def test_the_baseline_by_hand(tmp_path: Path) -> None:
    """One key that goes on and off in turn, of 88; others are silent in all 9 transitions of training."""
    rolls = [[[60], []] * 5]
    (tmp_path / "a.json").write_text(json.dumps({"train": rolls, "valid": rolls, "test": [[[60], [], []]]}))
    data = read(tmp_path / "a.json")
    preparation = TASK.prepare(data, TASK.DataConfig())
    baseline = TASK.baseline(preparation, data, "test")
    assert baseline is not None
    after_on, after_off, silent = 0.5 / 6, 4.5 / 5, 0.5 / 10  # of sounding, half a count added to each
    expected = -numpy.log(1 - after_on) - numpy.log(1 - after_off) - 2 * 87 * numpy.log(1 - silent)
    assert baseline.rows.nats.tolist() == pytest.approx([expected])
    assert baseline.rows.units.tolist() == [2]
    assert baseline.name == "each key given the frame before"
    assert TASK.baseline(preparation, data, "all") is None


def test_a_report_has_other_averages_and_compares_tunes(trained: Predictor, path: Path) -> None:
    report = trained.evaluate(path, report_tunes=3, bars=2)
    source = trained.preparation.source(read(path), "test", Batching(64, training=False))
    rows = measure(TASK, trained.model, source, CPU, trained.context())
    first = rows.counts["first_nats"].sum()
    frames = rows.units.sum() + len(rows.nats)
    details = report.details
    assert details["loss_nats_per_frame_with_the_first"] == pytest.approx((rows.nats.sum() + first) / frames)
    assert details["loss_nats_per_frame_mean_of_rolls"] == pytest.approx((rows.nats / rows.units).mean())
    assert list(details["statistics"]["polyphony"]) == ["training", "model", "held out", "frame before"]
    assert details["statistics"]["polyphony"]["held out"] == 4
    assert details["compared"].startswith("3 model, 3 held out, 3 frame before, their first 2 bars")
    assert "compared" not in trained.evaluate(path, report_tunes=0).details


def test_bad_rolls_are_skipped_and_counted(tmp_path: Path) -> None:
    path = write_rolls(tmp_path / "rolls.json", train=3)
    rolls = json.loads(path.read_text())
    rolls["train"] += [[[60], [3]], [[60]], [[60], []]]
    path.write_text(json.dumps(rolls))
    data = read(path)
    source = TASK.prepare(data, TASK.DataConfig()).source(data, "train", Batching(4))
    assert source.skipped == [
        f"{path}, train 4, step 2: must be MIDI numbers from 21 to 108. Got 3.",
        f"{path}, train 5: a piano roll must have at least 2 steps. Got 1.",
    ]
    assert sum(len(batch.lengths) for batch in source.batches(0)) == 4
    with pytest.raises(DataError, match="train 4, step 2"):
        TASK.prepare(read(path, strict=True), TASK.DataConfig())


@pytest.mark.parametrize(
    ("rolls", "message"),
    [
        ([[[], []]], r"expected notes to learn from\. Got silence in all training rolls\."),
        (
            [[[60]], [[1], []]],
            r"expected at least one usable piano roll for train\. Got 2 bad rows, the first: .*, train 1: "
            r"a piano roll must have at least 2 steps\. Got 1\.",
        ),
    ],
)
def test_nothing_to_learn_from(rolls: list[Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"train": rolls, "valid": [[[60], []]]}))
    with pytest.raises(DataError, match=message):
        TASK.prepare(read(tmp_path / "a.json"), TASK.DataConfig())


def test_a_preparation_is_what_it_wrote(data: Music, tmp_path: Path) -> None:
    preparation = TASK.prepare(data, TASK.DataConfig())
    assert isinstance(preparation, RollPreparation)
    for name, content in preparation.files().items():
        (tmp_path / name).write_text(content)
    restored = TASK.restore(tmp_path, TASK.DataConfig())
    assert restored.files() == preparation.files()
    assert restored.describe() == preparation.describe()


def test_a_batch_has_at_most_so_many_frames(tmp_path: Path) -> None:
    """Of 88 keys with a state each: more would be gigabytes."""
    rolls = [[[60 + step % 12] for step in range(900)] for _ in range(12)]
    (tmp_path / "a.json").write_text(json.dumps({"train": rolls, "valid": rolls[:1]}))
    data = read(tmp_path / "a.json")
    preparation = TASK.prepare(data, TASK.DataConfig(max_frames=400, transpose=2))
    for training, steps, rows in ((False, 900, 4), (True, 400, 10)):
        batches = list(preparation.source(data, "train", Batching(32, training=training)).batches(0))
        assert sum(len(batch.lengths) for batch in batches) == 12
        assert max(batch.frames.shape[0] for batch in batches) == rows
        assert {batch.frames.shape[1] for batch in batches} == {steps}


def test_excerpts_and_transpositions_differ_by_epoch_and_by_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"train": [[[60 + step % 12] for step in range(50)]] * 4}))
    data = read(tmp_path / "a.json")
    preparation = TASK.prepare(data, TASK.DataConfig(max_frames=10, transpose=3, frames_per_bar=4))
    rolls = [roll.check().frames for roll in data.splits["train"]]
    source = preparation.source(data, "train", Batching(1, seed=5))
    excerpts = {epoch: list(source.batches(epoch)) for epoch in range(6)}
    shifts = set()
    for batch in (batch for part in excerpts.values() for batch in part):
        start = int(batch.first_steps[0])
        assert start % 4 == 0
        frames = numpy.concatenate([batch.inputs[0, :1], batch.frames[0]])
        before = numpy.concatenate([numpy.zeros_like(rolls[0][:1]), rolls[0]])[start : start + 11]
        (shift,) = {int(a.argmax()) - int(b.argmax()) for a, b in zip(frames[1:], before[1:], strict=True)}
        numpy.testing.assert_array_equal(frames, numpy.roll(before, shift, axis=1))
        shifts.add(shift)
    assert shifts == {-1, 0, 1}  # the range has one key more to either side
    again = list(preparation.source(data, "train", Batching(1, seed=5)).batches(3, first=1))
    for batch, expected in zip(again, excerpts[3][1:], strict=True):
        assert torch.equal(batch.frames, expected.frames)
    starts = [int(batch.first_steps[0]) for part in excerpts.values() for batch in part]
    assert len(set(starts)) > 3
