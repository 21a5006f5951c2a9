"""Writing tunes with a model of frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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
        (frames,) = sample_rolls(model, before, count, options, [decoding.seed])
        added = tune_of_frames(frames.numpy(), meter.frames_per_quarter, (signature,))
        ticks = -(-TICKS_PER_QUARTER // meter.frames_per_quarter) * meter.frames_per_quarter
        if primer is None or before is None:
            tunes.append(added.with_resolution(ticks))
            continue
        start = len(before) * (ticks // meter.frames_per_quarter)
        tunes.append(continue_tune(primer.with_resolution(ticks), added.with_resolution(ticks), start))
    return tunes


@torch.inference_mode()
def sample_rolls(
    model: RollModel, before: Tensor | None, count: int, options: KeySampling, seeds: Sequence[int]
) -> Tensor:
    """Draw rolls frame by frame, in one batch.

    Args:
        model: in evaluation mode.
        before: (T, K) of 0 and 1, what all of them follow; None: silence.
        count: frames to draw.
        options: temperature and top-p.
        seeds: of the random numbers of each roll.

    Returns:
        (rolls, count, K) uint8.
    """
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    inputs = torch.zeros(len(seeds), 1, NUM_KEYS, device="cpu")
    if before is not None:
        heard = before.to(inputs.dtype).expand(len(seeds), -1, -1)
        inputs = torch.cat([inputs, heard], dim=1)
    frames = torch.zeros(len(seeds), count, NUM_KEYS, dtype=torch.uint8, device="cpu")
    state, place = model.initial_state(len(seeds)), 0
    for number in range(count):
        first_steps = torch.full((len(seeds),), place, device=model.device)
        context, state = model.step(inputs.to(model.device), state, first_steps=first_steps)
        last = context.unflatten(0, (len(seeds), -1))[:, -1]
        place += inputs.shape[1]
        uniforms = torch.stack(
            [torch.rand(NUM_KEYS, generator=g, dtype=torch.float64, device="cpu") for g in generators]
        )
        drawn = model.sample(last, uniforms.to(model.device), options).cpu()
        inputs = drawn.unsqueeze(1).to(inputs.dtype)
        frames[:, number] = drawn
    return frames
