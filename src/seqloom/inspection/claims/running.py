"""Run claims: each is measured, judged, and never asserted without a run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from seqloom.errors import ConfigError, SeqloomError, one_line
from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Check, Claim, Finding, Verdict, check_json, judge
from seqloom.inspection.claims.table import CLAIMS
from seqloom.progress import phase


class Outcome(NamedTuple):
    """A claim with what came of it."""

    claim: Claim
    verdict: Verdict
    finding: Finding
    seconds: float
    """Processor time, of trainings that several claims share in the first of them"""

    @property
    def figure(self) -> Check | None:
        """The figure that decides: the first that failed, else the first."""
        failed = [check for check in self.finding.checks if not check.passed]
        return next(iter([*failed, *self.finding.checks]), None)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        picture = self.finding.picture
        return {
            "number": self.claim.number,
            "sentence": self.claim.sentence,
            "verdict": str(self.verdict),
            "half_true": self.claim.half_true,
            "ran": self.finding.ran,
            "checks": [check_json(check) for check in self.finding.checks],
            "note": self.finding.note,
            "seconds": round(self.seconds, 2),
            "command": f"seqloom claims {self.claim.number}",
            "picture": None if picture is None else picture._asdict(),
        }


def select_claims(numbers: Sequence[int] = ()) -> list[Claim]:
    """The claims of these numbers, or all, the half-true ones first.

    Raises:
        ConfigError: there is no such number.
    """
    for number in numbers:
        if number not in CLAIMS:
            raise ConfigError("claims", f"a number must be 1 to {len(CLAIMS)}", got=number)
    chosen = [CLAIMS[number] for number in (numbers or CLAIMS)]
    return sorted(chosen, key=lambda claim: (not claim.half_true, claim.number))


def run_claims(
    numbers: Sequence[int] = (),
    *,
    log: Callable[[str], object] = str,
    told: Callable[[Outcome], object] = lambda outcome: outcome,
) -> list[Outcome]:
    """Measure claims on this machine.

    Args:
        numbers: the chapter's; none: all 34.
        log: called with a line a training.
        told: called with each outcome as soon as it is known.

    Returns:
        The outcomes, those of half-true claims first.

    Raises:
        ConfigError: there is no claim of a number.

    >>> [outcome] = run_claims([24])
    >>> outcome.claim.sentence, str(outcome.verdict)
    ('A GRU has no separate cell state: the hidden state is all that it carries.', 'holds')
    """
    claims = select_claims(numbers)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="seqloom-claims-") as folder:
        bench = Bench(Path(folder), log)
        with phase("measuring claims", total=len(claims)) as measuring:
            for claim in measuring.count(claims):
                outcomes.append(_measure(claim, bench))
                told(outcomes[-1])
    return outcomes


def _measure(claim: Claim, bench: Bench) -> Outcome:
    started = time.process_time()
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.manual_seed(0)
        try:
            finding = claim.measure(bench)
        except SeqloomError as error:  # an extra that is not installed
            finding = Finding(ran="", checks=(), note=str(error))
            return Outcome(claim, Verdict.NOT_RUN, finding, time.process_time() - started)
        except Exception as error:  # a fault of ours or of this machine: the other claims can be measured
            note = one_line(f"{type(error).__name__}: {error}")
            finding = Finding(ran="", checks=(), note=note, is_broken=True)
            return Outcome(claim, Verdict.NOT_RUN, finding, time.process_time() - started)
    return Outcome(claim, judge(claim, finding), finding, time.process_time() - started)
