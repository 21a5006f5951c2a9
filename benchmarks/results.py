"""RESULTS.md: one section a benchmark, with machine, versions and command; and the numbers as JSON."""

from __future__ import annotations

import datetime
import json
import platform
import re
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).with_name("RESULTS.md")
NUMBERS = Path(__file__).with_name("results")
TITLE = """# Measured

Written by `make bench`: every figure that we state, in turn with its peer, as the median of pairs with
[least, most]. Machines are noisy: read the ratios, not the seconds. A floor is what a figure must reach.
Under each section stand the day, the machine and the command of its run.
"""


def write_section(
    title: str, script: Path, lines: list[str], versions: str = "", arguments: str = ""
) -> None:
    """Print a section, and put it into RESULTS.md in place of the one of the same title.

    Args:
        title: of the section.
        script: the file that measured.
        lines: Markdown.
        versions: of what was measured against, beside torch's.
        arguments: of the script's command.
    """
    where = f"{processor()}, {torch.get_num_threads()} threads, Python {platform.python_version()}"
    measured = f"{datetime.date.today()}, {where}, torch {torch.__version__}{versions and ', ' + versions}"
    section = "\n".join(
        [f"## {title}", "", *lines, "", f"{measured}: `python benchmarks/{script.name}{arguments}`", ""]
    )
    print(section, flush=True)
    old = RESULTS.read_text() if RESULTS.exists() else ""
    sections = [part for part in re.split(r"^(?=## )", old, flags=re.MULTILINE) if part.startswith("## ")]
    kept = [part.rstrip() + "\n" for part in sections if not part.startswith(f"## {title}\n")]
    RESULTS.write_text("\n".join([TITLE, *kept, section]))


def save(script: Path, numbers: dict[str, Any]) -> None:
    """Keep the numbers of a benchmark in results/, so that a chart is drawn again without a run."""
    NUMBERS.mkdir(exist_ok=True)
    (NUMBERS / f"{script.stem}.json").write_text(json.dumps(numbers, indent=1) + "\n")


def verdict(value: float, floor: float | None, *, at_most: bool = False) -> str:
    """Whether a floor is met, for a cell of a table; nothing where there is none.

    A value is judged as it is shown, with two places.
    """
    if floor is None:
        return ""
    reached = round(value, 2)
    return "met" if (reached <= floor if at_most else reached >= floor) else "**short**"


def processor() -> str:
    """The name that the kernel gives it, and the widest of its instruction sets that we use."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    found = re.search(r"model name\s*: (.*)", text)
    name = found.group(1).strip() if found else platform.processor()
    return f"{name}{instruction_set(text)}"


def instruction_set(text: str) -> str:
    """Of the content of `/proc/cpuinfo`: ` (avx512)`, ` (avx2)`, or nothing.

    >>> instruction_set("flags : fpu avx avx2 bmi2")
    ' (avx2)'
    """
    match = re.search(r"^flags\s*: (.*)", text, re.MULTILINE)
    flags = match.group(1).split() if match else []
    return next(
        (f" ({name})" for name, flag in (("avx512", "avx512f"), ("avx2", "avx2")) if flag in flags), ""
    )
