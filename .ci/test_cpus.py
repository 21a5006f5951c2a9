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
    "tests/cells/test_fused.py",
    "tests/decoding/test_native.py",
    "tests/kernels",
    "tests/layers/recurrent",
    "tests/layers/test_convert.py",
    "tests/models",
    "tests/tasks/generate",
    "tests/training/test_precision.py",
    "tests/training/test_resume.py::test_a_crash_at_any_step_changes_nothing",
    "tests/training/test_trainer.py::test_the_loss_falls",
    "tests/training/test_trainer.py::test_bfloat16_learns_as_float32_does",
    "tests/training/test_trainer.py::test_a_training_depends_on_its_seed_alone",
    "src/seqloom/kernels",
    "src/seqloom/layers/recurrent",
)
"""What computes with kernels of csrc/, or with what takes their place, in float32 and bfloat16"""
THE_SAME_EVERYWHERE = (
    # They compile csrc/ or start processes for every instruction set themselves.
    *("tests/kernels/test_assembly.py", "tests/kernels/test_build.py", "tests/kernels/test_fuzz.py"),
    "tests/kernels/native/test_cpu_variable.py",
    # Equations in float64, which no kernel of csrc/ computes.
    "tests/kernels/test_reference.py",
    "tests/layers/recurrent/test_torch.py::test_outputs_states_and_gradients",
    "tests/layers/recurrent/test_torch.py::test_first_and_second_derivatives",
    # Memory and torch's compiler: neither knows which instructions a kernel has.
    *("tests/kernels/native/test_buffer_pool.py", "tests/layers/recurrent/test_native_torch.py"),
)

failed = []
for machine, variables in MACHINES.items():
    if machine == "AVX2" and CPU_TARGETS[cpu_target()] in ("portable", "avx2"):
        print("== AVX2: this processor has no more, so the tests have run that way already", flush=True)
        continue
    settings = " ".join(f"{name}={value}" for name, value in variables.items())
    print(f"== {machine}: {settings}", flush=True)
    ignored = [f"--{'deselect' if '::' in path else 'ignore'}={path}" for path in THE_SAME_EVERYWHERE]
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
