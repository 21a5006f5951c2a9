"""Answers differ: captions of different pictures, texts of different recordings."""

from __future__ import annotations

from collections import Counter
from typing import Any

from seqloom.errors import DataError
from seqloom.inspection.checks.finding import Finding, NotApplicableError
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.tasks.captioning import Captioning

MOST_INPUTS, FEWEST_INPUTS = 64, 8
ALLOWED_SHARE = 0.5
"""Of the inputs, that may have one and the same answer"""


def check_answers(subject: Subject) -> Finding:
    """The answers to different inputs of the split."""
    task: object = subject.task
    shape = subject.task.shape_of(subject.preparation)
    if not isinstance(task, Captioning) and shape != "many-to-many":
        raise NotApplicableError("its answers are no texts about an input")
    inputs = _different_inputs(subject)
    if len(inputs) < FEWEST_INPUTS:
        raise NotApplicableError(f"it takes {FEWEST_INPUTS} different inputs; the split has {len(inputs)}")
    answers = [output.text for output in subject.predictor.predict(inputs, strict=False)]
    counts = Counter(answers)
    text, count = counts.most_common(1)[0]
    share = count / len(answers)
    numbers = {"inputs": len(answers), "distinct": len(counts), "most_frequent": text, "share": share}
    evidence = (
        f"{len(counts)} distinct answers to {len(answers)} inputs, the most frequent to {count} "
        f"({share:.0%}): {text[:60]!r}; allowed {ALLOWED_SHARE:.0%}"
    )
    return Finding(share <= ALLOWED_SHARE, evidence, numbers)


def _different_inputs(subject: Subject) -> list[Any]:
    examples = getattr(subject.data, "examples", None)
    if examples is None:
        raise NotApplicableError("its data has no inputs that are rows")
    column, inputs = subject.preparation.column, {}
    for example in examples(subject.split):
        value = example.fields.get(column)
        if repr(value) in inputs:
            continue
        try:
            subject.preparation.encode(value)
        except DataError:
            continue
        inputs[repr(value)] = value
        if len(inputs) == MOST_INPUTS:
            break
    return list(inputs.values())
