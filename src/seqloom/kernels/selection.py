"""Which kernel runs, and why: a pure function of the request and of what each kernel can do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from seqloom.errors import ConfigError, nearest
from seqloom.kernels.native.library import CPU_TARGETS, KERNEL_VARIABLE, why_not_cpu_target

KERNELS = ("auto", "reference", "torch", "native")


class KernelChoice(NamedTuple):
    """The kernel that runs, "reference", "torch" or "native", and the reason."""

    kernel: str
    reason: str


class KernelRequest(NamedTuple):
    """The requested kernel, and the option or variable that requests it."""

    kernel: str
    by: str


AUTO = KernelRequest("auto", "")
"""No request: the fastest kernel runs."""


def requested_kernel(where: str, option: str) -> KernelRequest:
    """The kernel that a layer's option requests; if that is "auto", the environment variable's.

    The variable may name an instruction set too ("native:avx2"). It takes effect when the library is loaded,
    for the whole process, so no option of a layer can request one.

    Raises:
        ConfigError: the variable names a kernel or an instruction set that does not exist, or one that the
            processor lacks.
    """
    if option != "auto":
        return KernelRequest(option, f"kernel={option!r}")
    asked = _in_environment()
    if not asked or asked == "auto":
        return AUTO
    kernel, _, target = asked.partition(":")
    names = (*KERNELS, *(f"native:{name}" for name in CPU_TARGETS))
    if asked not in names:
        raise ConfigError(
            where, f"{KERNEL_VARIABLE} must name a kernel", got=asked, hint=nearest(asked, names)
        )
    refusal = why_not_cpu_target(target) if target else None
    if refusal:
        raise ConfigError(
            where,
            f"{KERNEL_VARIABLE}={asked} cannot be had: {refusal}",
            hint=f'Set {KERNEL_VARIABLE}="native"',
        )
    return KernelRequest(kernel, f"{KERNEL_VARIABLE}={asked}")


def _in_environment() -> str | None:
    # os.environ.get raises two exceptions for an unset variable: a tenth of the time of a small layer's step.
    value = os.environ._data.get(os.environ.encodekey(KERNEL_VARIABLE))  # type: ignore[attr-defined]
    return None if value is None else os.environ.decodevalue(value)


def choose(
    where: str,
    asked: KernelRequest,
    reference_only: Sequence[str] = (),
    native_refusal: str | None = None,
    faster: bool = True,
    torch_refusal: str | None = None,
) -> KernelChoice:
    """Decide which kernel runs.

    Args:
        where: the layer's class, for errors.
        asked: the requested kernel; "auto" takes the fastest that can run the case.
        reference_only: the options in use that only the reference kernel has.
        native_refusal: why the native kernel cannot run the case; None: it can.
        faster: whether the native kernel is expected to be faster than torch's.
        torch_refusal: why torch's kernel cannot run the case; None: it can.

    Raises:
        ConfigError: the requested kernel cannot run the case.

    >>> choose("GRU", KernelRequest("auto", ""))
    KernelChoice(kernel='native', reason='the compiled kernel is the fastest here')
    >>> choose("GRU", KernelRequest("auto", ""), faster=False)
    KernelChoice(kernel='torch', reason="torch's own kernel is faster at this size")
    >>> choose("GRU", KernelRequest("auto", ""), ["layer_norm"]).reason
    'layer_norm needs the reference kernel'
    """
    need = ""
    if reference_only:
        need = f"{' and '.join(reference_only)} need{'s' * (len(reference_only) == 1)} the reference kernel"
    if asked.kernel == "reference":
        return KernelChoice("reference", asked.by)
    if asked.kernel == "auto":
        if need:
            return KernelChoice("reference", need)
        if native_refusal and torch_refusal:
            return KernelChoice("reference", f"{native_refusal}, and {torch_refusal}")
        if native_refusal:
            return KernelChoice("torch", native_refusal)
        if not faster and not torch_refusal:
            return KernelChoice("torch", "torch's own kernel is faster at this size")
        return KernelChoice("native", "the compiled kernel is the fastest here")
    refusal = need or (native_refusal if asked.kernel == "native" else torch_refusal)
    if refusal:
        raise ConfigError(where, f"{asked.by} cannot do this: {refusal}", hint='Leave kernel="auto"')
    return KernelChoice(asked.kernel, asked.by)


def native_is_faster(
    cell: str, steps: int, batch: int, hidden: int, *, lengths: bool, training: bool, avx512: bool = True
) -> bool:
    """Whether the native kernel is expected to be faster than torch's own; "auto" takes the faster.

    As measured by benchmarks/sweep.py on a processor with AVX-512, and at two dozen shapes with AVX2. It
    nearly always is, but for the backward of a single step, which packs the weights for one use, and for tiny
    layers, where torch's call overhead is lower; with AVX2 also for a single step of an RNN.

    Args:
        cell: the name of a cell that both kernels have.
        lengths: whether rows may end before the last step; torch has to pack them.
        training: whether gradients will be computed.
        avx512: whether the native kernel has AVX-512.

    >>> [native_is_faster("rnn_tanh", 1, 1, H, lengths=False, training=False) for H in (8, 256)]
    [False, True]
    """
    if steps * batch == 0:
        return False
    if lengths or cell == "lstm":
        return True
    if cell == "gru":
        if steps > 1 or not training:
            return True
        return hidden < 512 or batch >= 16 if avx512 else hidden < 128
    return steps > 1 if training else steps * hidden >= 128 and (avx512 or steps > 1)
