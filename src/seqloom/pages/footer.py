"""What a page says at its end: how it was made, by what, on which machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("seqloom", "torch", "numpy")


class Footer(NamedTuple):
    """The end of a page.

    Fields:
        command: what makes the page again.
        processor: where its numbers were measured.
        versions: of packages, by name.
        date: when, as ISO 8601.
        remarks: further lines.
    """

    command: str = ""
    processor: str = ""
    versions: Mapping[str, str] = {}
    date: str = ""
    remarks: Sequence[str] = ()


def footer_here(command: str, remarks: Sequence[str] = ()) -> Footer:
    """The end of a page that is made now, on this machine.

    Args:
        command: what makes the page again.
        remarks: further lines.
    """
    versions = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Footer(command, describe_processor(), versions, date, remarks)


def describe_processor() -> str:
    """The processor's name and how many of its cores this process may use."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{name}, {cores} {'core' if cores == 1 else 'cores'}"
