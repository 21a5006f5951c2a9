"""Principal components of frames: a known basis, in its proportions; one of frames that are alike."""

from __future__ import annotations

import numpy
import pytest
import torch

from seqloom.data.video.components import center_frames, fit_components
from seqloom.errors import ConfigError, DataError
from seqloom.models.component_encoder import ComponentEncoder

GENERATOR = numpy.random.default_rng(0)
CLIPS = [GENERATOR.integers(0, 256, (length, 4, 6, 1), numpy.uint8) for length in (30, 20, 40)]


def test_components_are_uncorrelated_and_keep_their_proportions() -> None:
    components = fit_components(CLIPS, 5)
    assert components.shape == (5, 24)
    values = numpy.concatenate([center_frames(clip) for clip in CLIPS]) @ components.T
    covariance = values.T @ values / len(values)
    deviations = numpy.sqrt(covariance.diagonal())
    assert (numpy.diff(deviations) < 0).all()
    assert deviations.mean() == pytest.approx(1, rel=1e-4)  # float32 sums of 90 frames
    numpy.testing.assert_allclose(covariance, numpy.diag(covariance.diagonal()), atol=1e-4)
    pixels = numpy.concatenate([center_frames(clip) for clip in CLIPS])
    variances = numpy.linalg.eigvalsh(pixels.T @ pixels / len(pixels))[::-1][:5]
    numpy.testing.assert_allclose(deviations**2 / deviations[0] ** 2, variances / variances[0], rtol=1e-4)


def test_the_first_component_is_what_differs_most() -> None:
    pattern = GENERATOR.normal(size=24)
    pattern -= pattern.mean()
    ground = GENERATOR.normal(size=24)
    frames = [ground * 40 + 120 + level * pattern for level in numpy.linspace(-8, 8, 40)]
    clip = numpy.stack(frames).reshape(40, 4, 6, 1)
    (component,) = fit_components([clip], 1)
    centered = center_frames(clip)
    assert (centered @ component).std() == pytest.approx(1, rel=1e-4)  # float32
    direction = component / numpy.linalg.norm(component)
    assert numpy.square(centered @ direction).sum() > 0.9 * numpy.square(centered).sum()


def test_frames_that_are_alike_have_one_component() -> None:
    still = numpy.full((5, 4, 6, 1), 9, dtype=numpy.uint8)
    components = fit_components([still], 5)
    assert len(components) == 1
    assert numpy.isfinite(components).all()


def test_frames_must_be_small() -> None:
    with pytest.raises(
        ConfigError, match=r"data\.components: frames must have at most 4,096 numbers\. Got 4,800"
    ):
        fit_components([numpy.zeros((2, 60, 80, 1), dtype=numpy.uint8)], 3)


def test_features_are_of_components_and_of_their_changes() -> None:
    """A kernel that sees one step passes on what it is given: components, first and second differences."""
    components = fit_components(CLIPS, 2)
    model = ComponentEncoder((4, 6, 1), torch.from_numpy(components), 6).double()
    with torch.no_grad():
        model.convolution.weight.zero_()
        model.convolution.weight[:, :, 2] = torch.eye(6, dtype=torch.float64)
        model.convolution.bias.zero_()
        model.norm = torch.nn.Identity()  # type: ignore[assignment]
    values = center_frames(CLIPS[1]) @ components.T
    steps = numpy.arange(len(values))
    after, before = numpy.minimum(steps + 1, steps[-1]), numpy.maximum(steps - 1, 0)
    changes = 2 * (values[after] - values[before])
    expected = numpy.concatenate([values, changes, changes[after] - changes[before]], 1).clip(0)
    (features,) = model(torch.from_numpy(CLIPS[1][None]))
    numpy.testing.assert_allclose(features.detach().numpy(), expected, rtol=0, atol=1e-4)  # float32 frames


def test_half_precision_does_not_overflow() -> None:
    torch.manual_seed(0)
    model = ComponentEncoder((4, 6, 1), torch.from_numpy(fit_components(CLIPS, 5)), 7)
    clip = torch.from_numpy(CLIPS[0][None])
    expected = model(clip)
    torch.testing.assert_close(
        model.half()(clip).float(), expected, rtol=0, atol=0.02
    )  # 11 bits, 30 products


def test_a_clip_depends_neither_on_padding_nor_on_its_batch() -> None:
    torch.manual_seed(0)
    model = ComponentEncoder((4, 6, 1), torch.from_numpy(fit_components(CLIPS, 5)), 7).double()
    batch = torch.zeros(3, 40, 4, 6, 1, dtype=torch.uint8)
    for row, clip in zip(batch, CLIPS, strict=True):
        row[: len(clip)] = torch.from_numpy(clip)
    lengths = [len(clip) for clip in CLIPS]
    together = model(batch, lengths)
    for row, clip in enumerate(CLIPS):
        torch.testing.assert_close(together[row, : len(clip)], model(torch.from_numpy(clip[None]))[0])
        assert not together[row, len(clip) :].any()
    batch[1, 20:] = 200
    torch.testing.assert_close(model(batch, lengths), together)
    with pytest.raises(
        DataError, match=r"ComponentEncoder: clips must be \(B, T, 4, 6, 1\)\. Got \(3, 40, 4, 6\)"
    ):
        model(batch[..., 0])
    assert "components" in model.state_dict()
