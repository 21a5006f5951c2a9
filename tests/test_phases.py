"""Every phase that may take long reports itself to whoever listens: training, evaluation, prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom
from seqloom.progress import Phase, listen


class Recorder:
    """Remembers what was done, and checks that it ended."""

    def __init__(self) -> None:
        self.phases: list[Phase] = []
        self.running: list[Phase] = []

    def start(self, phase: Phase) -> None:
        self.phases.append(phase)
        self.running.append(phase)

    def update(self, phase: Phase) -> None:
        assert phase in self.running
        assert phase.total is None or phase.done <= phase.total

    def finish(self, phase: Phase) -> None:
        self.running.remove(phase)

    def names(self) -> set[str]:
        assert self.running == []
        return {phase.what for phase in self.phases}


@pytest.mark.parametrize("unit", ["word", "bpe"])
def test_phases_of_a_classifier(tmp_path: Path, unit: str) -> None:
    rows = "text,label\n" + "a fine film,good\na dull film,bad\n" * 20
    (tmp_path / "reviews.csv").write_text(rows)
    settings = {"training.max_steps": 1, "model.hidden_size": 4, "data.unit": unit}
    training, evaluation, prediction = Recorder(), Recorder(), Recorder()
    with listen(training):
        model = seqloom.train(tmp_path / "reviews.csv", settings=settings, out=tmp_path / "run")
    fitting = {"splitting train into words"} if unit == "word" else {"fitting a vocabulary", "encoding train"}
    measuring = {"reading reviews.csv", "measuring the model", "measuring the baseline", "resampling"}
    assert training.names() >= {"checking train", "checking validation", *fitting, *measuring}
    with listen(evaluation):
        model.evaluate(tmp_path / "reviews.csv")
    assert evaluation.names() >= measuring
    with listen(prediction):
        model.predict(model.read_inputs(tmp_path / "reviews.csv"))
    assert prediction.names() == {"reading reviews.csv", "encoding", "answering"}


def test_phases_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a line of text\n" * 300)
    settings = {
        "training.max_steps": 1,
        "model.hidden_size": 4,
        "training.batch_size": 2,
        "training.window": 8,
    }
    training = Recorder()
    with listen(training):
        seqloom.train(tmp_path / "text.txt", settings=settings, out=tmp_path / "run")
    assert training.names() >= {
        "reading the text",
        "measuring the model",
        "measuring the baseline",
        "resampling",
    }
