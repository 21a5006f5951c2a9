"""Run the tests that depend on the processor again, as on lesser ones: `make test-cpus` calls this.

Torch's own kernels follow ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA, seqloom's SEQLOOM_CPU.
"""

import os
import subprocess
import sys

from seqloom.kernels.native.library import CPU_TARGETS, CPU_VARIABLE, cpu_target

MACHINES = {
    "AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", CPU_VARIABLE: "avx2"},
    "portable": {"ATEN_CPU_CAPABILITY": "default", CPU_VARIABLE: "portable"},
    "without the compiled library": {CPU_VARIABLE: "none"},
}
TESTS = (
    *("tests/cells", "tests/contracts/test_recurrences.py", "tests/decoding/test_native.py", "tests/kernels"),
    *("tests/layers/recurrent", "tests/layers/test_convert.py", "tests/models", "tests/tasks/generate"),
    *("tests/training", "src/seqloom/kernels", "src/seqloom/layers/recurrent", "src/seqloom/training"),
)
COMPILED_HERE = ("tests/kernels/test_assembly.py", "tests/kernels/test_fuzz.py")
"""They compile csrc/ themselves, for every instruction set."""

failed = []
for machine, variables in MACHINES.items():
    if machine == "AVX2" and CPU_TARGETS[cpu_target()] in ("portable", "avx2"):
        print("== AVX2: this processor has no more, so the tests have run that way already", flush=True)
        continue
    settings = " ".join(f"{name}={value}" for name, value in variables.items())
    print(f"== {machine}: {settings}", flush=True)
    ignored = [f"--ignore={path}" for path in COMPILED_HERE]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rfE",
        "-m",
        "not slow",
        *sys.argv[1:],
        *ignored,
        *TESTS,
    ]
    if subprocess.run(command, env={**os.environ, **variables}, check=False).returncode:
        failed.append(f"{machine} ({settings})")
if failed:
    sys.exit(f"tests fail on these machines: {', '.join(failed)}")
