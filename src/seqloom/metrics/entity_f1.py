"""Entities from tags and their F1, as conlleval counts them (the script of CoNLL-2000), and seqeval.

`B-x` begins an entity of type x, `I-x` continues one, `E-x` continues and ends one, `S-x` is one of a single
token, `O` is outside. An `I-x` or `E-x` that has nothing to continue begins an entity too, so that IOB1 tags,
with `B-` between adjacent entities only, mean the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

OUTSIDE = "O"


class Span(NamedTuple):
    """An entity: tokens from `start` to before `stop`."""

    type: str
    start: int
    stop: int


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of a sentence, in order.

    Args:
        tags: the tag of each token.

    >>> spans(["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-PER"])  # doctest: +NORMALIZE_WHITESPACE
    [Span(type='PER', start=0, stop=2), Span(type='LOC', start=3, stop=4), Span(type='LOC', start=4, stop=5),
     Span(type='PER', start=5, stop=6)]
    """
    entities: list[Span] = []
    before = OUTSIDE
    for place, tag in enumerate(tags):
        if tag != OUTSIDE and tag[0] in "IE" and before[0] in "BI" and before[2:] == tag[2:]:
            entities[-1] = entities[-1]._replace(stop=place + 1)
        elif tag != OUTSIDE:
            entities.append(Span(tag[2:], place, place + 1))
        before = tag
    return entities


class Counts(NamedTuple):
    """Counts of entities, which add up over sentences."""

    expected: int
    predicted: int
    correct: int
    """Predicted entities whose type, start and stop are those of an expected one"""


def count(expected: Sequence[str], predicted: Sequence[str]) -> Counts:
    """The counts of one sentence, from its tags.

    >>> count(["B-PER", "I-PER", "O"], ["B-PER", "O", "B-LOC"])
    Counts(expected=1, predicted=2, correct=0)
    """
    actual, guessed = spans(expected), spans(predicted)
    return Counts(len(actual), len(guessed), len(set(actual) & set(guessed)))


def precision_recall_f1(expected: float, predicted: float, correct: float) -> dict[str, float]:
    """Precision, recall and F1 from sums of counts; 0 instead of a division by 0, as in conlleval.

    >>> precision_recall_f1(expected=4, predicted=2, correct=1)
    {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333}
    """
    return {
        "precision": float(correct / predicted) if predicted else 0.0,
        "recall": float(correct / expected) if expected else 0.0,
        "f1": float(2 * correct / (expected + predicted)) if expected + predicted else 0.0,
    }


def by_type(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Mapping[str, dict[str, float]]:
    """Precision, recall, F1 and number of entities of each type, from pairs of expected and predicted tags.

    >>> by_type([(["B-PER", "O"], ["B-PER", "B-LOC"])])
    {'LOC': {'precision': 0.0, 'recall': 0.0, 'f1': 0.0, 'expected': 0},
     'PER': {'precision': 1.0, 'recall': 1.0, 'f1': 1.0, 'expected': 1}}
    """
    expected, predicted, correct = Counter[str](), Counter[str](), Counter[str]()
    for expected_tags, predicted_tags in pairs:
        actual, guessed = spans(expected_tags), spans(predicted_tags)
        expected.update(span.type for span in actual)
        predicted.update(span.type for span in guessed)
        correct.update(span.type for span in set(actual) & set(guessed))
    return {
        kind: {
            **precision_recall_f1(expected[kind], predicted[kind], correct[kind]),
            "expected": expected[kind],
        }
        for kind in sorted(expected | predicted)
    }
