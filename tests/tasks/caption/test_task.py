"""Caption: what is read, skipped, trained on, decoded, measured, and shown."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.inference.predictor import Predictor
from seqloom.models.image_encoders.squeezenet1_1 import SqueezeNet11
from seqloom.tasks import task_named
from seqloom.tasks.caption.baseline import measure_baselines
from seqloom.tasks.caption.config import DataConfig
from seqloom.tasks.caption.preparation import Preparation
from seqloom.tasks.caption.vocabulary import CaptionVocabulary

from .conftest import SMALL

CHECKPOINT = "resume/checkpoint.safetensors"


def prepare(folder: Path, *, strict: bool = False) -> tuple[Records, Preparation]:
    data = read(folder, strict)
    assert isinstance(data, Records)
    preparation = task_named("caption").prepare(data, DataConfig(min_count=1))
    assert isinstance(preparation, Preparation)
    return data, preparation


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Six pictures of two captions each, without splits."""
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "text"])
        for number in range(6):
            Image.new("RGB", (20, 16), (40 * number, 10, 200)).save(tmp_path / f"{number}.png")
            rows.writerows([f"{number}.png", f"a {word} wall"] for word in ("plain", "painted"))
    return tmp_path


def test_a_batch_holds_pictures_with_all_their_captions(few: Path) -> None:
    data, preparation = prepare(few)
    source = preparation.source(data, "all", Batching(4, training=False))
    batch = next(source.batches(0))
    assert batch.pictures.shape == (4, 3, 16, 16)
    assert batch.owners.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert batch.targets.shape == (8, 4)
    assert (batch.inputs[:, 0] == 0).all()
    assert (batch.targets[:, -1] == 0).all()
    assert batch.references[0] == ("a plain wall", "a painted wall")


def test_training_mirrors_half_of_the_pictures_and_each_epoch_others(shapes: Path) -> None:
    data, preparation = prepare(shapes)
    items, _ = preparation.captioned_pictures(data, "train")
    as_they_are = preparation.pictures.rows([item.number for item in items])
    known = {pixels.tobytes() for pixels in preparation.pictures.to_tensor(as_they_are).numpy()}
    source = preparation.source(data, "train", Batching(60))
    kinds = []
    for epoch in (0, 1, 0):
        (batch,) = source.batches(epoch)
        kinds.append([picture.tobytes() in known for picture in batch.pictures.numpy()])
    assert 15 < sum(kinds[0]) < 45
    assert kinds[0] == kinds[2] != kinds[1]


def test_inference_reads_what_training_saw_bit_for_bit(captioner: Predictor, shapes: Path) -> None:
    """By the preparation of the run folder, and by that which training had."""
    data, preparation = prepare(shapes)
    items, _ = preparation.captioned_pictures(data, "validation")
    seen = preparation.pictures.rows([item.number for item in items])
    for item, values in zip(items, seen, strict=True):
        numpy.testing.assert_array_equal(captioner.preparation.encode(item.path).values, values)


def test_a_frozen_encoder_is_stored_in_the_run(tmp_path: Path, few: Path) -> None:
    """Features are cached, and inference computes the same ones bit for bit, from the run folder alone."""
    weights = tmp_path / "squeezenet.safetensors"
    torch.manual_seed(0)
    save_file(SqueezeNet11().state_dict(), weights)
    settings = {**SMALL, "data.encoder": "squeezenet1_1", "data.encoder_weights": str(weights)}
    settings |= {"data.image_size": 64, "data.min_count": 1, "training.max_steps": 1}
    run = tmp_path / "run"
    model = seqloom.train(few, settings=settings, out=run)
    data = read(few)
    items, _ = model.preparation.captioned_pictures(data, "train")
    seen = model.preparation.pictures.rows([items[0].number])[0]
    weights.unlink()
    again = seqloom.load(run)
    numpy.testing.assert_array_equal(again.preparation.encode(items[0].path).values, seen)
    assert again.model.encoder is not again.preparation.pictures.encoder
    model.model.double()  # the model's encoder is its own
    numpy.testing.assert_array_equal(model.preparation.encode(items[0].path).values, seen)


def test_bad_rows_and_pictures_are_skipped_and_counted(few: Path) -> None:
    (few / "1.png").write_bytes(b"")
    (few / "2.png").unlink()
    with (few / "metadata.csv").open("a") as file:
        file.write("3.png,\n")
    data, preparation = prepare(few)
    source = preparation.source(data, "all", Batching(4, training=False))
    assert len(source.skipped) == 5
    messages = "\n".join(source.skipped)
    assert "line 14: `caption` must be a text. Got nothing." in messages
    assert re.search(r"line 4, 1\.png: expected a picture\. Got an empty file\.", messages)
    assert re.search(r"line 6, 2\.png: expected a picture\. Got no such file\.", messages)
    with pytest.raises(seqloom.DataError, match=r"line \d+"):
        prepare(few, strict=True)[1].source(read(few, strict=True), "all", Batching(4))


