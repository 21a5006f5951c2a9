"""The model of piano rolls: padding, chunks, the past only, and the keys it does not model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqloom.errors import ConfigError
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.models.rolls.roll_model import RollConfig, RollModel
from seqloom.state import tensors_of

KEYS = 14
CONFIGS = {
    "independent": RollConfig("independent", tied=False, stop_key=KEYS),
    "joint": RollConfig("joint", tied=False, key_hidden_size=5, stop_key=KEYS, bar_steps=3),
    "tied": RollConfig("joint", True, 5, 4, 2, first_key=1, stop_key=13, bar_steps=3),
    "tied independent": RollConfig("independent", True, 5, 4, 2, stop_key=KEYS),
    "lookback": RollConfig("independent", tied=False, stop_key=KEYS, lookback=4),
    "tied with lookback": RollConfig("joint", True, 5, 4, 2, stop_key=KEYS, bar_steps=3, lookback=3),
}


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> RollModel:
    torch.manual_seed(0)
    return RollModel(KEYS, RecurrentConfig("gru", 6, 2), CONFIGS[request.param]).double().eval()


def _frames(rows: int, steps: int) -> torch.Tensor:
    return (torch.rand(rows, steps, KEYS, generator=torch.Generator().manual_seed(3)) < 0.3).double()


def test_padding_changes_nothing(model: RollModel) -> None:
    inputs, frames = _frames(2, 9), _frames(2, 9).flip(1)
    logits, _ = model(inputs, frames, lengths=[9, 5])
    alone, _ = model(inputs[1:, :5], frames[1:, :5])
    torch.testing.assert_close(logits[1:, :5], alone)
    frames[1, 5:] = 1 - frames[1, 5:]
    inputs[1, 5:] = 1 - inputs[1, 5:]
    again, _ = model(inputs, frames, lengths=[9, 5])
    torch.testing.assert_close(again[0], logits[0])
    torch.testing.assert_close(again[1, :5], logits[1, :5])


def test_a_roll_in_chunks_is_the_whole_roll(model: RollModel) -> None:
    inputs = _frames(3, 8)
    whole, after = model.step(inputs)
    state = model.initial_state(3)
    parts = []
    for start, stop in ((0, 1), (1, 5), (5, 8)):
        context, state = model.step(inputs[:, start:stop], state, first_steps=torch.full((3,), start))
        parts.append(context.unflatten(0, (3, -1)))
    torch.testing.assert_close(torch.cat(parts, 1).flatten(0, 1), whole)
    for part, expected in zip(tensors_of(state), tensors_of(after), strict=True):
        torch.testing.assert_close(part, expected)
        assert part.shape[1] == 3  # the batch is dimension 1


def test_a_frame_depends_on_those_before_it_only(model: RollModel) -> None:
    inputs = _frames(1, 6).requires_grad_()
    context, _ = model.step(inputs)
    context[3].sum().backward()
    assert inputs.grad is not None
    reaches = inputs.grad[0].abs().sum(1) > 0
    assert reaches.tolist() == [True] * 4 + [False] * 2


def test_frames_are_drawn_where_it_has_probability(model: RollModel) -> None:
    context, _ = model.step(_frames(4, 3))
    uniforms = torch.rand(12, KEYS, dtype=torch.float64)
    frames = model.sample(context, uniforms)
    assert frames.shape == (12, KEYS)
    logits = model.key_logits(context, frames.double())
    assert torch.equal(frames, uniforms < logits.sigmoid())


def test_keys_outside_the_range_have_a_probability_of_their_own() -> None:
    model = RollModel(KEYS, RecurrentConfig("gru", 6), CONFIGS["tied"]).eval()
    frames = _frames(2, 5).float()
    logits, _ = model(frames, frames)
    assert (logits[..., [0, 13]] == -9).all()
    frames[..., 13] = 1
    again, _ = model(frames, frames)
    torch.testing.assert_close(again, logits)  # they are not heard either
    nn.functional.binary_cross_entropy_with_logits(again, frames).backward()
    assert model.unheard.grad is not None
    assert (model.unheard.grad != 0).all()


def test_the_place_in_the_bar_is_read() -> None:
    model = RollModel(KEYS, RecurrentConfig("gru", 6), CONFIGS["tied"]).eval()
    frames = _frames(2, 4).float()
    logits, _ = model(frames, frames)
    moved, _ = model(frames, frames, first_steps=torch.tensor([0, 1]))
    torch.testing.assert_close(moved[0], logits[0])
    assert (moved[1] - logits[1]).abs().max() > 1e-6
    whole_bar, _ = model(frames, frames, first_steps=torch.tensor([3, 6]))
    torch.testing.assert_close(whole_bar, logits)


@pytest.mark.parametrize(
    ("recurrent", "config", "message"),
    [
        (
            RecurrentConfig(bidirectional=True),
            RollConfig(),
            "recurrent.bidirectional must be False. Got True.",
        ),
        (RecurrentConfig(), RollConfig(reach=0), "reach must be an int >= 1. Got 0."),
        (RecurrentConfig(), RollConfig(), "first_key to stop_key must be in 0 to 14. Got 0 to 88."),
    ],
)
def test_arguments_out_of_range(recurrent: RecurrentConfig, config: RollConfig, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        RollModel(KEYS, recurrent, config)
    assert str(error.value) == f"RollModel: {message}"
