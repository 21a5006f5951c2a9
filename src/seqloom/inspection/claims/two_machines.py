"""Claims of two machines side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from seqloom.inspection.claims.claim import number


class Row(NamedTuple):
    """A claim on two machines."""

    number: int
    sentence: str
    verdicts: tuple[str, str]
    figures: tuple[str, str]

    @property
    def differs(self) -> bool:
        """Whether the verdicts do."""
        return self.verdicts[0] != self.verdicts[1]


def compare_machines(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    """The claims of both, those that differ in their verdict first.

    Args:
        a, b: as `read_claims` gives them.
    """
    theirs = {claim["number"]: claim for claim in b["claims"]}
    rows = []
    for claim in a["claims"]:
        other = theirs.get(claim["number"])
        if other is not None:
            figures = (_figure(claim["checks"]), _figure(other["checks"]))
            verdicts = (claim["verdict"], other["verdict"])
            rows.append(Row(claim["number"], claim["sentence"], verdicts, figures))
    return sorted(rows, key=lambda row: (not row.differs, row.number))


def comparison_lines(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The comparison as text."""
    rows = compare_machines(a, b)
    differing = sum(row.differs for row in rows)
    head = [
        f"A: {describe(a['machine'])}",
        f"B: {describe(b['machine'])}",
        f"{len(rows)} claims of both; {differing} with another verdict.",
    ]
    return head + [
        f"{row.number:>2}  {'≠' if row.differs else '='}  A {row.verdicts[0]} ({row.figures[0]}), "
        f"B {row.verdicts[1]} ({row.figures[1]})  {row.sentence}"
        for row in rows
    ]


def describe(machine: Mapping[str, str]) -> str:
    """A machine in a line."""
    return (
        f"{machine['processor']}, {machine.get('threads', '?')} threads, torch {machine.get('torch', '?')}, "
        f"seqloom {machine.get('seqloom', '?')}"
    )


def _figure(checks: Sequence[Mapping[str, Any]]) -> str:
    failed = [check for check in checks if not check["passed"]]
    check = next(iter([*failed, *checks]), None)
    if check is None:
        return "-"
    value = check["value"]
    return f"{number(value) if isinstance(value, int | float) else value} {check['unit']}".strip()
