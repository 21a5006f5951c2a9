"""The precision of a training: bfloat16, about twice as fast, where the machine computes it natively."""

from __future__ import annotations

from typing import Literal

import torch

from seqloom.kernels.native import library
from seqloom.runs.config import RunConfig

NATIVE = ("avx512_bf16", "amx_bf16")
"""Processor capabilities by which torch's matrix products in bfloat16 outrun those in float32."""


def best_precision() -> Literal["float32", "bfloat16"]:
    """What `training.precision=auto` means on this machine."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if 0 <= library.cpu_limit() < library.CPU_TARGETS.index("avx512_bf16"):
        return "float32"
    capabilities = torch.cpu.get_capabilities()
    return "bfloat16" if any(capabilities.get(name) for name in NATIVE) else "float32"


def with_precision(config: RunConfig) -> RunConfig:
    """`config` with `auto` resolved, so that a resumed training computes as it began."""
    if config.training.precision != "auto":
        return config
    return config._replace(training=config.training.model_copy(update={"precision": best_precision()}))
