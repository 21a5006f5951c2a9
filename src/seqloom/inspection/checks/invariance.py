"""No row depends on how much padding it has, on who shares its batch, or on how many do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from seqloom.inspection.checks.finding import Finding, NotApplicableError, figure
from seqloom.inspection.checks.sampling.batches import named_tensors
from seqloom.inspection.checks.sampling.subject import REPEATS, Evaluate, Sample, Subject
from seqloom.tasks.base import Loss

ALLOWED = 1e-4
"""Of a row's nats: float32 has seven digits, of which a hundred steps take one or two. A fault of these kinds
changes the second or third."""
COPIES = (2, 7)


class Gap(NamedTuple):
    """The largest difference between rows that must be equal."""

    nats: float = 0.0
    """Of a row, divided by its units plus its nats"""
    outputs: int = 0
    """Rows whose decoded answers differ"""

    def join(self, other: Gap) -> Gap:
        """The larger of both."""
        return Gap(max(self.nats, other.nats), self.outputs + other.outputs)

    @property
    def is_small(self) -> bool:
        """Whether it may be rounding."""
        return self.nats <= ALLOWED and not self.outputs


def measure_gap(expected: Loss, actual: Loss, rows: int | None = None) -> Gap:
    """How far rows of two batches are apart: the first `rows`, or all of them."""
    before, after = (loss.nats[:rows].double() for loss in (expected, actual))
    size = expected.units[:rows].double().clamp(min=1) + before.abs()
    equal = (before == after) | (before.isnan() & after.isnan())
    gaps = torch.where(equal, 0.0, (before - after).abs() / size).nan_to_num(nan=torch.inf)
    pairs = zip(expected.outputs[:rows], actual.outputs[:rows], strict=False)
    outputs = sum(first != second for first, second in pairs)
    return Gap(float(gaps.max()) if len(gaps) else 0.0, outputs)


def judge(subject: Subject, compare: Callable[[Evaluate], Gap], what: str) -> Finding:
    """Compare in float32; what differs there must differ in float64 too, or it is rounding."""
    if subject.is_random:
        reason = "the same batch does not give the same twice (see repeats)"
        raise NotApplicableError(reason)
    gap, note = compare(subject.evaluate), ""
    if not gap.is_small and subject.exact is not None:
        exact = compare(subject.exact)
        if exact.is_small:
            note = f", and {figure(exact.nats)} in float64: it is rounding"
            gap = exact
    numbers = {"largest_difference": gap.nats, "allowed": ALLOWED, "other_answers": gap.outputs}
    others = f", {gap.outputs} other answers" if gap.outputs else ""
    evidence = f"{what}: {figure(gap.nats)} of a row's nats at most{others}; allowed {ALLOWED:g}{note}"
    return Finding(gap.is_small, evidence, numbers)


def check_repeats(subject: Subject) -> Finding:
    """The same batch gives the same twice."""
    first, second = (subject.evaluate(subject.sample.batch) for _ in range(2))
    gap = measure_gap(first, second)
    training = [name or "the model" for name, module in subject.model.named_modules() if module.training]
    is_same = gap.nats <= REPEATS and not gap.outputs and not training
    evidence = (
        f"{subject.sample.size} rows twice: {figure(gap.nats)} of a row's nats at most; allowed {REPEATS:g}"
    )
    if training:
        evidence += f"; in training mode: {', '.join(training[:3])}"
    return Finding(is_same, evidence, {"largest_difference": gap.nats, "in_training_mode": training})


def check_padding(subject: Subject) -> Finding:
    """A row alone gives what it gives with the padding of the longest one."""
    sample = subject.sample
    if sample.carries_state:
        raise NotApplicableError("it reads windows of equal length, which have no padding")
    if sample.alone is None:
        raise NotApplicableError("rows of its batches cannot be had one by one")
    padded = [sample.take([row]) for row in range(sample.size)]
    rows = [row for row in range(sample.size) if _steps(padded[row]) != _steps(sample.alone[row])]
    if not rows:
        raise NotApplicableError("all rows have one length, so that none is padded")
    alone = sample.alone

    def compare(evaluate: Evaluate) -> Gap:
        gap = Gap()
        for row in rows:
            gap = gap.join(measure_gap(evaluate(alone[row]), evaluate(padded[row])))
        return gap

    return judge(subject, compare, f"{len(rows)} rows with and without padding")


def _steps(batch: Any) -> list[torch.Size]:
    return [tensor.shape for _, tensor in named_tensors(batch)]


def check_batch_mates(subject: Subject) -> Finding:
    """A row gives the same whichever rows share its batch."""
    sample = subject.sample
    third = sample.size // 3
    if not third:
        raise NotApplicableError(f"it takes three rows; the split has {sample.size}")
    first, second, last = (list(range(start, start + third)) for start in (0, third, 2 * third))
    pairs = [sample.take(rows) for rows in (first + second, first + last, last + second)]

    def compare(evaluate: Evaluate) -> Gap:
        losses = [evaluate(pair) for pair in pairs]
        before, after = (_from(loss, third) for loss in (losses[0], losses[2]))
        return measure_gap(losses[0], losses[1], third).join(measure_gap(before, after))

    return judge(subject, compare, f"{2 * third} rows, each with other rows beside it")


def _from(loss: Loss, first: int) -> Loss:
    return loss._replace(nats=loss.nats[first:], units=loss.units[first:], outputs=loss.outputs[first:])


def check_batch_size(subject: Subject) -> Finding:
    """A row gives the same however many rows share its batch: copies of itself, which change nothing else."""
    sample = subject.sample
    rows = sorted({0, sample.size // 2, sample.size - 1})

    def compare(evaluate: Evaluate) -> Gap:
        gap = Gap()
        for row in rows:
            alone = evaluate(sample.take([row]))
            for copies in COPIES:
                together = evaluate(sample.take([row] * copies))
                gap = gap.join(measure_gap(_repeat(alone, copies), together))
        return gap.join(_units_gap(evaluate, sample))

    return judge(subject, compare, f"{len(rows)} rows alone and {' and '.join(map(str, COPIES))} times")


def _repeat(loss: Loss, copies: int) -> Loss:
    return Loss(loss.nats.repeat(copies), loss.units.repeat(copies), outputs=list(loss.outputs) * copies)


def _units_gap(evaluate: Evaluate, sample: Sample) -> Gap:
    """Rows count as many units alone as together; else averages depend on the batch."""
    if sample.alone is None:
        return Gap()
    together = evaluate(sample.batch).units.sum()
    alone = sum(evaluate(batch).units.sum() for batch in sample.alone)
    return Gap(0.0 if together == alone else torch.inf)
