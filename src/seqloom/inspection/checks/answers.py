"""Answers differ: captions of different pictures, texts of different recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from seqloom.errors import DataError
from seqloom.inspection.checks.finding import Finding, NotApplicableError
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.tasks.captioning import Captioning

MOST_INPUTS, FEWEST_INPUTS = 64, 8
ALLOWED_SHARE = 0.5
"""Of the inputs, that may have one and the same answer where it is not the expected one"""


def check_answers(subject: Subject) -> Finding:
    """The answers to different inputs of the split."""
    task: object = subject.task
    shape = subject.task.shape_of(subject.preparation)
    if not isinstance(task, Captioning) and shape != "many-to-many":
        raise NotApplicableError("its answers are no texts about an input")
    rows = _different_rows(subject)
    inputs = [row[subject.preparation.column] for row in rows]
    if len(inputs) < FEWEST_INPUTS:
        raise NotApplicableError(f"it takes {FEWEST_INPUTS} different inputs; the split has {len(inputs)}")
    answers = [output.text for output in subject.predictor.predict(inputs, strict=False)]
    counts = Counter(answers)
    text, count = counts.most_common(1)[0]
    right = sum(answer == text and _expects(row, text) for answer, row in zip(answers, rows, strict=True))
    share = (count - right) / len(answers)
    numbers = {
        "inputs": len(answers),
        "distinct": len(counts),
        "most_frequent": text,
        "count": count,
        "right": right,
        "share": share,
    }
    evidence = (
        f"{len(counts)} distinct answers to {len(answers)} inputs, the most frequent to {count}: "
        f"{text[:60]!r}; {right} of them expect it, {share:.0%} of all do not (allowed {ALLOWED_SHARE:.0%})"
    )
    return Finding(share <= ALLOWED_SHARE, evidence, numbers)


def _expects(row: Mapping[str, Any], text: str) -> bool:
    """Whether a column of a row has this text, in capitals or not; labels of steps are joined by blanks."""
    texts = (" ".join(map(str, value)) if isinstance(value, list) else str(value) for value in row.values())
    return text.casefold().split() in [value.casefold().split() for value in texts]


def _different_rows(subject: Subject) -> list[Mapping[str, Any]]:
    examples = getattr(subject.data, "examples", None)
    if examples is None:
        raise NotApplicableError("its data has no inputs that are rows")
    column, rows = subject.preparation.column, {}
    for example in examples(subject.split):
        value = example.fields.get(column)
        if repr(value) in rows:
            continue
        try:
            subject.preparation.encode(value)
        except DataError:
            continue
        rows[repr(value)] = example.fields
        if len(rows) == MOST_INPUTS:
            break
    return list(rows.values())
