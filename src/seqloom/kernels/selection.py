"""Which kernel runs, and why. A pure function of what is asked and what the case needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from seqloom.errors import ConfigError, nearest
from seqloom.kernels.native.library import LEVELS, VARIABLE, why_not_level

KERNELS = ("auto", "reference", "torch", "native")


class KernelChoice(NamedTuple):
    """The kernel that runs, "reference", "torch" or "native", and the reason."""

    kernel: str
    reason: str


class KernelRequest(NamedTuple):
    """The kernel that was asked for, and by whom."""

    kernel: str
    by: str


AUTO = KernelRequest("auto", "")
"""Nobody asks for a kernel of their own."""


def requested_kernel(where: str, option: str) -> KernelRequest:
    """What the layer's option asks for; if that is "auto", what the environment asks for.

    The environment may name an instruction set as well ("native:avx2"). The library takes it when it is
    loaded, so it holds for the whole program, and no option of a single layer can ask for it.

    Raises:
        ConfigError: the environment names a kernel that does not exist, or an instruction set that does
            not or that the processor lacks.
    """
    if option != "auto":
        return KernelRequest(option, f"kernel={option!r}")
    asked = _in_environment()
    if not asked or asked == "auto":
        return AUTO
    kernel, _, level = asked.partition(":")
    names = (*KERNELS, *(f"native:{name}" for name in LEVELS))
    if asked not in names:
        raise ConfigError(where, f"{VARIABLE} must name a kernel", got=asked, hint=nearest(asked, names))
    refusal = why_not_level(level) if level else None
    if refusal:
        raise ConfigError(
            where, f"{VARIABLE}={asked} cannot be had: {refusal}", hint=f'Set {VARIABLE}="native"'
        )
    return KernelRequest(kernel, f"{VARIABLE}={asked}")


def _in_environment() -> str | None:
    # os.environ.get raises two errors for a name that is not there: a tenth of a small layer's step.
    found = os.environ._data.get(os.environ.encodekey(VARIABLE))  # type: ignore[attr-defined]
    return None if found is None else os.environ.decodevalue(found)


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
        where: who is speaking, for the error.
        asked: the kernel asked for; "auto" takes the fastest that can do the case.
        reference_only: the options in use that only the reference kernel knows.
        native_refusal: why the native kernel cannot do the case; None: it can.
        faster: whether the native kernel is expected to be faster than torch's own.
        torch_refusal: why torch's kernel cannot do the case; None: it can.

    Raises:
        ConfigError: the kernel asked for cannot do the case.

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
        if not faster:
            return KernelChoice("torch", "torch's own kernel is faster at this size")
        return KernelChoice("native", "the compiled kernel is the fastest here")
    refusal = need or (native_refusal if asked.kernel == "native" else torch_refusal)
    if refusal:
        raise ConfigError(where, f"{asked.by} cannot do this: {refusal}", hint='Leave kernel="auto"')
    return KernelChoice(asked.kernel, asked.by)


def native_is_faster(
    cell: str, steps: int, batch: int, hidden: int, *, lengths: bool, training: bool
) -> bool:
    """Whether the native kernel is expected to be faster than torch's own; "auto" takes the faster.

    Measured by benchmarks/sweep.py, on a processor with AVX-512. It nearly always is. Of a single step the
    backward pass lays out the weights for one use, and of very small layers torch, which is called with less
    ado, is done before we have begun.

    Args:
        cell: "rnn_tanh", "rnn_relu", "lstm" or "gru".
        lengths: whether rows may end before the last step; torch has to pack them.
        training: whether gradients will be asked for.

    >>> [native_is_faster("rnn_tanh", 1, 1, H, lengths=False, training=False) for H in (8, 256)]
    [False, True]
    """
    if steps * batch == 0:
        return False
    if lengths or cell == "lstm":
        return True
    if cell == "gru":
        return steps > 1 or hidden < 512 or batch >= 16 or not training
    return steps > 1 if training else steps * hidden >= 128
