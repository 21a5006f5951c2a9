"""The kinds of inputs; which one data has, and one of a run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from seqloom.data.tables.records import Records
from seqloom.tasks.inputs import drawn_shapes, moving_shapes
from seqloom.tasks.inputs.audio import AudioInput
from seqloom.tasks.inputs.base import Input
from seqloom.tasks.inputs.config import InputKind
from seqloom.tasks.inputs.images import ImageInput
from seqloom.tasks.inputs.series import SeriesInput
from seqloom.tasks.inputs.text import TextInput
from seqloom.tasks.inputs.video import VideoInput

KINDS: Mapping[InputKind, type[Input]] = {
    "image": ImageInput,
    "video": VideoInput,
    "audio": AudioInput,
    "series": SeriesInput,
    "text": TextInput,
}
"""The first that recognizes data decides."""

TOY_DATA: Mapping[InputKind, Mapping[str, Callable[[Path, int], str]]] = {
    "image": {"classify": drawn_shapes.write_labeled_shapes},
    "video": {"classify": moving_shapes.write_labeled_shapes, "transcribe": moving_shapes.write_told_shapes},
}
"""What writes made-up data of a kind, by the task that it is for"""


def toy_data_of(task: str) -> Mapping[str, Callable[[Path, int], str]]:
    """What writes made-up data for a task, by the kind of input."""
    return MappingProxyType({kind: writers[task] for kind, writers in TOY_DATA.items() if task in writers})


def input_kind(data: Records, chosen: InputKind | None = None) -> type[Input] | None:
    """The kind of input that is chosen, or that data has; None where there is none."""
    if chosen is not None:
        return KINDS[chosen]
    return next((kind for kind in KINDS.values() if kind.recognizes(data)), None)


def load_input(kind: InputKind, folder: Path, config: Any) -> Input:
    """Read an input from a run folder.

    Raises:
        RunError: a file is missing or damaged.
    """
    return KINDS[kind].load(folder, config)
