"""Messages about the rows that cannot be used: the first ones, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, final, overload

MAX_MESSAGES = 1000
"""Messages that are stored; the others are only counted, so that a million bad rows take no memory."""


@final
class SkippedRows(Sequence[str]):
    """One message for each row that was skipped. It is as long as there are rows, and holds the first 1,000.

    Args:
        messages: the first ones.
        count: how many there are; None: these.

    >>> skipped = SkippedRows(f"line {number}" for number in range(5_000))
    >>> len(skipped), skipped[0], len(list(skipped))
    (5000, 'line 0', 1000)
    """

    def __init__(self, messages: Iterable[str] = (), count: int | None = None) -> None:
        self._messages: list[str] = []
        self._count = 0
        for message in messages:
            self.append(message)
        self._count = self._count if count is None else count

    def append(self, message: str) -> None:
        """Count a row, and store its message if it is one of the first."""
        self._count += 1
        if len(self._messages) < MAX_MESSAGES:
            self._messages.append(message)

    @staticmethod
    def join(parts: Iterable[SkippedRows]) -> SkippedRows:
        """The messages of all parts, in order."""
        parts = list(parts)
        return SkippedRows(
            (message for part in parts for message in part._messages), sum(part._count for part in parts)
        )

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._messages[index]

    def __eq__(self, other: object) -> Any:
        if isinstance(other, Sequence) and not isinstance(other, str):
            return len(self) == len(other) and list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"SkippedRows({self._messages!r}, {self._count})"

    def describe(self) -> str | None:
        """For example `2 bad rows, the first: …`; None where there are none."""
        if not self._count:
            return None
        first = self._messages[0].removesuffix(".")
        return f"1 bad row: {first}" if self._count == 1 else f"{self._count:,} bad rows, the first: {first}"


def count_skipped(messages: Sequence[str]) -> str:
    """How many rows were skipped, in words.

    >>> count_skipped(["line 3"]), count_skipped(SkippedRows(["line 3"], 2_000))
    ('1 row skipped', '2,000 rows skipped')
    """
    return f"{len(messages):,} row{'s' * (len(messages) != 1)} skipped"