def test_words_that_are_too_rare_are_one_line(few: Path) -> None:
    with pytest.raises(
        seqloom.DataError,
        match=r"expected captions with words that occur 50 times \(data\.min_count\)\. Got none\. "
        r"Set data\.min_count=1\.",
    ):
        task_named("caption").prepare(read(few), DataConfig(min_count=50))


def test_a_vocabulary_is_sorted_by_frequency() -> None:
    vocabulary = CaptionVocabulary.fit(["b a", "b c", "b c"], min_count=1)
    assert vocabulary.words == ("b", "c", "a")
    assert vocabulary.tokens([0, 1, 2]) == ["<end>", "<unknown>", "b"]


def test_baselines_stand_beside_the_model(few: Path) -> None:
    data, preparation = prepare(few)
    baseline = measure_baselines(preparation, data, "validation")
    beside = baseline.details["beside_it"]
    assert list(beside) == ["commonest caption: a plain wall", "one person against the others"]
    assert beside["commonest caption: a plain wall"]["bleu_1"] == pytest.approx(1.0)
    assert beside["one person against the others"]["bleu_1"] == pytest.approx(2 / 3)
    # The nearest picture is as plain as all others.
    assert task_named("caption").score(baseline.rows, "word")["bleu_4"] == 0.0


def test_evaluation_is_of_decoded_captions(captioner: Predictor, shapes: Path) -> None:
    report = captioner.evaluate(shapes)
    assert report.split == "test"
    metrics = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "cider", "rouge_l"]
    assert list(report.metrics)[2:] == metrics
    assert set(metrics) <= set(report.baseline)
    assert report.primary_metric.name == "cider"
    assert {"distinct", "mean_words", "words_used", "worst_captions"} <= set(report.details)
    json.dumps(report.to_dict())


@pytest.mark.parametrize("self_critical", [0.0, 0.9])
def test_a_transformer_resumes_bit_for_bit(shapes: Path, tmp_path: Path, self_critical: float) -> None:
    settings = {**SMALL, "model.cell_type": "transformer", "model.attention": "adaptive"}
    settings |= {"loss.self_critical": self_critical}
    settings |= {"training.schedule": "constant", "training.warmup_steps": 0}
    seqloom.train(shapes, settings={**settings, "training.max_steps": 3}, out=tmp_path / "whole")
    seqloom.train(shapes, settings={**settings, "training.max_steps": 2}, out=tmp_path / "parts")
    seqloom.train(shapes, settings={"training.max_steps": 3}, out=tmp_path / "parts", resume=True)
    whole, parts = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=0, atol=0)


def test_an_unknown_decoder_is_one_line(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(seqloom.ConfigError, match=r"must be the name of a cell, or transformer.*transformer"):
        seqloom.train(shapes, settings={"model.cell_type": "transfomer"}, out=tmp_path / "run")


def tell_pictures_apart(captioner: Predictor, paths: list[str]) -> list[str]:
    """Give a captioner that has learnt little random weights, with which it writes of one picture something
    else than of another, and return what it writes."""
    for seed in range(50):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in captioner.model.named_parameters():
                if not name.startswith("encoder"):
                    scale = 10.0 if "summary" in name or "places" in name else 1.0
                    weight.copy_(scale * torch.randn(weight.shape, generator=generator))
        captions = captioner.caption(paths, num_beams=3)
        if len(set(captions)) > 1:
            return captions
    raise AssertionError("every picture has the same caption")


def test_captions_in_python(captioner: Predictor, shapes: Path, tmp_path: Path) -> None:
    captioner = seqloom.load(captioner.folder)
    paths = [str(path) for path in sorted((shapes / "test").glob("*.png"))[:3]]
    captions = tell_pictures_apart(captioner, paths)
    assert [captioner.caption(path, num_beams=3) for path in paths] == captions
    page = tmp_path / "page.html"
    captioner.caption(paths, attention=page)
    html = page.read_text()
    assert html.count('href="data:image/jpeg;base64,') == 3
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"https?://|src=|url\(", html)
    places = captioner.preparation.pictures.map_size
    words = sum(len(captioner.predict([path])[0].details["tokens"]) - 1 for path in paths)
    assert html.count("<rect") == words * places[0] * places[1]


def test_the_report_shows_what_words_looked_at(captioner: Predictor) -> None:
    page = (captioner.folder / "report.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert {"Worst captions", "Examples", "Attention"} <= set(titles)
    assert page.count('href="data:image/jpeg;base64,') == 3
    assert len(page) < 500_000


def test_what_is_no_captioner_says_so(captioner: Predictor, shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(seqloom.DataError, match=r"nothing\.png: expected a picture\. Got no such file\."):
        captioner.caption(tmp_path / "nothing.png")
    blind = seqloom.train(
        shapes,
        settings={**SMALL, "model.attention": "none", "training.max_steps": 1},
        out=tmp_path / "blind",
    )
    with pytest.raises(seqloom.ConfigError, match=r"^--attention: needs a model that has attention\. "):
        blind.caption(shapes / "test" / "000.png", attention=tmp_path / "page.html")
