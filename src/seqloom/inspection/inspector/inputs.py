"""The one input that an argument stands for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqloom.errors import DataError
from seqloom.tasks.base import TextGeneration

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

MAX_CHARACTERS = 4000
"""Of a file that a language model reads"""
MAX_PATH = 4096


def read_one(
    run: Predictor,
    argument: str,
    reading: Mapping[str, Any] | None = None,
    is_text: bool = False,
    log: Callable[[str], object] = str,
) -> Any:
    """The input that an argument stands for; a text file is one input where the model goes on with texts.

    Args:
        run: a trained model.
        argument: a text, or a path.
        reading: how tables and text files are read.
        is_text: whether it is a text, even if it looks like a path.
        log: called with a line about what is left out.

    Raises:
        DataError: the file is missing, cannot be read, or has no input.
    """
    values = run.read_inputs(argument, reading, is_text=is_text, log=log)
    if not values:
        raise DataError(argument, "expected an input", got="none")
    task: object = run.config.task
    is_file = not is_text and len(argument) < MAX_PATH and Path(argument).is_file()
    if isinstance(task, TextGeneration) and is_file:
        whole = "\n".join(map(str, values))
        if len(whole) > MAX_CHARACTERS:
            log(f"{argument}: the first {MAX_CHARACTERS:,} of {len(whole):,} characters")
        return whole[:MAX_CHARACTERS]
    if len(values) > 1:
        log(f"{argument}: the first of {len(values):,} inputs")
    return values[0]
