"""The grammar of events: which token may follow, so that every sequence is a tune.

    tune     = BOS bar+ EOS
    bar      = Bar TimeSig (Position note+)*        positions rise, and lie within the bar
    note     = Pitch [Velocity] Duration            pitches of a position rise

While a tune is written, its bars are counted: it ends with the last one that was asked for. Its metre,
where nobody chose one, is drawn at temperature 1 whatever the temperature of its notes, so that not
nearly all tunes are in the commonest metre.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy
import torch
from torch import Tensor

from seqloom.data.music.tokens import TuneTokenizer
from seqloom.decoding.logits import BANNED

EXTREME = 1e30
"""A temperature, beyond which float32 overflows: the metre is then drawn at that temperature"""
MAX_EMPTY_BARS = 1
"""Bars without a note that may follow one another"""


@final
class EventVocabulary:
    """The tokens by type, and the numbers in their names.

    Args:
        tokenizer: of the model.
    """

    def __init__(self, tokenizer: TuneTokenizer) -> None:
        split = [name.split("_", 1) for name in tokenizer.names]
        self.types = [kind for kind, _ in split]
        self.values = [value for _, value in split]
        self.of_type = {
            kind: numpy.array([name == kind for name in self.types]) for kind in dict.fromkeys(self.types)
        }
        self.bos, self.eos = tokenizer.bos, tokenizer.eos
        self.bar = self.types.index("Bar")
        self.positions_per_beat = tokenizer.positions_per_beat
        self.after_pitch = "Velocity" if tokenizer.has_velocities else "Duration"
        # For comparisons: the position or pitch of a token, -1 for others
        self.position, self.pitch = (
            numpy.array([int(value) if kind == name else -1 for kind, value in split])
            for name in ("Position", "Pitch")
        )
        self.signatures = {value: token for token, (kind, value) in enumerate(split) if kind == "TimeSig"}

    def __len__(self) -> int:
        return len(self.types)

    def bar_positions(self, token: int) -> int:
        """Positions in a bar of the time signature `token`."""
        return int(self.values[token].partition("/")[0]) * self.positions_per_beat


class Limits(NamedTuple):
    """How long a tune becomes, and what its bars are."""

    bars: int
    """Bars that are added after the last one of the primer"""
    signature: int | None = None
    """The token of every time signature that is added; None: as the model chooses"""
    holds_metre: bool = False
    """Whether every bar has the time signature of the one before it"""
    max_bar_tokens: int = 512
    """Tokens after which a bar ends: as many as any bar of the training data has"""


@final
class TuneState:
    """Where one tune is.

    Args:
        vocabulary: of the tokens.
        limits: of the tune.
    """

    def __init__(self, vocabulary: EventVocabulary, limits: Limits) -> None:
        self._vocabulary, self._limits = vocabulary, limits
        self._last = "BOS"
        self._positions = self._position = self._pitch = self._signature = -1
        self._bar_tokens = self._empty_bars = 0
        self.bars = 0
        """Bars that have begun since the primer"""
        self.has_notes = False

    def read(self, tokens: Sequence[int]) -> None:
        """Take in the tokens of a primer, whose bars do not count."""
        for token in tokens:
            self.advance(token)
        self.bars = 0

    def advance(self, token: int) -> None:
        """One token more."""
        kind = self._vocabulary.types[token]
        self._bar_tokens += 1
        if kind == "Bar":
            self.bars += 1
            # a bar that ends without a note is counted here, one with a note sets it to 0 below
            self._empty_bars += 1
            self._bar_tokens, self._position = 0, -1
        elif kind == "TimeSig":
            self._positions, self._signature = self._vocabulary.bar_positions(token), token
        elif kind == "Position":
            self._position, self._pitch = int(self._vocabulary.values[token]), -1
        elif kind == "Pitch":
            self._pitch, self._empty_bars, self.has_notes = int(self._vocabulary.values[token]), 0, True
        self._last = kind

    @property
    def draws_metre(self) -> bool:
        """Whether the metre of the tune comes next, and is the model's to choose."""
        return self._last == "Bar" and self._signature < 0 and self._limits.signature is None

    @property
    def is_over(self) -> bool:
        """Whether the last bar that was asked for is complete."""
        return self.bars > self._limits.bars

    def allowed(self) -> numpy.ndarray:
        """(V,) bool, the tokens that may come next; none where the tune is over."""
        vocabulary, limits = self._vocabulary, self._limits
        if self.is_over:
            return numpy.zeros(len(vocabulary), dtype=bool)
        if self._last == "BOS":
            return vocabulary.of_type["Bar"]
        if self._last == "Bar":
            if limits.signature is not None:
                return numpy.arange(len(vocabulary)) == limits.signature
            if limits.holds_metre and self._signature >= 0:
                return numpy.arange(len(vocabulary)) == self._signature
            return vocabulary.of_type["TimeSig"]
        if self._last == "Position":
            return vocabulary.of_type["Pitch"]
        if self._last == "Pitch":
            return vocabulary.of_type[vocabulary.after_pitch]
        if self._last == "Velocity":
            return vocabulary.of_type["Duration"]
        return self._after_note()

    def _after_note(self) -> numpy.ndarray:
        """What may follow a time signature or the duration of a note."""
        vocabulary, limits = self._vocabulary, self._limits
        is_last = self.bars == limits.bars
        is_empty = self._empty_bars > 0
        mask = numpy.zeros(len(vocabulary), dtype=bool)
        if self._bar_tokens < limits.max_bar_tokens or is_empty:
            mask |= (vocabulary.position > self._position) & (vocabulary.position < self._positions)
            if self._position >= 0:
                mask |= (vocabulary.pitch > self._pitch) & (self._pitch >= 0)
        may_end = not is_empty if is_last or not self.has_notes else self._empty_bars <= MAX_EMPTY_BARS
        mask[vocabulary.bar] = may_end
        return mask


@final
class Grammar:
    """The grammar of a batch of tunes, as a constraint of decoding.

    Where the model would end a tune, it begins a bar instead: the probability of `EOS` is added to that of
    `Bar`, by which a complete last bar is known too.

    Args:
        states: of every row.
        vocabulary: of the tokens.
        temperature: by which the logits are divided afterwards; 0 takes the most likely token.
    """

    def __init__(
        self, states: Sequence[TuneState], vocabulary: EventVocabulary, temperature: float = 1.0
    ) -> None:
        self._states, self._vocabulary, self._temperature = list(states), vocabulary, temperature

    def apply(self, logits: Tensor) -> Tensor:
        """Ban what the grammar does not allow."""
        allowed = torch.from_numpy(numpy.stack([state.allowed() for state in self._states]))
        allowed = allowed.to(logits.device)
        bar, eos = self._vocabulary.bar, self._vocabulary.eos
        logits = logits.clone()
        logits[:, bar] = torch.logaddexp(logits[:, bar], logits[:, eos])
        if 1 / EXTREME < self._temperature < EXTREME:
            logits[[state.draws_metre for state in self._states]] *= self._temperature
        return logits.masked_fill(~allowed, BANNED)

    def advance(self, rows: Sequence[int], tokens: Sequence[int]) -> None:
        """Keep these rows, and take in one token of each."""
        self._states = [self._states[row] for row in rows]
        for state, token in zip(self._states, tokens, strict=True):
            state.advance(token)
