"""Every recipe is a valid configuration, and begins to train on the data that it is for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqloom.data.read import read
from seqloom.tasks import task_named
from seqloom.training.config import read_yaml, resolve
from seqloom.training.start import train

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))
DATA = {"tinyshakespeare": "text/tinyshakespeare.txt", "ptb-word": "text/ptb"}


@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_a_recipe_is_a_configuration_with_a_limit(recipe: Path) -> None:
    settings = read_yaml(recipe)
    config = resolve(task_named(settings["task"]), [settings])
    assert set(settings["training"]) & {"max_epochs", "max_steps", "max_minutes"}
    assert config.to_dict()["model"].items() >= settings["model"].items()
    assert recipe.stem in DATA


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_a_recipe_begins_to_learn(recipe: Path, data_dir: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"  # its first lines: the whole has its place in recipes/README.md
    source = data_dir / DATA[recipe.stem]
    file = source if source.is_file() else source / "train.txt"
    text.write_text("".join(file.read_text().splitlines(keepends=True)[:1500]))
    limits = ["training.max_steps=8", "training.max_epochs=null", "training.max_minutes=null"]
    settings = [*limits, "training.log_every=1", "training.warmup_steps=0"]
    folder, _ = train(text, config=recipe, settings=settings, out=tmp_path / "run")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["gradient_norm"] for line in lines if line["split"] == "train"]
    unit = "word" if recipe.stem == "ptb-word" else "character"
    first, *_, last = [line[f"loss_nats_per_{unit}"] for line in lines if line["split"] == "train"]
    assert last < first
    assert len(losses) == 8


def test_the_penn_treebank_has_the_tokens_that_everyone_has(data_dir: Path) -> None:
    data = read(data_dir / DATA["ptb-word"])
    generate = task_named("generate")
    config = resolve(generate, [{"data": {"unit": "word"}}])
    preparation = generate.prepare(data, config.data)
    counts = {split: len(preparation.tokens(data, split).numbers) for split in data.splits}  # type: ignore[attr-defined]
    assert counts == {"train": 929_589, "validation": 73_760, "test": 82_430}
    assert preparation.describe() == "10,000 words"
