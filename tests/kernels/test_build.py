"""What CMakeLists.txt compiles: every instruction set, or those of this processor."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seqloom.kernels.native.library import CPU_TARGETS, Library, load

from .conftest import ROOT


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cmake") is None, reason="no CMake here")
def test_a_build_for_this_machine_leaves_out_what_it_lacks_and_the_next_has_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(load(), Library):
        pytest.skip("without the compiled library this processor's instruction sets are not known")
    best = max(level for level in range(len(CPU_TARGETS)) if _supports(level))

    def variants(this_machine: str) -> list[str]:
        environment = {**os.environ, "SEQLOOM_THIS_MACHINE": this_machine}
        command = ["cmake", "-S", str(ROOT), "-B", str(tmp_path)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        listed = subprocess.run(
            ["cmake", "--build", str(tmp_path), "--target", "help"],
            check=True,
            capture_output=True,
            text=True,
        )
        return sorted(set(re.findall(r"kernels_(\w+)", listed.stdout)))

    assert variants("1") == sorted(CPU_TARGETS[: best + 1])
    assert variants("") == sorted(CPU_TARGETS)


def _supports(level: int) -> bool:
    from seqloom.kernels.native import decoder

    library = decoder._library()
    before = library.seqloom_level()
    supports = bool(library.seqloom_use_level(level))
    library.seqloom_use_level(before)
    return supports
