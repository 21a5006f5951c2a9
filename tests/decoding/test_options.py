"""Decoding options: validation, greedy or not, and stops."""

from __future__ import annotations

import dataclasses
import re

import pytest

from seqloom.decoding import DecodingOptions
from seqloom.errors import ConfigError

REFUSED = [
    ({"num_beams": 0}, "num_beams must be an int >= 1. Got 0."),
    ({"num_beams": True}, "num_beams must be an int >= 1. Got True."),
    ({"length_penalty": float("nan")}, "length_penalty must be from -10 to 10. Got nan."),
    ({"length_penalty": 400}, "length_penalty must be from -10 to 10. Got 400."),
    ({"early_stopping": "never"}, "early_stopping must be true or false. Got 'never'."),
    ({"temperature": -1.0}, "temperature must be >= 0. Got -1.0."),
    ({"temperature": float("inf")}, "temperature must be >= 0. Got inf."),
    ({"top_k": -1}, "top_k must be an int >= 0. Got -1."),
    ({"top_k": 2.5}, "top_k must be an int >= 0. Got 2.5."),
    ({"top_p": 0.0}, "top_p must be > 0 and <= 1. Got 0.0."),
    ({"top_p": 1.1}, "top_p must be > 0 and <= 1. Got 1.1."),
    ({"repetition_penalty": 0}, "repetition_penalty must be > 0. Got 0."),
    ({"no_repeat_ngram_size": -2}, "no_repeat_ngram_size must be an int >= 0. Got -2."),
    ({"max_new_tokens": 0}, "max_new_tokens must be an int >= 1. Got 0."),
    (
        {"max_new_tokens": 10**12},
        "max_new_tokens must be an int from 1 to 10000000. Got 1000000000000.",
    ),
    ({"stop_tokens": [1]}, "stop_tokens must be a tuple of token ids >= 0. Got [1]."),
    ({"stop_tokens": (-1,)}, "stop_tokens must be a tuple of token ids >= 0. Got (-1,)."),
    (
        {"stop_sequences": ((),)},
        "stop_sequences must be a tuple of non-empty tuples of token ids >= 0. Got ((),).",
    ),
    (
        {"seed": -1},
        "seed must be an int from 0 to 2 ** 32 - 1, or a tuple of such ints, one per row. Got -1.",
    ),
    (
        {"seed": (0, 2**32)},
        "seed must be an int from 0 to 2 ** 32 - 1, or a tuple of such ints, one per row. "
        "Got (0, 4294967296).",
    ),
    ({"precision": "float16"}, 'precision must be one of "float32", "bfloat16", "int8". Got \'float16\'.'),
    (
        {"num_beams": 2, "temperature": 0.7, "top_k": 5},
        "with num_beams > 1, which does not sample, temperature must be 0 or 1, top_k 0 and top_p 1. "
        "Got temperature=0.7, top_k=5, top_p=1.0. Use num_beams=1 to sample.",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_invalid_values_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"DecodingOptions: {message}") + "$"):
        DecodingOptions(**arguments)


def test_every_option_is_validated() -> None:
    validated = {name for arguments, _ in REFUSED for name in arguments}
    assert validated == {field.name for field in dataclasses.fields(DecodingOptions)}


def test_options_are_equal_by_value_and_frozen() -> None:
    assert DecodingOptions() == DecodingOptions()
    with pytest.raises(dataclasses.FrozenInstanceError):
        DecodingOptions().top_k = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "is_greedy"),
    [
        (DecodingOptions(), False),
        (DecodingOptions(temperature=0), True),
        (DecodingOptions(temperature=0, num_beams=2), False),
    ],
)
def test_temperature_0_is_greedy_without_beams(options: DecodingOptions, is_greedy: bool) -> None:
    assert options.is_greedy is is_greedy


@pytest.mark.parametrize(
    ("tokens", "length"),
    [([], 0), ([3], 1), ([3, 4], 0), ([9, 5, 6], 2), ([6], 0), ([5, 6, 7, 8], 3), ([6, 7, 8, 3], 1)],
)
def test_stop_length_is_of_the_last_tokens(tokens: list[int], length: int) -> None:
    options = DecodingOptions(stop_tokens=(3,), stop_sequences=((5, 6), (6, 7, 8)))
    assert options.stop_length(tokens) == length
