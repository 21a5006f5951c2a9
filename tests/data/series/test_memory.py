"""Large tables of series are read and arranged in the memory of a chunk, in any order of their rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERIES, STEPS, MORE_STEPS = 20_000, 60, 240
MEGABYTE = 1 << 20
PROGRAM = """
import ctypes, re, sys
from pathlib import Path
from seqloom.data.read import read
from seqloom.data.series.arranging import arrange_series
from seqloom.data.series.options import SeriesConfig
table = read(sys.argv[1])
ctypes.CDLL(None).malloc_trim(0)  # what the allocator keeps says nothing of what is held
data = arrange_series(table, SeriesConfig(horizon=5))
assert len(data) == 20_000, len(data)
assert data.series(7).y.tolist() == [7 + step for step in range(int(sys.argv[2]))]
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(1024 * int(peak[1]))
"""
"""Its own peak: `ru_maxrss` would be that of the process which started it, where that is larger."""


def peak_bytes(folder: Path, steps: int, by_time: bool) -> int:
    path = folder / "sales.csv"
    with path.open("w") as file:
        file.write("unique_id,ds,y\n")
        if by_time:
            for step in range(steps):
                file.writelines(f"{name},{step},{name + step}\n" for name in range(SERIES))
        else:
            for name in range(SERIES):
                file.writelines(f"{name},{step},{name + step}\n" for step in range(steps))
    environment = {**os.environ, "SEQLOOM_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, str(path), str(steps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("by_time", [False, True])
def test_memory_hardly_grows_with_the_rows(tmp_path: Path, by_time: bool) -> None:
    before, after = (peak_bytes(tmp_path, steps, by_time) for steps in (STEPS, MORE_STEPS))
    # 3.6 million more rows would be 86 MB in memory, and twice that while they are sorted.
    assert after - before < 32 * MEGABYTE, (before, after)
