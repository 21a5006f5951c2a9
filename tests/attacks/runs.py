"""Small run folders of every task and kind of input, untrained: what an attack or a disk changes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import torch

from seqloom.data.read import read
from seqloom.data.tables.columns import ExpectedColumns
from seqloom.runs import run_folder
from seqloom.runs.config import resolve
from seqloom.tasks import task_named

from ..data.video.clips import write_at
from ..fuzz.files import SALES, SEEDS, write_recordings, write_tunes

SMALL = {"hidden_size": 2, "num_layers": 1}
WEATHER = ("sun", "rain", "snow")


class Kind(NamedTuple):
    """A task and its data.

    Fields:
        task: its name.
        write: writes the data into a folder; gives the path to read, and an input.
        settings: nested.
    """

    task: str
    write: Callable[[Path], tuple[Path, Any]]
    settings: dict[str, dict[str, Any]]


def _seed(name: str, value: Any) -> Callable[[Path], tuple[Path, Any]]:
    def write(folder: Path) -> tuple[Path, Any]:
        (folder / name).write_bytes(SEEDS[name])
        return folder / name, value

    return write


def _recordings(column: str) -> Callable[[Path], tuple[Path, Any]]:
    def write(folder: Path) -> tuple[Path, Any]:
        write_recordings(folder / "data", column)
        return folder / "data", folder / "data" / "0.wav"

    return write


def _pictures(folder: Path) -> tuple[Path, Any]:
    from PIL import Image

    for number in range(8):
        path = folder / "data" / ("dark" if number % 2 else "bright") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        level = 40 + number if number % 2 else 200 + number
        Image.fromarray(numpy.full((8, 8, 3), level, numpy.uint8)).save(path)
    return folder / "data", folder / "data" / "dark" / "1.png"


def _captions(folder: Path) -> tuple[Path, Any]:
    _pictures(folder)
    files = sorted((folder / "data").rglob("*.png"))
    lines = [f"{file.relative_to(folder / 'data')},a {file.parent.name} picture" for file in files]
    (folder / "data" / "metadata.csv").write_text("\n".join(["file_name,caption", *lines]) + "\n")
    return folder / "data", files[0]


def _clips(folder: Path) -> tuple[Path, Any]:
    for number in range(6):
        path = folder / "data" / ("up" if number % 2 else "down") / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = numpy.full((6, 16, 16, 3), 30 * number, numpy.uint8)
        frames[:, :, number : number + 4] = numpy.arange(6, dtype=numpy.uint8)[:, None, None, None] * 40
        write_at(path, frames, [40 * time for time in range(6)])
    return folder / "data", folder / "data" / "up" / "1.mp4"


def _tunes(folder: Path) -> tuple[Path, Any]:
    write_tunes(folder / "data")
    return folder / "data", folder / "data" / "0.mid"


def _sales(folder: Path) -> tuple[Path, Any]:
    lines = [f"{shop},{ds},{y},{WEATHER[row % 3]},{row % 5}" for row, (shop, ds, y) in enumerate(SALES)]
    (folder / "sales.csv").write_text("\n".join(["unique_id,ds,y,weather,price", *lines]) + "\n")
    return folder / "sales.csv", folder / "sales.csv"


BPE = {"data": {"unit": "bpe", "vocabulary_size": 260}}
KINDS = {
    "generate": Kind("generate", _seed("text.txt", "the"), {}),
    "pairs": Kind("generate", _seed("text.txt", "the"), BPE),
    "classify": Kind("classify", _seed("reviews.csv", "a fine film"), {"model": {"embedding_size": 4}}),
    "series": Kind("classify", _seed("series.jsonl", [1, 0.5, -1.0, 2]), {}),
    "audio": Kind("classify", _recordings("label"), {"data": {"num_mels": 8}}),
    "image": Kind("classify", _pictures, {"data": {"image_as": "rows"}}),
    "video": Kind("classify", _clips, {"data": {"components": 2}, "model": {"front_channels": [4, 4]}}),
    "tag": Kind("tag", _seed("tags.conll", "Anna lives in Bonn"), {"model": {"embedding_size": 4}}),
    "translate": Kind("translate", _seed("pairs.tsv", "a red house"), {"data": {"unit": "word"}}),
    "transcribe": Kind("transcribe", _recordings("transcription"), {"data": {"num_mels": 8}}),
    "caption": Kind("caption", _captions, {"data": {"min_count": 1}, "model": {"embedding_size": 4}}),
    "compose": Kind("compose", _tunes, {"model": {"embedding_size": 4}, "decoding": {"bars": 1}}),
    "frames": Kind(
        "compose",
        _tunes,
        {"data": {"music": "frames"}, "model": {"key_hidden_size": 2}, "decoding": {"bars": 1}},
    ),
    "forecast": Kind("forecast", _sales, {"data": {"categorical": ["weather"], "horizon": 3}}),
}


class SmallRun(NamedTuple):
    """A run folder, and an input that its model answers."""

    folder: Path
    value: Any

    def copy(self, folder: Path) -> SmallRun:
        """This run in another folder, which is replaced."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return self._replace(folder=folder)


def make_run(name: str, folder: Path) -> SmallRun:
    """A run folder of made-up data, whose weights are as they are before training."""
    kind = KINDS[name]
    task = task_named(kind.task)
    path, value = kind.write(folder)
    config = resolve(task, [{"model": SMALL}, kind.settings])
    words = config.data.categorical if kind.task == "forecast" else ()
    preparation = task.prepare(read(path, expected=ExpectedColumns(categorical=words)), config.data)
    run = folder / "run"
    run.mkdir()
    run_folder.write_config(run, config, "digest")
    run_folder.save_preparation(run, preparation)
    torch.manual_seed(0)
    run_folder.save_model(run, run_folder.build_model(config, preparation))
    return SmallRun(run, value)
