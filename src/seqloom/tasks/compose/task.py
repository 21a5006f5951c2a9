"""Compose: write a tune, from nothing or on from a primer. One-to-many.

Which kind of music it is, events of MIDI files or frames of piano rolls, is in the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

from torch import nn

from seqloom.baselines.budget import UNLIMITED, Budget
from seqloom.data.music.dataset import Music
from seqloom.data.music.tune import Tune
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Output, Rows, Task
from seqloom.tasks.compose.config import DataConfig, DecodingConfig, ModelConfig
from seqloom.tasks.compose.kinds import MusicPreparation, kind_named, kind_of_run
from seqloom.tasks.compose.output import describe
from seqloom.tasks.tracing import ForwardPass, refuse_target


@final
class Compose(Task):
    """Tunes in, a model that writes others out."""

    name = "compose"
    shape = "one-to-many"
    data_description = "a folder of MIDI files, or piano rolls"
    reads = Music
    DataConfig = DataConfig
    ModelConfig = ModelConfig
    DecodingConfig = DecodingConfig
    training_defaults = MappingProxyType({"batch_size": 32, "window": 64})

    def accepts(self, data: Any) -> str | None:
        """Music."""
        if not isinstance(data, Music):
            return None
        return "a folder of MIDI files" if data.kind == "events" else "piano rolls"

    def prepare(self, data: Music, config: DataConfig) -> MusicPreparation:
        """Fit to the training split what its kind of music needs."""
        return kind_named(config.music or data.kind).prepare(data, config)

    def restore(self, folder: Path, config: DataConfig) -> MusicPreparation:
        """Read the preparation of a run folder."""
        return kind_of_run(folder).restore(folder, config)

    def divide(self, preparation: MusicPreparation, data: Music) -> Music:
        """The data as music of the model's kind."""
        return kind_named(preparation.kind).divide(preparation, data)

    def build(self, preparation: MusicPreparation, config: ModelConfig) -> nn.Module:
        """A recurrent model of events, or of frames."""
        return kind_named(preparation.kind).build(preparation, config)

    def loss(self, model: Any, batch: Any, state: State | None, context: Context) -> Loss:
        """Nats of each event, or of each frame."""
        return kind_named(context.preparation.kind).loss(model, batch, state, context)

    def evaluate_batch(self, model: Any, batch: Any, state: State | None, context: Context) -> Loss:
        """The same, for reports."""
        return kind_named(context.preparation.kind).evaluate_batch(model, batch, state, context)

    def predict(self, model: Any, items: Sequence[Tune], context: Context) -> list[Output]:
        """The bars that follow each primer, as notes by name."""
        return [describe(tune) for tune in self.compose(model, items, context)]

    def compose(self, model: Any, primers: Sequence[Tune | None], context: Context) -> list[Tune]:
        """A tune for each primer, which is its beginning; None: from nothing."""
        return kind_named(context.preparation.kind).compose(model, primers, context)

    def forward_pass(
        self, model: Any, value: Any, item: Tune, context: Context, target: str | None = None
    ) -> ForwardPass:
        """The model reads a tune, event by event, or frame by frame."""
        del value
        refuse_target(self.name, target)
        return kind_named(context.preparation.kind).forward_pass(model, item, context)

    def details(self, rows: Rows) -> Mapping[str, Any]:
        """Of frames, the loss as others average it."""
        from seqloom.tasks.compose.frames.kind import FIRST_NATS, other_averages

        return other_averages(rows) if FIRST_NATS in rows.counts else {}

    def compare(self, model: Any, data: Music, split: str, context: Context) -> Mapping[str, Any]:
        """Statistics of tunes that the model writes, beside those of the data and of a baseline."""
        return kind_named(context.preparation.kind).compare(model, data, split, context)

    def baseline(
        self, preparation: MusicPreparation, data: Music, split: str, budget: Budget = UNLIMITED
    ) -> Baseline | None:
        """A bigram model of events; for frames that of its kind."""
        return kind_named(preparation.kind).baseline(preparation, data, split, budget)

    def write_toy_data(self, folder: Path, seed: int) -> str:
        """Tunes of a small grammar, as MIDI files."""
        from seqloom.tasks.compose.toy_data import write_toy_data_files

        return write_toy_data_files(folder, seed)
