"""A `tokenizer.json` of a run folder, checked before the tokenizer is made of it.

A tokenizer is a program: a file may ask it to pad to any length, or to search by a pattern without end. So
only those that this package writes are read, and of a file nothing is new but its tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from seqloom.errors import RunError
from seqloom.stored import DAMAGED, parse_json, read_text

TOKENS = ("vocab", "merges")
"""What of a model is learnt of texts"""
EXPECTED = "expected a tokenizer.json"


def read_tokenizer(path: Path, usual: Sequence[str], unknown: str) -> str:
    """The JSON of a tokenizer.

    Args:
        path: the file.
        usual: JSON of tokenizers with the settings that it may have.
        unknown: the token that a vocabulary of words or characters has for all others.

    Raises:
        RunError: it is missing or damaged, or has other settings.
    """
    text = read_text(path, EXPECTED)
    content = parse_json(text, path, EXPECTED)
    mistake = _find_mistake(content, [_settings_of(one) for one in usual], unknown)
    if mistake:
        raise RunError(path, EXPECTED, got=mistake, hint=DAMAGED)
    return text


def is_like(stored: Any, usual: Any) -> bool:
    """Whether a JSON value is the usual one; objects may lack keys, as an earlier version left them out.

    >>> is_like({"a": [1]}, {"a": [1], "b": None}), is_like({"a": [1], "c": 0}, {"a": [1]}), is_like(True, 1)
    (True, False, False)
    """
    if isinstance(stored, dict) and isinstance(usual, dict):
        return stored.keys() <= usual.keys() and all(is_like(stored[key], usual[key]) for key in stored)
    if isinstance(stored, list) and isinstance(usual, list):
        return len(stored) == len(usual) and all(map(is_like, stored, usual))
    return type(stored) is type(usual) and stored == usual


@lru_cache(maxsize=8)
def _settings_of(text: str) -> dict[str, Any]:
    content = parse_json(text, "tokenizer", EXPECTED)
    model = {key: value for key, value in content["model"].items() if key not in TOKENS}
    return {**content, "model": model}


def _find_mistake(content: Any, usual: Sequence[dict[str, Any]], unknown: str) -> str:
    """What is wrong with the content of a file; empty where nothing is."""
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        return "no model in it"
    model = {key: value for key, value in content["model"].items() if key not in TOKENS}
    if not any(is_like({**content, "model": model}, one) for one in usual):
        return "settings that no vocabulary of this version has"
    tokens, merges = content["model"].get("vocab"), content["model"].get("merges", [])
    if not isinstance(tokens, dict) or set(map(type, tokens.values())) != {int}:
        return "no numbers of tokens"
    numbers = list(range(len(tokens)))
    if list(tokens.values()) != numbers and sorted(tokens.values()) != numbers:
        return f"numbers of {len(tokens):,} tokens that are not 0 to {len(tokens) - 1:,}"
    if model.get("unk_token") == unknown and unknown not in tokens:
        return f"no token {unknown}"
    if not isinstance(merges, list):
        return "merges that are no list"
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    for pair in pairs:
        is_pair = isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair)
        if not is_pair or not {*pair, "".join(pair)} <= tokens.keys():
            return f"a merge of tokens that it has not: {pair!r:.60}"
    return ""
