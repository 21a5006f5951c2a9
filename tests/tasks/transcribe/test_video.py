"""Clips as input of a transcriber: directions of moves, read off what moves."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy
import pytest
import torch

import seqloom
from seqloom.data.read import read
from seqloom.errors import ConfigError
from seqloom.tasks.base import AudioStreaming
from seqloom.tasks.toy_data import toy_data
from seqloom.training.train import train

pytest.importorskip("av")

from seqloom.data.video.writing import write_clip
from seqloom.tasks.inputs.moving_shapes import DIRECTIONS, draw_moves

from .recordings import TASK, prepared

SETTINGS = [
    *("data.downsampling=2", "data.unit=word", "data.components=24"),
    *("model.hidden_size=32", "model.num_layers=1", "model.front_channels=[32]", "model.dropout=0"),
    *("training.batch_size=8", "training.learning_rate=0.01", "training.warmup_steps=5"),
]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, generator = tmp_path_factory.mktemp("told"), numpy.random.default_rng(0)
    for split, count in {"train": 48, "validation": 8, "test": 12}.items():
        (folder / split).mkdir()
        lines = ["file_name,transcription"]
        for number in range(count):
            moves = generator.choice(list(DIRECTIONS), generator.integers(1, 3)).tolist()
            write_clip(folder / split / f"{number}.mp4", draw_moves(moves, generator))
            lines.append(f"{number}.mp4,{' '.join(moves)}")
        (folder / split / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_moves_are_transcribed(clips: Path, tmp_path: Path) -> None:
    folder, report = train(clips, settings=[*SETTINGS, "training.max_steps=150"], out=tmp_path / "run")
    assert report.metrics["wer"] < 0.7 * report.baseline["wer"]
    loaded = seqloom.load(folder)
    expected = "4 words, frames of 16 x 16 pixels, grey, 25 a second, by 24 components"
    assert loaded.preparation.describe() == expected
    paths = sorted((clips / "test").glob("*.mp4"))
    answers = loaded.predict(paths, num_beams=4, language_model="ngram")
    assert set(" ".join(answer.text for answer in answers).split()) <= set(DIRECTIONS)
    assert answers[0].details["file"] == paths[0].name
    alone = [loaded.predict([path], num_beams=4, language_model="ngram")[0] for path in paths]
    assert alone == answers
    assert isinstance(loaded.config.task, AudioStreaming)
    with pytest.raises(ConfigError, match=r"transcribe: a stream is of sound\. Got a model of clips"):
        next(loaded.transcribe_stream([numpy.zeros(100, dtype=numpy.float32)]))


def test_attention_reads_clips_too(clips: Path) -> None:
    model = {"front_channels": [4, 6], "decoder": "attention", "num_layers": 1, "hidden_size": 8}
    case = prepared(clips, data={"unit": "word", "downsampling": 2}, model=model)
    rows = case.rows()
    assert len(rows.nats) == 12
    assert numpy.isfinite(rows.nats).all()


def test_a_clip_keeps_the_steps_that_its_transcript_needs(clips: Path) -> None:
    """However many frames are dropped, CTC has a way through."""
    from seqloom.data.batching import Batching

    case = prepared(clips, data={"frames_per_second": 8.0, "jittered_frames": 0.45, "downsampling": 2})
    torch.manual_seed(0)
    model = case.model().train()
    for batch in case.preparation.source(case.data, "train", Batching(16)).batches(0):
        loss = TASK.loss(model, batch, None, case.config.context(case.preparation))
        assert loss.nats.isfinite().all()


def test_speakers_are_of_sound(clips: Path) -> None:
    for metadata in clips.glob("*/metadata.csv"):
        assert "speaker" not in metadata.read_text()
    with pytest.raises(
        ConfigError, match=r"data\.input: must be video or audio to be transcribed\. Got series"
    ):
        prepared(clips, data={"input": "series"})


def test_toy_clips_are_of_this_task_alone(tmp_path: Path) -> None:
    from seqloom.tasks import infer

    assert "directions" in toy_data("transcribe", tmp_path / "a", kind="video")
    data = read(tmp_path / "a", strict=True)
    assert [(task.name, reason) for task, reason in infer(data)] == [
        ("transcribe", "clips with a transcription")
    ]
    assert len(data.splits["train"]) == 96  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match=r"toy-data tag: the kind must be one of: none, .*\. Got video"):
        toy_data("tag", tmp_path / "b", kind="video")
    with pytest.raises(ConfigError, match=r"toy-data transcribe: the kind must be one of: video\. Got smell"):
        toy_data("transcribe", tmp_path / "b", kind="smell")


def test_a_transcript_that_is_too_long_is_one_of_a_clip(clips: Path, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "data")
    with (tmp_path / "data/test/metadata.csv").open("a") as file:
        file.write(f"0.mp4,{'left right ' * 99}\n")
    case = prepared(tmp_path / "data", data={"unit": "word", "downsampling": 2})
    (message,) = case.preparation.utterances(case.data, "test").skipped
    assert re.search(r"CTC needs 198 steps or more\. Got \d+ steps of the clip\. ", message)
    assert message.endswith("If so, set data.frames_per_second higher.")
