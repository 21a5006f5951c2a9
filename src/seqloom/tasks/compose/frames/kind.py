"""Frames: piano rolls, and a model that predicts the keys of each frame of those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy
import torch
from torch import Tensor, nn

from seqloom.baselines.budget import Budget
from seqloom.baselines.markov_keys import MarkovKeys
from seqloom.data.music.dataset import Music
from seqloom.data.music.rolls.roll import LOWEST_KEY, NUM_KEYS
from seqloom.data.music.rolls.sampling import sample_music
from seqloom.data.music.rolls.tunes import frames_of_tune, tune_of_frames
from seqloom.data.music.tune import Tune, pitch_name
from seqloom.models.dropout import Dropouts
from seqloom.models.rolls.roll_model import RollConfig, RollModel
from seqloom.models.rolls.sampling import KeySampling
from seqloom.progress import phase
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Rows
from seqloom.tasks.compose.comparison import MAX_REFERENCE, compare_tunes, spread
from seqloom.tasks.compose.config import DataConfig, ModelConfig
from seqloom.tasks.compose.frames.batches import RollBatch
from seqloom.tasks.compose.frames.composing import compose_tunes, sample_rolls
from seqloom.tasks.compose.frames.preparation import RollPreparation, read_split
from seqloom.tasks.tracing import ForwardPass

FIRST_NATS = "first_nats"
"""Of the frame that is not scored: the name of a count that rows of frames have"""


@final
class Frames:
    """Piano rolls, and MIDI files as such."""

    def prepare(self, data: Music, config: DataConfig) -> RollPreparation:
        """Find the keys that sound in the training split."""
        return RollPreparation.fit(sample_music(data, config.frames_per_quarter, config.max_bars), config)

    def restore(self, folder: Path, config: DataConfig) -> RollPreparation:
        """Read keys and meter from a run folder."""
        return RollPreparation.load(folder, config)

    def divide(self, preparation: RollPreparation, data: Music) -> Music:
        """Piano rolls as they are, MIDI files sampled."""
        return sample_music(data, preparation.meter.frames_per_quarter, preparation.config.max_bars)

    def build(self, preparation: RollPreparation, config: ModelConfig) -> RollModel:
        """A recurrent model of frames, with a state for the whole frame or for each key."""
        recurrent = config.recurrent_config(Dropouts.of_units(config.dropout))
        if config.tied_keys:
            recurrent = recurrent._replace(hidden_size=config.key_hidden_size)
        keys = RollConfig(
            config.key_dependence,
            config.tied_keys,
            config.key_output_size,
            config.key_reach,
            config.key_embedding_size,
            preparation.first_key,
            preparation.stop_key,
            preparation.meter.frames_per_bar or 0,
            config.lookback,
        )
        return RollModel(NUM_KEYS, recurrent, keys)

    def loss(self, model: nn.Module, batch: RollBatch, state: State | None, context: Context) -> Loss:
        """Nats of every frame, the first one too, which follows silence: so that a tune can begin."""
        nats = _nats_of_frames(model, batch)
        return Loss(nats.sum(1), batch.lengths)

    def evaluate_batch(
        self, model: nn.Module, batch: RollBatch, state: State | None, context: Context
    ) -> Loss:
        """Nats of every frame but the first, as published figures count."""
        nats = _nats_of_frames(model, batch)
        units = batch.lengths - 1
        return Loss(nats[:, 1:].sum(1), units, counts=_conventions(nats[:, 1:].sum(1), units, nats[:, 0]))

    def compose(self, model: RollModel, primers: Sequence[Tune | None], context: Context) -> list[Tune]:
        """The bars that follow each primer, frame by frame."""
        return compose_tunes(model, primers, context.preparation.meter, context.decoding)

    def forward_pass(self, model: RollModel, tune: Tune, context: Context) -> ForwardPass:
        """The model reads a tune, frame by frame; where keys are tied, each has a row of its own."""
        frames = frames_of_tune(tune, context.preparation.meter.frames_per_quarter)

        def run() -> None:
            model.step(torch.from_numpy(frames)[None].to(model.device, model.unheard.dtype))

        keys = (frame.nonzero()[0].tolist() for frame in frames)
        steps = [" ".join(pitch_name(LOWEST_KEY + key) for key in sounding) or "silence" for sounding in keys]
        return ForwardPass(steps, run)

    def baseline(
        self, preparation: RollPreparation, data: Music, split: str, budget: Budget
    ) -> Baseline | None:
        """Each key given itself in the frame before, counted."""
        del budget
        if split == "all":  # the baseline would be tested on what it was fitted to
            return None
        keys = MarkovKeys([roll.frames for roll in read_split(data, "train")[0]])
        nats = [torch.from_numpy(keys.nats(roll.frames)) for roll in read_split(data, split)[0]]
        sums = torch.stack([frames[1:].sum() for frames in nats])
        units = torch.tensor([len(frames) - 1 for frames in nats], device="cpu")
        counts = _conventions(sums, units, torch.stack([frames[0] for frames in nats]))
        rows = Rows(sums.numpy(), units.numpy(), {name: part.numpy() for name, part in counts.items()})
        return Baseline("each key given the frame before", rows)

    def compare(self, model: RollModel, data: Music, split: str, context: Context) -> Mapping[str, Any]:
        """Statistics of tunes that the model writes, of tunes of the split, and of the baseline's."""
        meter, config = context.preparation.meter, context.decoding
        if split == "all" or not config.report_tunes:
            return {}
        train, held_out = ([roll.frames for roll in read_split(data, name)[0]] for name in ("train", split))
        count = min(config.report_tunes, len(held_out))
        seeds = [(config.seed + number) % 2**32 for number in range(count)]
        steps = config.bars * meter.frames_of(None)
        keys, random = MarkovKeys(train), numpy.random.default_rng(config.seed)

        def tunes(rolls: Iterable[numpy.ndarray]) -> list[Tune]:
            signatures = (meter.time_signature(),)
            return [tune_of_frames(roll, meter.frames_per_quarter, signatures) for roll in rolls]

        with phase("comparing tunes"):
            options = KeySampling(config.temperature, config.top_p)
            written = sample_rolls(model, None, steps, options, seeds).numpy()
            sets = {
                "model": tunes(written),
                "held out": tunes(held_out[number] for number in spread(len(held_out), count)),
                "frame before": tunes(keys.sample(steps, random) for _ in range(count)),
            }
            sets = {name: part for name, part in sets.items() if any(len(tune.notes) for tune in part)}
            reference = tunes(train[number] for number in spread(len(train), MAX_REFERENCE))
            return compare_tunes(reference, sets, config.bars, len(train))


