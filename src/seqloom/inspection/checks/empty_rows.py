"""A row of length zero: it gives no NaN, and changes no other row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from seqloom.inspection.checks.finding import Finding, NotApplicableError
from seqloom.inspection.checks.invariance import Gap, judge, measure_gap
from seqloom.inspection.checks.sampling.batches import is_lengths, map_tensors, named_tensors
from seqloom.inspection.checks.sampling.subject import Evaluate, Subject


def check_empty_rows(subject: Subject) -> Finding:
    """The sample with the length of its last row set to zero."""
    sample = subject.sample
    name = next((name for name, tensor in named_tensors(sample.batch) if is_lengths(name, tensor)), None)
    if name is None:
        raise NotApplicableError("its batches have no lengths, so that no row can be empty")
    rows = sample.size - 1
    if not rows:
        raise NotApplicableError("it takes two rows; the split has 1")
    emptied = _empty_last(sample.batch, name)
    seen = []

    def compare(evaluate: Evaluate) -> Gap:
        loss = evaluate(emptied)
        seen[:] = [float(loss.nats[-1])]
        return measure_gap(evaluate(sample.batch), loss, rows)

    finding = judge(subject, compare, f"{rows} rows beside one without steps")
    value = seen[0]
    evidence = f"{finding.evidence}; the empty row costs {value:.4g} nats"
    return Finding(finding.passed and value == value, evidence, {**finding.numbers, "empty_row_nats": value})


def _empty_last(batch: Any, lengths: str) -> Any:
    def change(name: str, tensor: Tensor) -> Tensor:
        if name != lengths or not is_lengths(name, tensor):
            return tensor
        return torch.cat([tensor[:-1], torch.zeros_like(tensor[-1:])])

    return map_tensors(batch, change)
