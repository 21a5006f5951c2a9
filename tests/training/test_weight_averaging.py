"""Averaged weights: the formula, what is measured and kept, and that a resumed training has them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from seqloom.runs import weights
from seqloom.runs.run_folder import MODEL
from seqloom.training import checkpoint
from seqloom.training.train import train
from seqloom.training.weight_averaging import STEPS_BETWEEN_UPDATES, WeightAverage

SMALL = ["model.hidden_size=8", "model.num_layers=1", "training.batch_size=2", "training.window=16"]


def test_it_is_the_average_of_the_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, decay=0.9)
    expected = model.weight.item()
    for step in range(1, 10 * STEPS_BETWEEN_UPDATES):
        with torch.no_grad():
            model.weight.fill_(step)
        average.update(model, step)
        if step % STEPS_BETWEEN_UPDATES == 0:
            decay = min(0.9, (1 + step) / (10 + step)) ** STEPS_BETWEEN_UPDATES
            expected = decay * expected + (1 - decay) * step
    # float32 sums of a dozen numbers below 100
    assert average.weights["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_the_model_has_its_own_weights_back() -> None:
    model = nn.Linear(2, 2)
    average = WeightAverage(model, 0.5)
    first = model.weight.detach().clone()
    own = first + 1
    with torch.no_grad():
        model.weight.copy_(own)
    with average.swapped_into(model):
        assert torch.equal(model.weight, first)
    assert torch.equal(model.weight, own)


def test_the_average_is_what_is_kept(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.averaging=0.9", "training.max_steps=40"]
    folder, _ = train(small_text, settings=settings, out=tmp_path / "run")
    last = checkpoint.load(folder)
    kept, _ = weights.read(folder / MODEL)
    assert all(torch.equal(kept[name], last.average[name]) for name in kept)
    assert not all(torch.equal(kept[name], last.model[name]) for name in kept)


def test_a_resumed_training_has_the_same_average(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.averaging=0.9", "training.schedule=constant", "training.warmup_steps=0"]
    train(small_text, settings=[*settings, "training.max_steps=30"], out=tmp_path / "whole")
    train(small_text, settings=[*settings, "training.max_steps=17"], out=tmp_path / "cut")
    train(settings=["training.max_steps=30"], out=tmp_path / "cut", resume=True)
    whole, cut = (checkpoint.load(tmp_path / name).average for name in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
