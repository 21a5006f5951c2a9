"""A stream equals the whole recording, and a refusal to stream has its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

import seqloom
from seqloom.errors import ConfigError, RunError
from seqloom.inference.predictor import Predictor

from .recordings import TASK, prepared, trained


@pytest.mark.parametrize("chunk", [1, 80, 777, 8000, 1_000_000])
def test_a_stream_equals_the_whole_file(one_way: Predictor, folder: Path, chunk: int) -> None:
    for number in range(1 if chunk == 1 else 6):
        path = folder / "test" / f"{number}.wav"
        samples, _ = soundfile.read(path, dtype="float32")
        chunks = (samples[start : start + chunk] for start in range(0, len(samples), chunk))
        pieces = list(one_way.transcribe_stream(chunks))
        assert "".join(pieces) == one_way.predict([path])[0].text
        assert pieces


def test_a_stream_gives_text_before_it_ends(one_way: Predictor, folder: Path) -> None:
    samples, _ = soundfile.read(folder / "test" / "0.wav", dtype="float32")
    read = 0

    def chunks() -> Any:
        nonlocal read
        for start in range(0, len(samples), 400):
            read = start
            yield samples[start : start + 400]

    stream = one_way.transcribe_stream(chunks())
    assert next(iter(stream))
    assert read < len(samples) - 1200


def test_a_stream_of_words(folder: Path, tmp_path: Path) -> None:
    predictor = trained(folder, tmp_path / "words", data={"unit": "word"}, model={"bidirectional": False})
    path = folder / "test" / "1.wav"
    samples, _ = soundfile.read(path, dtype="float32")
    assert "".join(predictor.transcribe_stream([samples])) == predictor.predict([path])[0].text
    assert " " in predictor.predict([path])[0].text


def test_a_model_of_another_task_cannot_stream_audio(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 60)
    small = {"model": {"hidden_size": 8}, "training": {"max_steps": 2, "batch_size": 2, "window": 8}}
    (tmp_path / "c.yaml").write_text(json.dumps(small))
    predictor = seqloom.train(tmp_path / "text.txt", config=tmp_path / "c.yaml", out=tmp_path / "run")
    with pytest.raises(RunError, match=r"expected a model that transcribes audio\. Got the task generate\."):
        predictor.transcribe_stream([])


@pytest.mark.parametrize(
    ("parts", "decoding", "message"),
    [
        ({}, {}, r"a bidirectional model cannot transcribe a stream"),
        (
            {"model": {"decoder": "attention"}},
            {},
            r"transcribe: an attention decoder cannot transcribe a stream, as it attends to the whole "
            r"recording\. Train one with model\.decoder=ctc\.",
        ),
        (
            {"model": {"bidirectional": False}, "data": {"normalization": "speaker"}},
            {},
            r"transcribe: a stream cannot be normalized by its speaker, who is not known before the end\. "
            r"Train one with data\.normalization=global\.",
        ),
        (
            {"model": {"bidirectional": False}},
            {"num_beams": 2},
            r"transcribe: a stream is transcribed greedily, with num_beams 1 and no language model\. ",
        ),
    ],
)
def test_refusals_to_stream(
    speakers: Path, parts: dict[str, Any], decoding: dict[str, Any], message: str
) -> None:
    case = prepared(speakers, **parts)
    updated = case.config.decoding.model_copy(update=decoding)
    context = case.config.context(case.preparation, decoding=updated)
    with pytest.raises(ConfigError, match=message):
        TASK.transcribe_stream(case.model(), [], context)
