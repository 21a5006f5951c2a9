"""Clips as input of a classifier: learnt, answered, resumed bit for bit, bad ones counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
import torch

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.errors import ConfigError, DataError, RunError
from seqloom.runs.config import resolve
from seqloom.tasks import infer
from seqloom.training.checkpoint import load as load_checkpoint
from seqloom.training.train import train

from .rows import TASK, context, prepared, restore

pytest.importorskip("av")

from seqloom.data.video.writing import write_clip
from seqloom.tasks.inputs.moving_shapes import DIRECTIONS, draw_moves

SETTINGS = [
    *(
        "data.downsampling=2",
        "data.jittered_frames=0.1",
        "data.shifted_pixels=1",
    ),
    *("model.hidden_size=16", "model.front_channels=[6,10]", "model.dropout=0.1", "model.front_dropout=0.1"),
    *("training.batch_size=16", "training.learning_rate=0.01"),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each split and direction."""
    folder, generator = tmp_path_factory.mktemp("clips"), numpy.random.default_rng(0)
    for split, count in {"train": 48, "validation": 12, "test": 12}.items():
        for number in range(count):
            move = list(DIRECTIONS)[number % 4]
            (folder / split / move).mkdir(parents=True, exist_ok=True)
            write_clip(folder / split / move / f"{number}.mp4", draw_moves([move], generator))
    (folder / "test/left/broken.mp4").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def data(clips: Path) -> Records:
    records = read(clips)
    assert isinstance(records, Records)
    return records


def test_clips_are_classified(clips: Path, tmp_path: Path) -> None:
    folder, report = train(clips, settings=[*SETTINGS, "training.max_steps=45"], out=tmp_path / "run")
    assert report.metrics["accuracy"] >= 0.75
    assert report.baseline_name == "mean, deviation of small pixels + logistic regression"
    (message,) = report.skipped
    assert "broken.mp4: expected a video file. Got zero bytes" in message
    loaded = seqloom.load(folder)
    assert loaded.preparation.describe() == (
        "frames of 16 x 16 pixels, grey, 25 a second; labels: down, left, right, up"
    )
    with pytest.raises(DataError, match=r"classify: `file` must be the path of a clip\. Got 7\."):
        loaded.predict([7])
    paths = sorted((clips / "test").rglob("[0-9]*.mp4"))
    answers = [answer.text for answer in loaded.predict(paths)]
    assert numpy.mean([path.parent.name == answer for path, answer in zip(paths, answers, strict=True)]) == (
        pytest.approx(report.metrics["accuracy"])
    )
    restored = restore(loaded.preparation, tmp_path / "restored")
    assert restored.files() == loaded.preparation.files()


def test_a_resumed_training_is_the_same_bit_for_bit(clips: Path, tmp_path: Path) -> None:
    """Frames are dropped by a random state that a checkpoint has."""
    settings = [*SETTINGS, "training.schedule=constant"]
    train(clips, settings=[*settings, "training.max_steps=4"], out=tmp_path / "whole")
    train(clips, settings=[*settings, "training.max_steps=2"], out=tmp_path / "stopped")
    train(out=tmp_path / "stopped", resume=True, settings=["training.max_steps=4"])
    states = (load_checkpoint(tmp_path / name).model for name in ("whole", "stopped"))
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_an_answer_depends_on_its_own_clip_only(clips: Path, data: Records) -> None:
    preparation = prepared(data, downsampling=2)
    settings = context(preparation, front_channels=[4, 6])
    torch.manual_seed(0)
    model = TASK.build(preparation, settings.model).double().eval()
    items = [preparation.encode(path) for path in sorted((clips / "test").rglob("[0-9]*.mp4"))]
    assert len({len(item) for item in items}) > 1
    together = TASK.predict(model, items, settings)
    for item, answer in zip(items, together, strict=True):
        (alone,) = TASK.predict(model, [item], settings)
        assert alone.details["probabilities"] == pytest.approx(answer.details["probabilities"], rel=1e-6)
    with torch.device("meta"):
        assert TASK.predict(model, items, settings) == together


