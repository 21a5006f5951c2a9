"""Writing tunes with a model of frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from seqloom.data.music.rolls.roll import NUM_KEYS
from seqloom.data.music.rolls.tunes import continue_tune, frames_of_tune, tune_of_frames
from seqloom.data.music.tune import TimeSignature, Tune
from seqloom.errors import ConfigError
from seqloom.models.rolls.roll_model import RollModel
from seqloom.models.rolls.sampling import KeySampling
from seqloom.tasks.compose.config import DecodingConfig
from seqloom.tasks.compose.frames.preparation import Meter

TICKS_PER_QUARTER = 480
"""Of tunes from nothing, or the next multiple of the frames of a quarter note."""


def compose_tunes(
    model: RollModel, primers: Sequence[Tune | None], meter: Meter, decoding: DecodingConfig
) -> list[Tune]:
    """Continue each primer by whole bars; those that are None begin from silence.

    A tune depends on its own primer and on the seed only.

    Raises:
        ConfigError: options that frames do not have.
    """
    if decoding.top_k:
        raise ConfigError("decoding.top_k", "must be 0 for piano rolls", got=decoding.top_k, hint="Use top_p")
    size = meter.frames_of(decoding.time_signature)
    count, options = decoding.bars * size, KeySampling(decoding.temperature, decoding.top_p)
    signature = meter.time_signature()
    if decoding.time_signature is not None:
        numerator, _, denominator = decoding.time_signature.partition("/")
        signature = TimeSignature(0, int(numerator), int(denominator))
    tunes: list[Tune] = []
    for primer in primers:
        before = (
            None if primer is None else torch.from_numpy(frames_of_tune(primer, meter.frames_per_quarter))
        )
        frames = sample_roll(model, before, count, options, decoding.seed)
        added = tune_of_frames(frames.numpy(), meter.frames_per_quarter, (signature,))
        ticks = -(-TICKS_PER_QUARTER // meter.frames_per_quarter) * meter.frames_per_quarter
        if primer is None or before is None:
            tunes.append(added.with_resolution(ticks))
            continue
        start = len(before) * (ticks // meter.frames_per_quarter)
        tunes.append(continue_tune(primer.with_resolution(ticks), added.with_resolution(ticks), start))
    return tunes


@torch.inference_mode()
def sample_roll(
    model: RollModel, before: torch.Tensor | None, count: int, options: KeySampling, seed: int
) -> torch.Tensor:
    """Draw frames one by one.

    Args:
        model: in evaluation mode.
        before: (T, K) of 0 and 1, what they follow; None: silence.
        count: frames to draw.
        options: temperature and top-p.
        seed: of the random numbers.

    Returns:
        (count, K) uint8.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    inputs = torch.zeros(1, 1, NUM_KEYS)
    if before is not None:
        inputs = torch.cat([inputs, before.unsqueeze(0).to(inputs.dtype)], dim=1)
    frames = torch.zeros(count, NUM_KEYS, dtype=torch.uint8)
    state, place = model.initial_state(1), 0
    for number in range(count):
        first_steps = torch.tensor([place])
        context, state = model.step(inputs.to(model.device), state, first_steps=first_steps)
        place += inputs.shape[1]
        uniforms = torch.rand(1, NUM_KEYS, generator=generator, dtype=torch.float64)
        inputs = model.sample(context[-1:], uniforms, options).view(1, 1, -1).to(torch.float32)
        frames[number] = inputs[0, 0].to(torch.uint8)
    return frames
