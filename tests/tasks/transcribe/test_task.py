"""The task `transcribe`: symbols, losses, answers, searches, and files named by a table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.decoding.ctc.beam import CTCBeamOptions, ctc_beam_search
from seqloom.errors import ConfigError
from seqloom.inference.predictor import Predictor
from seqloom.runs.config import resolve
from seqloom.tasks.transcribe.utterances import min_ctc_steps, single_spaced

from .recordings import TASK, WORDS, prepared, sentences, settings, write


def test_every_character_is_a_symbol_and_the_blank_is_none(folder: Path) -> None:
    preparation = prepared(folder).preparation
    letters = sorted(set("".join(WORDS)) | {" "})
    assert [preparation.symbol(n) for n in range(1, len(preparation.vocabulary))] == letters
    assert preparation.text(preparation.vocabulary.encode("go left")) == "go left"
    assert preparation.describe() == "13 characters, 64 mels at 8000 Hz in steps of 30 ms"


def test_symbols_can_be_words(folder: Path) -> None:
    preparation = prepared(folder, data={"unit": "word"}).preparation
    assert len(preparation.vocabulary) - 1 == len(WORDS)
    assert preparation.text(preparation.vocabulary.encode("go left")) == "go left"
    assert preparation.unit == "word"


def test_the_loss_is_the_probability_of_all_ctc_paths(tmp_path: Path) -> None:
    """Compared with a beam search that prunes nothing: another sum over the same paths."""
    write(tmp_path / "train", [("0.wav", "o"), ("1.wav", "on"), ("2.wav", "on o")])
    write(tmp_path / "validation", [("0.wav", "no")])
    case = prepared(tmp_path, data={"stacked_frames": 6})
    batch = next(case.preparation.source(case.data, "validation", Batching(1, training=False)).batches(0))
    model = case.model().double()
    loss = TASK.loss(model, batch, None, case.config.context(case.preparation))
    hypotheses = ctc_beam_search(model(batch.features).log_softmax(-1), None, CTCBeamOptions(5000))[0]
    symbols = case.preparation.vocabulary.encode("no")
    (expected,) = (h.log_probability for h in hypotheses if h.symbols == symbols)
    assert loss.units.tolist() == [2]
    assert loss.nats.item() == pytest.approx(-expected, rel=1e-9)


def test_spec_augment_is_for_training_only(folder: Path) -> None:
    case = prepared(folder)
    batch = next(case.preparation.source(case.data, "train", Batching(4)).batches(0))
    context = case.config.context(case.preparation)

    def is_repeatable(model: Any) -> bool:
        return torch.equal(*(TASK.loss(model, batch, None, context).nats for _ in range(2)))

    assert is_repeatable(case.model())
    assert not is_repeatable(case.model().train())


@pytest.mark.parametrize(
    ("symbols", "least"), [([], 0), ([1], 1), ([1, 2, 1], 3), ([1, 1], 3), ([1, 1, 1, 2, 2], 8)]
)
def test_the_minimum_number_of_ctc_steps(symbols: list[int], least: int) -> None:
    """With one step fewer the loss is infinite."""
    assert min_ctc_steps(numpy.array(symbols)) == least
    for steps, possible in ((least, True), (least - 1, False)):
        if steps > 0:
            uniform = torch.zeros(steps, 3).log_softmax(-1)
            loss = torch.nn.functional.ctc_loss(
                uniform,
                torch.tensor(symbols),
                torch.tensor(steps),
                torch.tensor(len(symbols)),
                reduction="sum",
            )
            assert loss.isfinite().item() is possible


@pytest.mark.parametrize("text", ["", " ", "a", " a  b ", "a\n b c  "])
def test_text_is_single_spaced(text: str) -> None:
    assert "".join(single_spaced(text)) == " ".join(text.split())


def test_it_learns_and_answers_in_order(one_way: Predictor, folder: Path) -> None:
    report = one_way.evaluate(folder)
    assert report.metrics["cer"] < 0.3 < report.baseline["cer"]
    assert report.metrics["wer"] < report.baseline["wer"]
    assert report.primary_metric.name == "wer"
    commonest = max(one_way.preparation.transcripts.values())
    assert one_way.preparation.transcripts["go"] == commonest
    assert report.baseline_name == "always 'go'"
    assert "loss_nats_per_character" not in report.baseline
    files = [folder / "test" / f"{n}.wav" for n in (3, 1, 2)]
    answers = one_way.predict(files)
    assert [answer.details["file"] for answer in answers] == ["3.wav", "1.wav", "2.wav"]
    assert [one_way.predict([file])[0].text for file in files] == [answer.text for answer in answers]
    assert [answer.details["transcription"] for answer in answers] == [answer.text for answer in answers]


def test_the_report_shows_the_worst_rows(one_way: Predictor, folder: Path) -> None:
    report = one_way.evaluate(folder, "train")
    wrong = report.metrics["cer"] > 0
    assert ("worst" in report.details) is wrong
    json.dumps(report.to_dict())


@pytest.mark.parametrize("decoding", [{}, {"num_beams": 4}, {"num_beams": 4, "language_model": "ngram"}])
def test_predictions_do_not_depend_on_the_batch(
    one_way: Predictor, folder: Path, decoding: dict[str, Any]
) -> None:
    files = [folder / "test" / f"{n}.wav" for n in range(20)]
    together = [answer.text for answer in one_way.predict(files, **decoding)]
    assert together == [one_way.predict([file], **decoding)[0].text for file in files]


def test_an_ngram_of_the_transcripts_does_not_hurt(one_way: Predictor, folder: Path) -> None:
    greedy = one_way.evaluate(folder).metrics["wer"]
    searched = one_way.evaluate(folder, num_beams=8, language_model="ngram").metrics["wer"]
    assert searched <= greedy


def test_a_language_model_needs_a_search(one_way: Predictor, folder: Path) -> None:
    message = r"decoding\.language_model: a language model helps a search over CTC: num_beams must be above 1"
    with pytest.raises(ConfigError, match=message):
        one_way.predict([folder / "test" / "0.wav"], language_model="ngram")


def test_a_relative_file_is_beside_its_table(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "train", tmp_path / "data" / "audio")
    (tmp_path / "data" / "audio" / "metadata.csv").unlink()
    rows = "".join(f"audio/{name},{text}\n" for name, text in sentences(8, 0))
    (tmp_path / "data" / "train.csv").write_text(f"file,transcription\n{rows}")
    monkeypatch.chdir(tmp_path)
    for path in (Path("data"), Path("data/train.csv"), tmp_path / "data"):
        data = read(path)
        assert isinstance(data, Records)
        preparation = TASK.prepare(data, resolve(TASK, [settings()]).data)
        assert len(preparation.utterances(data, "all").items) == 8
