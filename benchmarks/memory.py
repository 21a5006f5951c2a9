"""Peak memory of a training step against torch.nn's: each in a process of its own.

What counts is the resident memory at its highest during three steps less what was resident before them, when
weights, input and gradient were there already and a tiny step had loaded all code.

    python benchmarks/memory.py
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from cases import Case, Shape
from results import save, verdict, write_section

FLOOR = 1.0
SHAPES = [Shape(64, 100, 256), Shape(64, 100, 512), Shape(32, 100, 1024), Shape(1, 256, 256)]
SHAPES.append(Shape(64, 100, 256, ragged=True))


def resident(which: str) -> float:
    """MiB of this process: "VmRSS" now, "VmHWM" at the highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{which}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {which}")


def child(cell: str, shape: Shape, mode: str, side: str) -> float:
    """MiB more than before, in this process."""
    step = "ours_once" if side == "native" else "theirs_once"
    kernel = side if side == "native" else "torch"
    getattr(Case(cell, Shape(2, 2, 8), kernel), step)(mode)()
    run = getattr(Case(cell, shape, kernel), step)(mode)
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
    before = resident("VmRSS")
    for _ in range(3):
        run()
    return resident("VmHWM") - before


def measure(cell: str, shape: Shape, mode: str, side: str) -> float:
    """MiB, in a process of its own with as many threads as this one."""
    asked = json.dumps([cell, shape, mode, side, torch.get_num_threads()])
    done = subprocess.run([sys.executable, __file__, asked], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    """Measure every case and write the table."""
    if len(sys.argv) > 1:
        cell, shape, mode, side, threads = json.loads(sys.argv[1])
        torch.set_num_threads(threads)
        print(child(cell, Shape(*shape), mode, side))
        return
    if not Path("/proc/self/clear_refs").exists():
        print("Peak memory: this system has no /proc/self/clear_refs, so it is not measured.")
        return
    lines = ["| layer | ours, MiB | torch.nn, MiB | ratio | at most | |", "|---|---|---|---|---|---|"]
    rows = []
    for shape in SHAPES:
        for cell in ("RNN", "GRU", "LSTM"):
            theirs = measure(cell, shape, "training", "torch")
            for mode in ("training", "bf16 training"):
                ours = measure(cell, shape, mode, "native")
                ratio = ours / theirs
                name = f"{cell} {shape}, {'bfloat16' if mode.startswith('bf16') else 'float32'}"
                met = verdict(ratio, FLOOR, at_most=True)
                lines.append(f"| {name} | {ours:.0f} | {theirs:.0f} | {ratio:.2f} | {FLOOR} | {met} |")
                rows.append({"name": name, "ours_mib": ours, "torch_mib": theirs, "ratio": ratio})
                print(lines[-1], flush=True)
    lines += ["", "Resident memory beyond weights, input and gradient; torch.nn in float32 in every line."]
    write_section("Peak memory in training against torch.nn", Path(__file__), lines)
    save(Path(__file__), {"rows": rows})


if __name__ == "__main__":
    main()
