"""Decoding options: one frozen dataclass, validated when it is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from seqloom.errors import ConfigError
from seqloom.kernels.native.weight_packing import PRECISIONS

MAX_NEW_TOKENS = 10_000_000
"""A text of so many tokens is in memory before it is given back"""


@final
@dataclass(frozen=True, kw_only=True)
class DecodingOptions:
    """How tokens are chosen. Names and meanings are those of transformers' generation.

    These two decide the decoding method; there is no `do_sample`:

    - `num_beams > 1`: beam search for the most probable sequence;
    - otherwise `temperature == 0`: greedy, the most probable token at every step;
    - otherwise: sampling.

    All filters are off by default, and then cost nothing.

    Args:
        num_beams: beams per sequence; 1 is no beam search.
        length_penalty: beam search scores log-probability / length ** length_penalty, where the length
            includes the stop: above 0 favors long sequences, below 0 short ones; from -10 to 10.
        early_stopping: end a beam search as soon as a sequence has `num_beams` finished hypotheses.
            False searches until no unfinished hypothesis can win, which is exact and slower
            ("never" in transformers).
        temperature: divides the logits before sampling; 0 is greedy.
        top_k: sample from the k most probable tokens; 0 is off.
        top_p: sample from the smallest set of tokens with at least this probability; 1 is off.
        repetition_penalty: above 1 makes tokens that occurred before less probable; 1 is off.
        no_repeat_ngram_size: n-grams of this size occur at most once in a sequence; 0 is off.
        max_new_tokens: maximum tokens per row, the stop included; at most 10,000,000.
        stop_tokens: token ids that end a row.
        stop_sequences: sequences of token ids; a row ends when its last tokens are one of them.
        seed: row r of a batch has its own random stream, seeded with `seed + r`, or with `seed[r]` if
            this is a tuple. Seeds are below 2 ** 32.
        precision: format of the weights in the native decoder: "float32", or the faster and less exact
            "bfloat16" and "int8". Decoding that the native decoder does not support, such as beam search,
            runs in the precision of the model.

    Raises:
        ConfigError: a value out of its range, or two that contradict each other.

    >>> DecodingOptions(temperature=0.8, top_p=0.95).is_greedy
    False
    >>> DecodingOptions(temperature=-1)
    Traceback (most recent call last):
    ...
    seqloom.errors.ConfigError: DecodingOptions: temperature must be >= 0. Got -1.
    """

    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    max_new_tokens: int = 256
    stop_tokens: tuple[int, ...] = ()
    stop_sequences: tuple[tuple[int, ...], ...] = ()
    seed: int | tuple[int, ...] = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        self._require_int("num_beams", 1)
        self._require_int("top_k", 0)
        self._require_int("no_repeat_ngram_size", 0)
        self._require_int("max_new_tokens", 1)
        longest = f"be an int from 1 to {MAX_NEW_TOKENS}"
        self._require("max_new_tokens", longest, self.max_new_tokens <= MAX_NEW_TOKENS)
        # A length of 10,000,000 to the power of 10 is still a finite float.
        penalty = self.length_penalty
        self._require("length_penalty", "be from -10 to 10", _is_number(penalty) and -10 <= penalty <= 10)
        self._require("early_stopping", "be true or false", isinstance(self.early_stopping, bool))
        self._require("temperature", "be >= 0", _is_number(self.temperature) and self.temperature >= 0)
        self._require("top_p", "be > 0 and <= 1", _is_number(self.top_p) and 0 < self.top_p <= 1)
        penalty = self.repetition_penalty
        self._require("repetition_penalty", "be > 0", _is_number(penalty) and penalty > 0)
        self._require("stop_tokens", "be a tuple of token ids >= 0", _are_tokens(self.stop_tokens))
        sequences = self.stop_sequences
        self._require(
            "stop_sequences",
            "be a tuple of non-empty tuples of token ids >= 0",
            isinstance(sequences, tuple) and all(_are_tokens(tokens) and tokens for tokens in sequences),
        )
        seeds = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        self._require(
            "seed",
            "be an int from 0 to 2 ** 32 - 1, or a tuple of such ints, one per row",
            # torch's CPU generator uses 32 bits of a seed: larger ones would silently collide.
            all(_is_int(seed) and 0 <= seed < 2**32 for seed in seeds),
        )
        names = ", ".join(f'"{name}"' for name in PRECISIONS)
        self._require("precision", f"be one of {names}", self.precision in PRECISIONS)
        if self.num_beams > 1 and not (self.temperature in (0, 1) and self.top_k == 0 and self.top_p == 1):
            raise ConfigError(
                "DecodingOptions",
                "with num_beams > 1, which does not sample, temperature must be 0 or 1, top_k 0 and top_p 1",
                got=f"temperature={self.temperature}, top_k={self.top_k}, top_p={self.top_p}",
                hint="Use num_beams=1 to sample",
            )

    @property
    def is_greedy(self) -> bool:
        """Whether every step takes the most probable token, without beams."""
        return self.num_beams == 1 and self.temperature == 0

    def stop_length(self, tokens: Sequence[int]) -> int:
        """How many of the last tokens are a stop: 0 if the row does not end here.

        Args:
            tokens: the generated tokens of one row, without its prompt.

        >>> options = DecodingOptions(stop_tokens=(0,), stop_sequences=((7, 7),))
        >>> [options.stop_length(tokens) for tokens in ([5, 0], [5, 7, 7], [7, 5])]
        [1, 2, 0]
        """
        if tokens and tokens[-1] in self.stop_tokens:
            return 1
        for sequence in self.stop_sequences:
            if tuple(tokens[-len(sequence) :]) == sequence:
                return len(sequence)
        return 0

    def _require(self, name: str, requirement: str, is_met: bool) -> None:
        if not is_met:
            raise ConfigError("DecodingOptions", f"{name} must {requirement}", got=repr(getattr(self, name)))

    def _require_int(self, name: str, minimum: int) -> None:
        value = getattr(self, name)
        self._require(name, f"be an int >= {minimum}", _is_int(value) and value >= minimum)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_tokens(value: object) -> bool:
    return isinstance(value, tuple) and all(_is_int(token) and token >= 0 for token in value)
