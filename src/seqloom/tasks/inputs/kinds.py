"""The kinds of inputs; which one data has, and one of a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqloom.data.tables.records import Records
from seqloom.tasks.inputs.audio import AudioInput
from seqloom.tasks.inputs.base import Input
from seqloom.tasks.inputs.config import InputKind
from seqloom.tasks.inputs.images import ImageInput
from seqloom.tasks.inputs.series import SeriesInput
from seqloom.tasks.inputs.text import TextInput

KINDS: Mapping[InputKind, type[Input]] = {
    "image": ImageInput,
    "audio": AudioInput,
    "series": SeriesInput,
    "text": TextInput,
}
"""The first that recognizes data decides."""


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
