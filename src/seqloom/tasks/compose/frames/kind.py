"""Frames: piano rolls, and a model that predicts the keys of each frame of those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from seqloom.baselines.budget import Budget
from seqloom.baselines.markov_keys import MarkovKeys
from seqloom.data.music.dataset import Music
from seqloom.data.music.rolls.roll import NUM_KEYS
from seqloom.data.music.tune import Tune
from seqloom.models.dropout import Dropouts
from seqloom.models.rolls.roll_model import RollConfig, RollModel
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Rows
from seqloom.tasks.compose.config import DataConfig, ModelConfig
from seqloom.tasks.compose.frames.batches import RollBatch
from seqloom.tasks.compose.frames.composing import compose_tunes
from seqloom.tasks.compose.frames.preparation import RollPreparation, read_split


@final
class Frames:
    """Piano rolls."""

    def prepare(self, data: Music, config: DataConfig) -> RollPreparation:
        """Find the keys that sound in the training split."""
        return RollPreparation.fit(data, config)

    def restore(self, folder: Path, config: DataConfig) -> RollPreparation:
        """Read keys and meter from a run folder."""
        return RollPreparation.load(folder, config)

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
        units = torch.tensor([len(frames) - 1 for frames in nats])
        counts = _conventions(sums, units, torch.stack([frames[0] for frames in nats]))
        rows = Rows(sums.numpy(), units.numpy(), {name: part.numpy() for name, part in counts.items()})
        return Baseline("each key given the frame before", rows)

    def compare(self, model: RollModel, data: Music, split: str, context: Context) -> Mapping[str, Any]:
        """Statistics of tunes that the model writes, beside those of the data."""
        del model, data, split, context
        return {}


def _nats_of_frames(model: nn.Module, batch: RollBatch) -> Tensor:
    """(B, T), summed over keys; 0 where a row is padded."""
    frames = batch.frames.to(torch.float32)
    logits, _ = model(batch.inputs, frames, lengths=batch.lengths, first_steps=batch.first_steps)
    nats = nn.functional.binary_cross_entropy_with_logits(logits.float(), frames, reduction="none").sum(-1)
    steps = torch.arange(nats.shape[1], device=nats.device)
    return nats.masked_fill(steps >= batch.lengths.unsqueeze(1), 0.0)


def _conventions(nats: Tensor, units: Tensor, first_nats: Tensor) -> dict[str, Tensor]:
    """What further ways to average a loss are made of: over rolls, and with the first frame."""
    return {"first_nats": first_nats, "mean_nats": nats / units, "rolls": torch.ones_like(units)}
