"""An example of the data that a model was measured on, with the answer that the model gives, for its card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import torch
from torch import nn

from seqloom.data.music.dataset import Music
from seqloom.data.series.dataset import SeriesData
from seqloom.data.tables.records import Records
from seqloom.data.text.corpus import TextCorpus, read_chunks
from seqloom.errors import DataError
from seqloom.runs.config import RunConfig
from seqloom.runs.usage import EXAMPLE_TOKENS
from seqloom.tasks.base import Data, Preparation, TextGeneration

MAX_TRIED = 100
MAX_WORDS, PROMPT_WORDS = 25, 4
MAX_NUMBERS = 24


class Answered(NamedTuple):
    """An input as a user gives it, and the model's answer to it."""

    value: Any
    answer: str


@torch.inference_mode()
def answer_example(
    config: RunConfig, preparation: Preparation, data: Data, split: str, model: nn.Module
) -> Answered | None:
    """The answer to the first input of a split that can be shown: of one line, without quotes or backticks.

    None where there is none. A long text is shortened to its first words, a series to its first steps; the
    answer is to what is left.
    """
    task, decoding = config.task, config.decoding
    if isinstance(task, TextGeneration):
        decoding = decoding.model_copy(update={"max_new_tokens": EXAMPLE_TOKENS})
    context = config.context(preparation, decoding=decoding)
    was_training = model.training
    model.eval()
    try:
        for value in islice(read_inputs(data, split, preparation.column), MAX_TRIED):
            shown = _shorten(value, PROMPT_WORDS if isinstance(task, TextGeneration) else MAX_WORDS)
            if shown is None:
                continue
            try:
                encoded = preparation.encode(value if isinstance(value, Path) else shown)
            except DataError:
                continue
            return Answered(shown, task.predict(model, [encoded], context)[0].text)
    finally:
        model.train(was_training)
    return None


def read_inputs(data: Data, split: str, column: str) -> Iterator[Any]:
    """The inputs of a split, as a user would give them, in their order.

    Args:
        data: of any kind.
        split: its name.
        column: of a table, which holds the inputs.
    """
    if isinstance(data, Records):
        yield from (example.fields.get(column) for example in data.examples(split))
    elif isinstance(data, Music):
        yield from (tune for tune in data.tunes(split) if isinstance(tune, Path))
    elif isinstance(data, SeriesData):
        for number in range(len(data)):
            y = data.series(number).y[-MAX_NUMBERS:]
            yield y[~numpy.isnan(y)].tolist()
    elif isinstance(data, TextCorpus):
        for chunk in read_chunks(data.splits[split]):
            yield from chunk.split("\n")


def _shorten(value: Any, max_words: int) -> Any:
    """What a card shows of an input; None if it had better show another."""
    if isinstance(value, Path):
        return value.name if _is_plain(value.name) else None
    if isinstance(value, str):
        return _first_words(value.split(), max_words)
    if isinstance(value, Iterable):
        items = list(value)
        if items and all(isinstance(item, str) for item in items):
            return _first_words(items, max_words)
        return _first_steps(items)
    return None


def _first_words(words: list[str], max_words: int) -> str | None:
    text = " ".join(words[:max_words])
    is_like_path = "." in words[-1][1:-1] if words else True
    return text if len(words) > 1 and _is_plain(text) and text[0].isalnum() and not is_like_path else None


def _first_steps(steps: list[Any]) -> list[Any] | None:
    try:
        width = len(steps[0]) if isinstance(steps[0], list) else 1
        kept = steps[: max(MAX_NUMBERS // width, 1)]
        return [
            [float(f"{number:.4g}") for number in step] if isinstance(step, list) else float(f"{step:.4g}")
            for step in kept
        ]
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None


def _is_plain(text: str) -> bool:
    return text.isprintable() and not set(text) & set("`'\"\\")
