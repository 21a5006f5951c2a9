"""The front of models of video: shapes, padding, gradients, and what each kernel sees."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError, DataError
from seqloom.models.frame_encoder import FrameEncoder, FrameEncoderConfig


def encoder(**config: object) -> FrameEncoder:
    torch.manual_seed(0)
    return FrameEncoder(16, 24, 1, FrameEncoderConfig((4, 6), **config)).double()  # type: ignore[arg-type]


CLIPS = torch.randint(
    0, 256, (3, 9, 16, 24, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
)


@pytest.mark.parametrize("kernel_frames", [1, 3])
@pytest.mark.parametrize("subtract_mean", [True, False])
def test_a_clip_depends_neither_on_padding_nor_on_its_batch(kernel_frames: int, subtract_mean: bool) -> None:
    model = encoder(kernel_frames=kernel_frames, subtract_mean=subtract_mean)
    lengths = [9, 4, 6]
    together = model(CLIPS, lengths)
    other = CLIPS.clone()
    other[1, 4:] = 255
    torch.testing.assert_close(model(other, lengths), together)
    for row, length in enumerate(lengths):
        alone = model(CLIPS[row : row + 1, :length])
        torch.testing.assert_close(together[row, :length], alone[0])
        assert not together[row, length:].any()


def test_gradients_do_not_depend_on_padding() -> None:
    model = encoder()
    gradients = []
    for clip in (CLIPS[:1, :4], CLIPS[:1]):
        model.zero_grad()
        model(clip, [4])[:, :4].square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])  # type: ignore[union-attr]
    torch.testing.assert_close(*gradients)
    assert all(gradient.abs().sum() > 0 for gradient in gradients[0])


def test_gradcheck() -> None:
    torch.manual_seed(0)
    model = FrameEncoder(6, 6, 1, FrameEncoderConfig((2,))).double()
    clips = torch.rand(2, 3, 6, 6, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda clips: model(clips, [3, 2]), (clips,))


def test_kernels_over_time_see_the_frames_beside() -> None:
    """By the norm over a whole clip each frame depends on all of them, but little."""
    changed = CLIPS.clone()
    changed[:, 4] = CLIPS[:, 8]
    reach = {}
    for kernel_frames in (1, 3):
        model = encoder(kernel_frames=kernel_frames)
        difference = (model(changed) - model(CLIPS)).abs().mean((0, 2))
        reach[kernel_frames] = [step for step in range(9) if difference[step] > 0.1 * difference[4]]
    assert reach == {1: [4], 3: [2, 3, 4, 5, 6]}


def test_brightness_and_contrast_do_not_matter() -> None:
    clips = CLIPS.double()
    torch.testing.assert_close(encoder()(0.5 * clips + 30), encoder()(clips))
    still = torch.full((1, 3, 16, 24, 1), 9.0, dtype=torch.float64)
    assert encoder()(still).isfinite().all()


def test_dropout_is_for_training_only() -> None:
    model = encoder(dropout=0.5)
    assert not torch.equal(model(CLIPS), model(CLIPS))
    model.eval()
    assert torch.equal(model(CLIPS), model(CLIPS))


def test_errors() -> None:
    with pytest.raises(
        DataError, match=r"FrameEncoder: clips must be \(B, T, 16, 24, 1\)\. Got \(3, 9, 16, 24\)"
    ):
        encoder()(CLIPS[..., 0])
    with pytest.raises(DataError, match=r"FrameEncoder: lengths\[1\] must be 0 to 9"):
        encoder()(CLIPS, [9, 10, 1])
    with pytest.raises(ConfigError, match=r"FrameEncoder: kernel_frames must be odd\. Got 2"):
        encoder(kernel_frames=2)
    with pytest.raises(
        ConfigError,
        match=r"model\.front_channels: needs larger frames for 3 layers, each of which halves them\. "
        r"Got 8 x 8 pixels",
    ):
        FrameEncoder(8, 8, 1, FrameEncoderConfig((2, 2, 2)))
