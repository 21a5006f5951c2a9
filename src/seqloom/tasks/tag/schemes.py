"""Schemes that mark entities by tags: IOB1, IOB2, IOE1, IOE2, IOBES, BILOU, BMES, as seqeval names them.

A tag is `O`, outside of entities, or a letter and a type, `B-PER` or `PER-B`, `B_PER` or `PER_B`; or a letter
alone, where entities have no types. What letters mean is the same in all schemes: `B` begins an entity, `I`
(or `M`) goes on with it, `E` (or `L`) ends it, and `S` (or `U`, `W`) is one of a single token.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from seqloom.metrics.entity_f1 import OUTSIDE

SCHEMES: Mapping[str, str] = {
    "IOB": "BI",
    "IOE": "IE",
    "IOBES": "BIES",
    "BILOU": "BILU",
    "BMES": "BMES",
    "BMEW": "BMEW",
}
"""The letters of each scheme; the first that has all letters of the tags is theirs."""
CANONICAL = {"L": "E", "U": "S", "W": "S", "M": "I"}
STRAY_OUTSIDE = "o"
"""A slip for `O`, where both occur"""
NO_TYPE = "_"
"""The type of entities that have none, as in seqeval"""
PREFIX = re.compile(r"(?P<letter>[BIESLUMW])(?P<delimiter>[-_])(?P<type>.+)", re.IGNORECASE | re.DOTALL)
SUFFIX = re.compile(r"(?P<type>.+)(?P<delimiter>[-_])(?P<letter>[BIESLUMW])", re.IGNORECASE | re.DOTALL)


class Scheme(NamedTuple):
    """How tags mark entities."""

    name: str
    canonical: Mapping[str, str]
    """Each tag as `O`, or as one of `B`, `I`, `E`, `S` with `-` and the type"""

    def convert(self, tags: Sequence[str]) -> list[str]:
        """The canonical tags of a sentence, for `entity_f1`."""
        return [self.canonical[tag] for tag in tags]


def recognize_scheme(tags: Iterable[str]) -> Scheme | None:
    """The scheme of the tags of a data set; None where they mark no entities.

    Which of IOB1 and IOB2, and of IOE1 and IOE2, is told by sentences only: `name_scheme`.

    >>> recognize_scheme(["O", "PER-B", "PER-L", "LOC-U"]).convert(["PER-B", "PER-L", "O", "LOC-U"])
    ['B-PER', 'E-PER', 'O', 'S-LOC']
    >>> recognize_scheme(["NOUN", "VERB"]) is None
    True
    """
    inside = sorted(set(tags) - {OUTSIDE, STRAY_OUTSIDE})
    for pattern in (PREFIX, SUFFIX):
        matches = [pattern.fullmatch(tag) for tag in inside]
        parts = [match for match in matches if match is not None]
        if len(parts) < len(inside) or len({match["delimiter"] for match in parts}) != 1:
            continue
        letters = {tag: match["letter"].upper() for tag, match in zip(inside, parts, strict=True)}
        types = {tag: match["type"] for tag, match in zip(inside, parts, strict=True)}
        return _make_scheme(letters, types)
    if len(inside) > 1 and "B" in inside:
        return _make_scheme({tag: tag for tag in inside}, dict.fromkeys(inside, NO_TYPE))
    return None


def _make_scheme(letters: Mapping[str, str], types: Mapping[str, str]) -> Scheme | None:
    used = set(letters.values())
    name = next((name for name, known in SCHEMES.items() if used <= set(known)), None)
    if name is None:
        return None
    canonical = {tag: f"{CANONICAL.get(letter, letter)}-{types[tag]}" for tag, letter in letters.items()}
    return Scheme(name, {**canonical, OUTSIDE: OUTSIDE, STRAY_OUTSIDE: OUTSIDE})


def neighbors(tags: Sequence[str]) -> Iterable[tuple[str, str]]:
    """The pairs of adjacent tags of a sentence, with `O` before it and after it.

    >>> list(neighbors(["B-PER", "I-PER"]))
    [('O', 'B-PER'), ('B-PER', 'I-PER'), ('I-PER', 'O')]
    """
    return zip([OUTSIDE, *tags], [*tags, OUTSIDE], strict=True)


def name_scheme(scheme: Scheme, pairs: Iterable[tuple[str, str]]) -> str:
    """The name of a scheme, IOB and IOE by the pairs of tags that are neighbors in a data set.

    Where every entity begins with `B` it is IOB2, where every one ends with `E` IOE2; else IOB1 and IOE1, in
    which these letters only part entities that touch.

    >>> scheme = recognize_scheme(["O", "B-PER", "I-PER"])
    >>> name_scheme(scheme, neighbors(["B-PER", "I-PER"])), name_scheme(scheme, neighbors(["I-PER", "B-PER"]))
    ('IOB2', 'IOB1')
    """
    if scheme.name not in ("IOB", "IOE"):
        return scheme.name
    for pair in pairs:
        before, after = scheme.convert(pair)
        if before[1:] != after[1:] and (after if scheme.name == "IOB" else before)[0] == "I":
            return f"{scheme.name}1"
    return f"{scheme.name}2"


def describe_scheme(tags: Sequence[str], name: str | None) -> str:
    """What a person should know: the scheme, or that there is none and what that means.

    >>> describe_scheme(["B-PER", "O"], "IOB2"), describe_scheme(["NOUN", "VERB"], None)
    ('IOB2', 'no scheme of entities such as IOB2, so no entity F1')
    """
    if name is not None:
        return name
    fitting = [tag for tag in tags if tag == OUTSIDE or PREFIX.fullmatch(tag)]
    others = [tag for tag in tags if tag not in fitting]
    without = "no scheme of entities such as IOB2, so no entity F1"
    if len(fitting) > len(others) > 0:
        return f"{without}: {', '.join(f'`{tag}`' for tag in others[:3])} fits none"
    return without


def count_stray(counts: Mapping[str, Counter[str]]) -> int:
    """How often `o` stands for `O`, in the counts of each word's tags; 0 where there is no `O` beside it."""
    has_outside = any(OUTSIDE in of_word for of_word in counts.values())
    return sum(of_word[STRAY_OUTSIDE] for of_word in counts.values()) if has_outside else 0
