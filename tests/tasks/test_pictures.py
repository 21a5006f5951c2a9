"""Features of pictures: what a run computes for a picture is bit for bit what training saw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import save_file

from seqloom.data.images.config import ImageConfig
from seqloom.errors import ConfigError, RunError
from seqloom.models.image_encoders.squeezenet1_1 import SqueezeNet11
from seqloom.tasks.pictures import EncodedPictures, one_thread

Image: Any = pytest.importorskip("PIL.Image")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    generator = numpy.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path in paths:
        Image.fromarray(generator.integers(0, 255, (40, 50, 3)).astype(numpy.uint8)).save(path)
    return paths


@pytest.fixture
def config(tmp_path: Path) -> ImageConfig:
    torch.manual_seed(0)
    save_file(SqueezeNet11().state_dict(), tmp_path / "weights.safetensors")
    weights = str(tmp_path / "weights.safetensors")
    return ImageConfig(encoder="squeezenet1_1", encoder_weights=weights, image_size=40)


@pytest.mark.parametrize("mirrored", [False, True])
def test_one_picture_has_the_features_that_training_saw(
    paths: list[Path], config: ImageConfig, mirrored: bool, tmp_path: Path
) -> None:
    pictures = EncodedPictures.from_config(config, mirrored)
    pictures.cache.add(paths)
    features = pictures.rows([pictures.cache.number(path) for path in paths])
    assert features.shape == (5, *pictures.shape)
    assert features.dtype == numpy.float16
    assert features.std() > 0
    run = tmp_path / "run"
    run.mkdir()
    for name, content in pictures.files().items():
        (run / name).write_text(content)
    weights = pictures.encoder.state_dict()  # type: ignore[attr-defined]
    save_file({f"encoder.{name}": tensor for name, tensor in weights.items()}, run / "model.safetensors")
    (tmp_path / "weights.safetensors").unlink()  # a run folder is all that is needed
    loaded = EncodedPictures.load(run, config, mirrored)
    assert loaded.files() == pictures.files()
    for number, path in enumerate(paths):
        numpy.testing.assert_array_equal(loaded.encode(path), features[number])
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    numpy.testing.assert_array_equal(loaded.encode(paths[0]), features[0])
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)


def test_the_mirror_image_has_features_of_its_own(paths: list[Path], config: ImageConfig) -> None:
    pictures = EncodedPictures.from_config(config, mirrored=True)
    Image.open(paths[0]).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(paths[1])
    pictures.cache.add(paths[:2])
    numbers = [pictures.cache.number(path) for path in paths[:2]]
    plain, mirrored = (pictures.rows(numbers, numpy.full(2, side)) for side in (False, True))
    numpy.testing.assert_array_equal(plain[0], mirrored[1])
    numpy.testing.assert_array_equal(plain[1], mirrored[0])
    assert not numpy.array_equal(plain[0], plain[1])


def test_a_damaged_run_is_one_line(tmp_path: Path, config: ImageConfig) -> None:
    with pytest.raises(RunError, match=r"pictures\.json: expected the preprocessing of pictures\. Got"):
        EncodedPictures.load(tmp_path, config)
    (tmp_path / "pictures.json").write_text('{"encoder": {}, "preprocessing": {"size": 3}}')
    with pytest.raises(RunError, match=r"pictures\.json: expected the preprocessing of pictures\. Got"):
        EncodedPictures.load(tmp_path, config)


def test_callers_that_overlap_leave_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_num_threads() == 1
        second.__exit__(None, None, None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_another_default_device_changes_no_feature(paths: list[Path], config: ImageConfig) -> None:
    expected = EncodedPictures.from_config(config).encode(paths[0])
    with torch.device("meta"):
        pictures = EncodedPictures.from_config(config)
        numpy.testing.assert_array_equal(pictures.encode(paths[0]), expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoder", {"name": "efficientnet-lite0"}),
        ("encoder", 5),
        ("encoder", {"name": "squeezenet"}),
        ("preprocessing", {"size": [40_000, 40_000]}),
    ],
)
def test_a_damaged_description_is_one_line(
    paths: list[Path], config: ImageConfig, tmp_path: Path, key: str, value: object
) -> None:
    pictures = EncodedPictures.from_config(config)
    content = json.loads(pictures.files()["pictures.json"])
    (tmp_path / "pictures.json").write_text(json.dumps({**content, key: value}))
    weights = pictures.encoder.state_dict()  # type: ignore[attr-defined]
    save_file({f"encoder.{name}": tensor for name, tensor in weights.items()}, tmp_path / "model.safetensors")
    with pytest.raises(RunError, match=r"pictures\.json: ") as raised:
        EncodedPictures.load(tmp_path, config)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"encoder": "efficientnet-lite0", "mirrored_images": True},
        {"encoder": "squeezenet1_1", "image_color": False},
        {"encoder": "efficientnet-lite0", "encoder_weights": "weights.safetensors"},
        {"encoder_weights": "weights.safetensors"},
    ],
)
def test_a_setting_that_nothing_reads_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"data\.\w+: has no use with data\.encoder="):
        ImageConfig(**keys).check()
