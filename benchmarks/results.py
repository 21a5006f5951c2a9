"""RESULTS.md: one section a benchmark, each with its machine, versions and command."""

from __future__ import annotations

import datetime
import platform
import re
from pathlib import Path

import torch

RESULTS = Path(__file__).with_name("RESULTS.md")
TITLE = "# Measured\n\nWritten by `make bench`. Machines are noisy: read the ratios, not the seconds.\n"


def write_section(title: str, script: Path, lines: list[str]) -> None:
    """Print a section, and put it into RESULTS.md in place of the one of the same title."""
    where = f"{processor()}, {torch.get_num_threads()} threads, Python {platform.python_version()}"
    measured = (
        f"{datetime.date.today()}, {where}, torch {torch.__version__}: `python benchmarks/{script.name}`"
    )
    section = "\n".join([f"## {title}", "", *lines, "", measured, ""])
    print(section)
    sections = re.split(r"^(?=## )", RESULTS.read_text() if RESULTS.exists() else TITLE, flags=re.MULTILINE)
    kept = [part.rstrip() + "\n" for part in sections if not part.startswith(f"## {title}\n")]
    RESULTS.write_text("\n".join([*kept, section]))


def processor() -> str:
    """The name that the kernel gives it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found.group(1).strip() if found else platform.processor()
