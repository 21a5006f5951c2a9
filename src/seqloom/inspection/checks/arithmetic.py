"""Kernels and precisions agree: the score is the model's, not that of one way to compute it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from seqloom.errors import ConfigError
from seqloom.inspection.checks.finding import Finding, NotApplicableError, figure
from seqloom.inspection.checks.invariance import Gap, measure_gap
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.kernels.selection import KERNELS
from seqloom.tasks.base import Loss

KERNEL_ALLOWED = 1e-3
"""Of a row's nats: kernels add in another order, which long rows amplify"""
PRECISION_ALLOWED = {"float64": 1e-3, "bfloat16": 0.05}
"""Of the mean loss; bfloat16 has three digits"""


def check_kernels(subject: Subject) -> Finding:
    """The sample by each kernel that can run the model, beside `reference`."""
    _require_repeatable(subject)
    if not _kernel_layers(subject.model):
        raise NotApplicableError("it has no layer with kernels to choose from")
    losses: dict[str, Loss] = {}
    refused = []
    for kernel in KERNELS[1:]:
        model = deepcopy(subject.model)
        for layer in _kernel_layers(model):
            layer.kernel = kernel
        try:
            losses[kernel] = subject.evaluate_by(model, subject.sample.batch)
        except ConfigError:
            refused.append(kernel)
    if len(losses) < 2:
        raise NotApplicableError(f"{' and '.join(refused)} cannot run it")
    gaps = {name: measure_gap(losses["reference"], loss).nats for name, loss in losses.items()}
    others = {name: gap for name, gap in gaps.items() if name != "reference"}
    gap = Gap(max(others.values()))
    parts = ", ".join(f"{name} {figure(value)}" for name, value in others.items())
    without = f"; {' and '.join(refused)} cannot run it" if refused else ""
    evidence = f"of a row's nats by reference, at most: {parts}; allowed {KERNEL_ALLOWED:g}{without}"
    return Finding(gap.nats <= KERNEL_ALLOWED, evidence, {"largest_difference": others, "refused": refused})


def _kernel_layers(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if getattr(module, "kernel", None) in KERNELS]


def check_precisions(subject: Subject) -> Finding:
    """The mean loss of the sample in float32, float64 and bfloat16."""
    _require_repeatable(subject)
    losses = {"float32": subject.evaluate(subject.sample.batch)}
    refused = []
    if subject.exact is not None:
        losses["float64"] = subject.exact(subject.sample.batch)
    else:
        refused.append("float64")
    try:
        with torch.autocast(subject.device.type, torch.bfloat16):
            losses["bfloat16"] = subject.evaluate(subject.sample.batch)
    except (RuntimeError, ConfigError):
        refused.append("bfloat16")
    if len(losses) < 2:
        raise NotApplicableError("it computes in float32 only")
    means = _means(losses)
    usual = means["float32"]
    gaps = {name: _relative(usual, mean) for name, mean in means.items() if name != "float32"}
    passed = math.isfinite(usual) and all(gap <= PRECISION_ALLOWED[name] for name, gap in gaps.items())
    parts = ", ".join(f"{name} {mean:.5g}" for name, mean in means.items())
    allowed = ", ".join(f"{name} within {PRECISION_ALLOWED[name]:.1%}" for name in gaps)
    without = f"; {' and '.join(refused)} cannot be had" if refused else ""
    evidence = f"nats a unit: {parts}; allowed: {allowed}{without}"
    return Finding(passed, evidence, {"nats_per_unit": means, "difference": gaps, "refused": refused})


def _means(losses: Mapping[str, Loss]) -> dict[str, float]:
    """Nats a unit by precision, without rows that are infinite in all of them: they are impossible."""
    is_possible = torch.stack([loss.nats.isfinite() for loss in losses.values()]).any(0)
    return {
        name: float(loss.nats[is_possible].double().sum() / loss.units[is_possible].sum())
        for name, loss in losses.items()
    }


def _relative(usual: float, other: float) -> float:
    """How far apart two means are; a loss near 0 is compared with a tenth of a nat."""
    gap = abs(other - usual) / max(abs(usual), 0.1)
    return gap if math.isfinite(gap) else math.inf


def _require_repeatable(subject: Subject) -> None:
    if subject.is_random:
        raise NotApplicableError("the same batch does not give the same twice (see repeats)")
