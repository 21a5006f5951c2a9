"""Recordings with their transcripts, one by one and as batches; and texts from pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy
from torch import Tensor

from seqloom.data.padding import lengths_of, pad
from seqloom.decoding.ctc.greedy import BLANK


class Recording(NamedTuple):
    """The steps (T, …) of a recording or a clip, not normalized."""

    steps: Any
    speaker: str | None
    file: str


class Utterance(NamedTuple):
    """A recording with the numbers of its transcript's symbols, and the transcript."""

    recording: Recording
    symbols: numpy.ndarray
    text: str


class UtteranceBatch(NamedTuple):
    """A batch of utterances, with texts and names of files for reports."""

    features: Tensor
    """(B, T, …), normalized"""
    lengths: Tensor
    symbols: Tensor
    """(B, U), padded with blanks"""
    symbol_lengths: Tensor
    texts: tuple[str, ...]
    files: tuple[str, ...]


def collate(normalize: Callable[[Any, str | None], Any], utterances: list[Utterance]) -> UtteranceBatch:
    """Normalize and pad utterances to a batch."""
    recordings = [utterance.recording for utterance in utterances]
    steps = [normalize(recording.steps, recording.speaker) for recording in recordings]
    symbols = [utterance.symbols for utterance in utterances]
    texts = tuple(utterance.text for utterance in utterances)
    files = tuple(recording.file for recording in recordings)
    return UtteranceBatch(
        pad(steps), lengths_of(steps), pad(symbols, BLANK), lengths_of(symbols), texts, files
    )


def min_ctc_steps(symbols: numpy.ndarray) -> int:
    """The fewest steps that CTC needs for `symbols`: one each, and a blank between two equal ones."""
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())


def single_spaced(pieces: Iterable[str]) -> Iterator[str]:
    """The same text with single spaces between its words, each piece as soon as it is complete.

    >>> list(single_spaced([" ", "a", "  ", "b", " "]))
    ['a', ' b']
    """
    has_begun = needs_space = False
    for piece in pieces:
        text = ""
        for character in piece:
            if character.isspace():
                needs_space = has_begun
            else:
                text += f" {character}" if needs_space else character
                has_begun, needs_space = True, False
        if text:
            yield text
