"""Entities from BIO tags, and how many of them were found, as conlleval counts (CoNLL-2000's own script).

`B-x` begins an entity of type x, `I-x` goes on with one, `O` is outside. An `I-x` that follows nothing of its
type begins an entity too, so tags of the older kind, with `B-` between neighbors only, mean the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

OUTSIDE = "O"


class Span(NamedTuple):
    """An entity: tokens `start` up to `stop`, which is the first one after it."""

    type: str
    start: int
    stop: int


def is_bio(tags: Iterable[str]) -> bool:
    """Whether all tags are `O`, `B-…` or `I-…`, and they name an entity.

    >>> is_bio(["O", "B-PER"]), is_bio(["NOUN", "O"]), is_bio(["O"])
    (True, False, False)
    """
    named = set(tags) - {OUTSIDE}
    return bool(named) and all(tag[:2] in ("B-", "I-") and len(tag) > 2 for tag in named)


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence, in order.

    Args:
        tags: of each token; BIO.

    >>> spans(["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-PER"])  # doctest: +NORMALIZE_WHITESPACE
    [Span(type='PER', start=0, stop=2), Span(type='LOC', start=3, stop=4), Span(type='LOC', start=4, stop=5),
     Span(type='PER', start=5, stop=6)]
    """
    found: list[Span] = []
    for place, tag in enumerate(tags):
        if tag == OUTSIDE:
            continue
        kind = tag[2:]
        if tag[0] == "I" and found and found[-1].type == kind and found[-1].stop == place:
            found[-1] = found[-1]._replace(stop=place + 1)
        else:
            found.append(Span(kind, place, place + 1))
    return found


class Counts(NamedTuple):
    """Sums over sentences, from which every figure follows."""

    expected: int
    """Entities there are"""
    found: int
    """Entities that were named"""
    correct: int
    """Of those, the ones that are there: of the same type, start and end"""


def count(expected: Sequence[str], predicted: Sequence[str]) -> Counts:
    """The counts of one sentence, from its tags.

    >>> count(["B-PER", "I-PER", "O"], ["B-PER", "O", "B-LOC"])
    Counts(expected=1, found=2, correct=0)
    """
    one, other = spans(expected), spans(predicted)
    return Counts(len(one), len(other), len(set(one) & set(other)))


def precision_recall_f1(expected: float, found: float, correct: float) -> dict[str, float]:
    """From sums of counts; where there is nothing to divide by, 0, as conlleval has it.

    >>> precision_recall_f1(expected=4, found=2, correct=1)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333}
    """
    return {
        "precision": float(correct / found) if found else 0.0,
        "recall": float(correct / expected) if expected else 0.0,
        "f1": float(2 * correct / (expected + found)) if expected + found else 0.0,
    }


def by_type(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Mapping[str, dict[str, float]]:
    """Of each type precision, recall, F1 and how many there are, from pairs of tags, expected and predicted.

    >>> by_type([(["B-PER", "O"], ["B-PER", "B-LOC"])])
    {'LOC': {'precision': 0.0, 'recall': 0.0, 'f1': 0.0, 'expected': 0},
     'PER': {'precision': 1.0, 'recall': 1.0, 'f1': 1.0, 'expected': 1}}
    """
    there, named, right = Counter[str](), Counter[str](), Counter[str]()
    for expected, predicted in pairs:
        one, other = spans(expected), spans(predicted)
        there.update(span.type for span in one)
        named.update(span.type for span in other)
        right.update(span.type for span in set(one) & set(other))
    return {
        kind: {**precision_recall_f1(there[kind], named[kind], right[kind]), "expected": there[kind]}
        for kind in sorted(there | named)
    }
