"""The kinds of music that can be composed, by the data: events of MIDI files, or frames of piano rolls.

Each has a folder here, whose module `kind` has one class that keeps the protocol `Kind`. The task asks the
kind of the data, or that of the preparation, for everything that differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from torch import nn

from seqloom.baselines.budget import Budget
from seqloom.data.music.dataset import Music
from seqloom.data.music.tune import Tune
from seqloom.errors import RunError
from seqloom.state import State
from seqloom.tasks.base import Baseline, Context, Loss, Preparation
from seqloom.tasks.tracing import ForwardPass

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "events": "seqloom.tasks.compose.events.kind:Events",
        "frames": "seqloom.tasks.compose.frames.kind:Frames",
    }
)
"""The class of each kind, imported when it is first needed."""
MARKERS: Mapping[str, str] = MappingProxyType({"events.json": "events", "frames.json": "frames"})
"""The kind of a run folder, by the file that it alone has: one of `Preparation.files`"""


class MusicPreparation(Preparation, Protocol):
    """What turns tunes into tensors and back."""

    @property
    def kind(self) -> str:
        """`events` or `frames`."""
        ...


class Kind(Protocol):
    """What a kind of music has of its own. It holds no data."""

    def prepare(self, data: Music, config: Any) -> MusicPreparation:
        """Fit to the training split."""
        ...

    def restore(self, folder: Path, config: Any) -> MusicPreparation:
        """The preparation that `files` wrote into a run folder."""
        ...

    def divide(self, preparation: Any, data: Music) -> Music:
        """The data as music of this kind.

        Raises:
            DataError: it cannot be read as that.
        """
        ...

    def build(self, preparation: Any, config: Any) -> nn.Module:
        """The untrained model."""
        ...

    def loss(self, model: Any, batch: Any, state: State | None, context: Context) -> Loss:
        """The loss of the batch in training, from `state` on."""
        ...

    def evaluate_batch(self, model: Any, batch: Any, state: State | None, context: Context) -> Loss:
        """The loss for reports."""
        ...

    def compose(self, model: Any, primers: Sequence[Tune | None], context: Context) -> list[Tune]:
        """A tune for each primer, which is its beginning; None: from nothing.

        `context.decoding` says how many bars are added, and how they are sampled. Each tune depends on its
        own primer and the seed only.
        """
        ...

    def forward_pass(self, model: Any, tune: Tune, context: Context) -> ForwardPass:
        """The pass of the model over a tune."""
        ...

    def baseline(self, preparation: Any, data: Music, split: str, budget: Budget) -> Baseline | None:
        """The trivial predictor that every report shows beside the model."""
        ...

    def compare(self, model: Any, data: Music, split: str, context: Context) -> Mapping[str, Any]:
        """What a report shows of tunes that the model writes, beside tunes of the data."""
        ...


def kind_named(name: str) -> Kind:
    """The kind of that name."""
    module, _, class_name = KINDS[name].partition(":")
    return getattr(import_module(module), class_name)()


def kind_of_run(folder: Path) -> Kind:
    """The kind of a run folder, by the file that it alone has.

    Raises:
        RunError: there is no such file.
    """
    for marker, kind in MARKERS.items():
        if (folder / marker).is_file():
            return kind_named(kind)
    raise RunError(folder, f"expected the file {' or '.join(MARKERS)}", got="neither")
