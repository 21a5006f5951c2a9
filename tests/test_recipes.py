"""Every recipe is a valid configuration, and starts to train on its data."""

from __future__ import annotations

import gzip
import json
import math
import shutil
import struct
from itertools import takewhile
from pathlib import Path

import pytest
import scipy.io

from seqloom.data.read import read
from seqloom.runs.config import read_yaml, resolve
from seqloom.tasks import task_named
from seqloom.training.train import train

EXCERPT_LINES = {".txt": 1500, ".tsv": 120, ".csv": 30}
"""Lines of an excerpt, by kind of file; those of held-out splits have a fifth of them."""
M4_SERIES = 60
RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))
DATA = {
    "tinyshakespeare": "text/tinyshakespeare.txt",
    "ptb-word": "text/ptb",
    "sst2": "sentiment/sst2",
    "fsdd": "speech/fsdd",
    "multi30k-de-en": "translation/multi30k-de-en",
    "grid": "speech/grid",
    "grid-streaming": "speech/grid",
    **dict.fromkeys(("jsb", "jsb-joint"), "music/piano_rolls/JSB_Chorales.mat"),
    **dict.fromkeys(("nottingham", "nottingham-joint"), "music/piano_rolls/Nottingham.mat"),
    "nottingham-midi": "music/nottingham",
    "flickr8k": "images/flickr8k",
    **dict.fromkeys(("mnist", "mnist-rows", "mnist-pixels"), "images/mnist"),
    **dict.fromkeys(("lips", "lips-color"), "video/grid"),
    "tag": None,
    "tag-one-way": None,
    "m4-hourly": "series/m4_hourly",
    "etth1": "series/ETTh1.csv",
    "weather": "series/pollution.csv",
    "small-series": "series/monthly-sunspots.csv",
}
"""Path of each recipe's data below SEQLOOM_DATA; None: `seqloom toy-data` writes it."""


@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_recipe_is_a_valid_configuration_with_a_limit(recipe: Path) -> None:
    settings = read_yaml(recipe)
    config = resolve(task_named(settings["task"]), [settings])
    assert set(settings["training"]) & {"max_epochs", "max_steps", "max_minutes"}
    assert config.to_dict()["model"].items() >= settings["model"].items()
    assert recipe.stem in DATA


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=[path.stem for path in RECIPES])
def test_recipe_reduces_the_training_loss(recipe: Path, data_dir: Path, tmp_path: Path) -> None:
    excerpt = tmp_path / "excerpt"  # trainings on the whole are in recipes/README.md
    copy_excerpt(recipe.stem, data_dir, excerpt)
    # Windows of series differ more than those of other data, and their steps take less time.
    steps = 24 if str(DATA[recipe.stem]).startswith("series/") else 8
    limits = [f"training.max_steps={steps}", "training.max_epochs=null", "training.max_minutes=null"]
    settings = [*limits, "training.log_every=1", "training.warmup_steps=0"]
    folder, _ = train(excerpt, config=recipe, settings=settings, out=tmp_path / "run")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    records = [line for line in lines if line["split"] == "train"]
    losses = [next(v for k, v in line.items() if k.startswith("loss_nats")) for line in records]
    quarter = steps // 4
    assert sum(losses[-quarter:]) < sum(losses[:quarter])
    assert len(losses) == steps


def copy_excerpt(recipe: str, data_dir: Path, folder: Path) -> None:
    """Write a small part of each split of a recipe's data; of a table, rows from all over it."""
    where = DATA[recipe]
    folder.mkdir()
    if where is None:
        task_named(str(read_yaml(RECIPES[0].with_name(f"{recipe}.yaml"))["task"])).write_toy_data(folder, 0)
        return
    source = data_dir / where
    if where.endswith("m4_hourly"):
        for file in source.iterdir():
            with gzip.open(file, "rt") as whole, gzip.open(folder / file.name, "wt") as part:
                part.write(next(whole))
                part.writelines(takewhile(lambda line: not line.startswith(f"H{M4_SERIES + 1},"), whole))
        return
    if where.startswith("series/"):  # rows of series follow one another, and are few
        for file in [source] if source.is_file() else source.iterdir():
            shutil.copy(file, folder / file.name)
        return
    if source.suffix == ".mat":
        cells = {name: value for name, value in scipy.io.loadmat(source).items() if name.endswith("data")}
        scipy.io.savemat(folder / source.name, {name: value[:, :8] for name, value in cells.items()})
        return
    if where.endswith("mnist"):
        for file in source.iterdir():
            copy_idx_excerpt(file, folder / file.name, 200 if file.name.startswith("train") else 40)
        return
    if tunes := sorted(source.rglob("*.mid")):
        for split in ("train", "validation", "test"):
            (folder / split).mkdir()
            for tune in [tune for tune in tunes if tune.parent.name == split][: 6 if split == "train" else 2]:
                shutil.copy(tune, folder / split)
        return
    files = [source] if source.is_file() else [f for f in source.rglob("*.*") if f.suffix in EXCERPT_LINES]
    for file in files:
        lines = file.read_text().splitlines(keepends=True)
        place = folder / (file.relative_to(source) if file != source else file.name)
        count = EXCERPT_LINES[file.suffix] // (
            5 if {"validation", "test"} & {file.stem, file.parent.name} else 1
        )
        stride = 1 if file.suffix == ".txt" else -(-len(lines) // count)
        rows = [lines[0], *lines[1::stride]][:count]
        place.parent.mkdir(exist_ok=True)
        place.write_text("".join(rows))
        for line in rows[1:] if file.name == "metadata.csv" else ():
            name = line.split(",")[0]
            shutil.copy(file.parent / name, place.parent / name)


def copy_idx_excerpt(source: Path, target: Path, count: int) -> None:
    """Write the first pictures or labels of an idx file."""
    content = gzip.decompress(source.read_bytes())
    sizes = struct.unpack_from(f">{content[3]}I", content, 4)
    head = 4 + 4 * len(sizes)
    kept = content[head : head + count * math.prod(sizes[1:])]
    target.write_bytes(gzip.compress(content[:4] + struct.pack(f">{len(sizes)}I", count, *sizes[1:]) + kept))


def test_penn_treebank_has_the_published_token_counts(data_dir: Path) -> None:
    data = read(data_dir / DATA["ptb-word"])
    generate = task_named("generate")
    config = resolve(generate, [{"data": {"unit": "word"}}])
    preparation = generate.prepare(data, config.data)
    counts = {split: len(preparation.tokens(data, split).ids) for split in data.splits}  # type: ignore[attr-defined]
    assert counts == {"train": 929_589, "validation": 73_760, "test": 82_430}
    assert preparation.describe() == "10,000 words"
