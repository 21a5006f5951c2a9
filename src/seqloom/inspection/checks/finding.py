"""What a check is, and what it finds: pass, fail or not applicable, with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from seqloom.inspection.checks.sampling.subject import Subject

Result: TypeAlias = Literal["pass", "fail", "not applicable"]

NO_NUMBERS: Mapping[str, Any] = MappingProxyType({})


class NotApplicableError(Exception):
    """A check cannot be made of this model or data; its message is the reason."""


def figure(difference: float) -> str:
    """A small difference for a person.

    >>> figure(0.0), figure(0.000123), figure(2.5)
    ('0', '1.2e-04', '2.5')
    """
    return f"{difference:.1e}" if 0 < difference < 0.01 else f"{difference:.2g}"


class Finding(NamedTuple):
    """What a check found."""

    passed: bool
    evidence: str
    """What was compared, with the numbers, without a full stop"""
    numbers: Mapping[str, Any] = NO_NUMBERS
    """The same as JSON values"""


class Check(NamedTuple):
    """A question about a model, and how it is answered."""

    name: str
    claim: str
    """What is true where it passes"""
    advice: str
    """What to look at first where it fails"""
    run: Callable[[Subject], Finding]
    """Raises `NotApplicableError` with the reason where there is no answer"""


class CheckResult(NamedTuple):
    """The answer to one check."""

    name: str
    claim: str
    result: Result
    evidence: str
    """Numbers, or the reason why it is not applicable"""
    advice: str = ""
    """Where it fails"""
    numbers: Mapping[str, Any] = NO_NUMBERS


class CheckReport(NamedTuple):
    """All checks of a run on its data."""

    run: str
    task: str
    data: str
    split: str
    checks: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the checks that failed."""
        return tuple(check.name for check in self.checks if check.result == "fail")

    def __getitem__(self, name: Any) -> Any:
        """The check of that name."""
        if not isinstance(name, str):
            return tuple(self)[name]
        return next(check for check in self.checks if check.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: `run`, `task`, `data`, `split`, `passed`, and `checks`, each with its `name`,
        `claim`, `result`, `evidence`, `advice` and `numbers`."""
        checks = [{**check._asdict(), "numbers": dict(check.numbers)} for check in self.checks]
        return {
            "run": self.run,
            "task": self.task,
            "data": self.data,
            "split": self.split,
            "passed": self.passed,
            "checks": checks,
        }