def test_batches_are_read_from_the_cache(data: Records) -> None:
    """Items are references of some hundred bytes; their frames are in memory with the batch."""
    preparation = prepared(data, downsampling=2)
    rows = preparation.rows(data, "train").items
    assert {type(row.values).__name__ for row in rows} == {"StoredClip"}
    batch = next(preparation.source(data, "train", Batching(4)).batches(0))
    assert batch.values.dtype == torch.uint8
    assert batch.values.shape[2:] == (16, 16, 1)


def test_it_is_inferred_and_settings_are_checked(data: Records) -> None:
    ((task, reason),) = infer(data)
    assert (task.name, reason) == ("classify", "records with columns file and label")
    with pytest.raises(
        ConfigError, match=r"data\.crop: must be within a frame below its middle\. Got auto,20,8"
    ):
        prepared(data, crop="auto,20,8")
    with pytest.raises(ConfigError, match=r"data\.downsampling: must leave a frame of 1 to 65,536 pixels"):
        prepared(data, downsampling=64)
    assert prepared(data, crop="auto,16,8", frames_per_second=12.5).input.describe() == (
        "frames of 8 x 16 pixels, grey, 12.5 a second"
    )


def test_a_crop_moves_with_an_anchor(clips: Path, data: Records, tmp_path: Path) -> None:
    preparation = prepared(data, anchor="8,8,16,16", crop="8,8,16,16")
    description = preparation.input.describe()
    assert description == "frames of 16 x 16 pixels, which move with an anchor, grey, 25 a second"
    assert preparation.input.options.anchor.top == 8
    restored = restore(preparation, tmp_path / "restored")
    assert restored.files() == preparation.files()
    path = next((clips / "test").rglob("[0-9]*.mp4"))
    assert numpy.array_equal(restored.encode(path), preparation.encode(path))
    for settings, message in (
        (
            {"anchor": "8,8,16,16"},
            r"data\.anchor: needs data\.crop=top,left,height,width, which moves with it",
        ),
        ({"anchor": "8,8,16,16", "crop": "auto"}, r"data\.anchor: needs data\.crop=top,left,height,width"),
        (
            {"anchor": "30,8,16,16", "crop": "8,8,16,16"},
            r"data\.anchor: must be within a frame\. Got 30,8,16,16, and frames of 32 x 32",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            prepared(data, **settings)
    with pytest.raises(
        ConfigError, match=r"data\.anchor: must be top,left,height,width in pixels\. Got \"auto\""
    ):
        resolve(TASK, [{"data": {"anchor": "auto"}}])


def test_damaged_options_are_one_line(data: Records, tmp_path: Path) -> None:
    preparation = prepared(data)
    files = {**preparation.files(), "clips.json": '{"rate": 25}'}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match=r"clips\.json: expected options of clips\. Got options: Field"):
        restore_from(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frames_per_second", 0),
        ("frames_per_second", float("nan")),
        ("crop", 5),
        ("crop", "mouth"),
        ("height", 10**30),
        ("width", 0),
        ("downsampling", "2"),
        ("color", None),
        ("anchor", {"top": 0, "left": 0, "pixels": [[1, 2], [3]]}),
        ("anchor", {"top": 0, "left": 0, "pixels": []}),
        ("anchor", {"top": 0, "left": 0, "pixels": [[256]]}),
        ("anchor", "8,8,16,16"),
    ],
)
def test_options_of_a_run_are_checked(data: Records, tmp_path: Path, key: str, value: object) -> None:
    files = prepared(data).files()
    content = json.loads(files["clips.json"])
    content["options"][key] = value
    for name, text in {**files, "clips.json": json.dumps(content)}.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RunError, match=rf"clips\.json: expected options of clips\. Got .*{key}") as caught:
        restore_from(tmp_path)
    assert "\\n" not in str(caught.value)


def restore_from(folder: Path) -> object:
    from seqloom.tasks.classify.config import DataConfig

    return TASK.restore(folder, DataConfig())
