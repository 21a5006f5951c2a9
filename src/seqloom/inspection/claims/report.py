"""Claims as text and as JSON."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import seqloom
from seqloom.inspection.claims.claim import Verdict
from seqloom.inspection.claims.running import Outcome


def summary(outcomes: Sequence[Outcome]) -> str:
    """The counts, in a sentence."""
    total = sum(outcome.seconds for outcome in outcomes)
    parts = [f"{count} {verdict}" for verdict, count in counts(outcomes).items() if count]
    claims = f"{len(outcomes)} claims" if len(outcomes) > 1 else "1 claim"
    return f"{claims}: {', '.join(parts)}; {total:.0f} s of processor time."


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many have each verdict."""
    return {str(verdict): sum(outcome.verdict == verdict for outcome in outcomes) for verdict in Verdict}


def outcome_lines(outcome: Outcome) -> list[str]:
    """A claim for a terminal."""
    claim, finding = outcome.claim, outcome.finding
    lines = [f"{claim.number:>2}  {str(outcome.verdict).upper()}  {claim.sentence}"]
    if finding.ran:
        lines.append(f"    ran: {finding.ran} ({outcome.seconds:.1f} s)")
    for check in finding.checks:
        wider = "in a wider sense, " if check.wider else ""
        lines.append(f"    {'+' if check.passed else '-'} {wider}{check.describe()}")
    if finding.note:
        lines.append(f"    {finding.note}")
    return lines


def claims_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Plain JSON values: what two machines are compared by."""
    return {
        "machine": machine(),
        "counts": counts(outcomes),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
        "claims": [outcome.as_json() for outcome in outcomes],
    }


def machine() -> dict[str, str]:
    """Processor and versions."""
    info = Path("/proc/cpuinfo")
    text = info.read_text(encoding="utf-8") if info.exists() else ""
    model = re.search(r"model name\s*: (.*)", text)
    return {
        "processor": model.group(1).strip() if model else platform.processor() or platform.machine(),
        "threads": str(torch.get_num_threads()),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "seqloom": seqloom.__version__,
    }
