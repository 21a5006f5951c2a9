"""Output layers of frames: exact likelihoods, the order of keys, and sampling that agrees with them."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError
from seqloom.models.rolls.output_layers import IndependentKeys, JointKeys, TiedKeys
from seqloom.models.rolls.sampling import AS_PROBABLE, KeySampling, sample_keys

KEYS, WIDTH = 5, 3
ALL_FRAMES = torch.tensor(list(itertools.product((0.0, 1.0), repeat=KEYS)), dtype=torch.float64)


def _layer(name: str) -> tuple[nn.Module, Tensor]:
    """An output layer with weights of some size, and one context for it."""
    torch.manual_seed(1)
    layer: nn.Module = {
        "independent": lambda: IndependentKeys(WIDTH, KEYS),
        "joint": lambda: JointKeys(WIDTH, KEYS, hidden_size=4),
        "tied joint": lambda: TiedKeys(WIDTH, KEYS, 6, "joint"),
        "tied independent": lambda: TiedKeys(WIDTH, KEYS, 6, "independent"),
    }[name]()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.7)
    shape = (1, KEYS, WIDTH) if name.startswith("tied") else (1, WIDTH)
    return layer.double(), torch.randn(shape, dtype=torch.float64)


NAMES = ("independent", "joint", "tied joint", "tied independent")
AUTOREGRESSIVE = ("joint", "tied joint")


def _log_probabilities(layer: nn.Module, context: Tensor) -> Tensor:
    """Of every frame there is."""
    logits = layer(context.expand(len(ALL_FRAMES), *context.shape[1:]), ALL_FRAMES)
    return -nn.functional.binary_cross_entropy_with_logits(logits, ALL_FRAMES, reduction="none").sum(1)


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_of_all_frames_sum_to_one(name: str) -> None:
    layer, context = _layer(name)
    assert _log_probabilities(layer, context).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_of_no_frames_there_are_no_logits(name: str) -> None:
    layer, context = _layer(name)
    assert layer(context[:0], ALL_FRAMES[:0]).shape == (0, KEYS)


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
def test_a_joint_layer_is_no_product_of_its_keys(name: str) -> None:
    layer, context = _layer(name)
    probabilities = _log_probabilities(layer, context).exp()
    marginals = (probabilities[:, None] * ALL_FRAMES).sum(0)
    product = torch.where(ALL_FRAMES == 1, marginals, 1 - marginals).prod(1)
    assert (product - probabilities).abs().max() > 0.005


@pytest.mark.parametrize("name", NAMES)
def test_a_logit_depends_on_the_keys_below_it_only(name: str) -> None:
    layer, context = _layer(name)
    frames = torch.rand(1, KEYS, dtype=torch.float64, requires_grad=True)
    logits = layer(context, frames)
    for key in range(KEYS):
        (gradient,) = torch.autograd.grad(
            logits[0, key] + 0 * frames.sum(), frames, retain_graph=True, allow_unused=True
        )
        depends = gradient[0] != 0
        expected = torch.arange(KEYS) < (key if name in AUTOREGRESSIVE else 0)
        assert depends.tolist() == expected.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_as_frequent_as_they_are_probable(name: str) -> None:
    layer, context = _layer(name)
    count = 20_000
    contexts = context.expand(count, *context.shape[1:])
    uniforms = torch.rand(count, KEYS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        frames = sample_keys(layer, contexts, AS_PROBABLE.thresholds(uniforms))
        probabilities = _log_probabilities(layer, context).exp()
    codes = (frames.long() * 2 ** torch.arange(KEYS - 1, -1, -1)).sum(1)
    frequencies = torch.bincount(codes, minlength=2**KEYS) / count
    # five deviations of the frequency of each frame
    assert ((frequencies - probabilities).abs() < 5 * (probabilities / count).sqrt() + 1e-4).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "options", [AS_PROBABLE, KeySampling(0.5), KeySampling(1.0, 0.8), KeySampling(1.0, 0.3), KeySampling(0)]
)
def test_sampling_in_passes_is_sampling_key_by_key(name: str, options: KeySampling) -> None:
    layer, context = _layer(name)
    contexts = context.expand(300, *context.shape[1:])
    uniforms = torch.rand(300, KEYS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = torch.zeros_like(uniforms)
        for key in range(KEYS):
            p = (layer(contexts, expected)[:, key] / (options.temperature or 1)).sigmoid()
            if options.top_p < 1:
                p = torch.where(torch.maximum(p, 1 - p) >= options.top_p, (p > 0.5).double(), p)
            threshold = torch.full_like(p, 0.5) if options.temperature == 0 else uniforms[:, key]
            expected[:, key] = (threshold < p).double()
        sampled = sample_keys(layer, contexts, options.thresholds(uniforms))
    assert torch.equal(sampled.double(), expected)
    assert expected.any()


def test_a_row_does_not_depend_on_the_others() -> None:
    layer, context = _layer("joint")
    thresholds = torch.randn(6, KEYS, dtype=torch.float64)
    contexts = context + torch.arange(6).unsqueeze(1)
    together = sample_keys(layer, contexts, thresholds)
    for row in range(6):
        alone = sample_keys(layer, contexts[row : row + 1], thresholds[row : row + 1])
        assert torch.equal(alone[0], together[row])


def test_tied_keys_are_alike_in_every_octave() -> None:
    """A chord moved up by two keys has the logits of its keys moved too, but for their own biases."""
    layer, _ = _layer("tied joint")
    with torch.no_grad():
        layer.bias.zero_()  # type: ignore[union-attr]
    context = torch.randn(1, 1, WIDTH, dtype=torch.float64).expand(1, KEYS, WIDTH)
    low = torch.tensor([[1.0, 0, 1, 0, 0]], dtype=torch.float64)
    high = low.roll(2, 1)
    torch.testing.assert_close(layer(context, low)[:, :3], layer(context, high)[:, 2:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (KeySampling(temperature=-1), r"sampling: temperature must be >= 0\. Got -1\."),
        (KeySampling(temperature=float("nan")), r"sampling: temperature must be >= 0\. Got nan\."),
        (KeySampling(top_p=0), r"sampling: top_p must be > 0 and <= 1\. Got 0\."),
    ],
)
def test_options_out_of_range(options: KeySampling, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        options.thresholds(torch.rand(1, KEYS))