def other_averages(rows: Rows) -> dict[str, float]:
    """The loss as others average it: with the first frame, which follows silence; and over rolls."""
    with_first = (rows.nats.sum() + rows.total(FIRST_NATS)) / (rows.units.sum() + len(rows.nats))
    of_rolls = rows.total("mean_nats") / len(rows.nats)
    return {
        "loss_nats_per_frame_with_the_first": float(with_first),
        "loss_nats_per_frame_mean_of_rolls": float(of_rolls),
    }


def _nats_of_frames(model: nn.Module, batch: RollBatch) -> Tensor:
    """(B, T), summed over keys; 0 where a row is padded."""
    frames = batch.frames.to(torch.float32)
    logits, _ = model(batch.inputs, frames, lengths=batch.lengths, first_steps=batch.first_steps)
    nats = nn.functional.binary_cross_entropy_with_logits(logits.float(), frames, reduction="none").sum(-1)
    steps = torch.arange(nats.shape[1], device=nats.device)
    return nats.masked_fill(steps >= batch.lengths.unsqueeze(1), 0.0)


def _conventions(nats: Tensor, units: Tensor, first_nats: Tensor) -> dict[str, Tensor]:
    """What further ways to average a loss are made of: over rolls, and with the first frame."""
    return {FIRST_NATS: first_nats, "mean_nats": nats / units}
