"""Which kernel runs, and why. A pure function of what is asked and what the case needs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from seqloom.errors import ConfigError, nearest
from seqloom.kernels.request import Request

VARIABLE = "SEQLOOM_KERNEL"
"""The environment variable that forces a kernel on every layer whose own `kernel` is "auto"."""

KERNELS = ("auto", "reference", "torch", "native")


class Choice(NamedTuple):
    """The kernel that runs, "reference", "torch" or "native", and the reason."""

    kernel: str
    why: str


class Wish(NamedTuple):
    """The kernel that was asked for, and by whom."""

    kernel: str
    by: str


def wish(where: str, option: str) -> Wish:
    """What the layer's option asks for; if that is "auto", what the environment asks for.

    Raises:
        ConfigError: the environment names a kernel that does not exist.
    """
    if option != "auto":
        return Wish(option, f"kernel={option!r}")
    asked = os.environ.get(VARIABLE)
    if not asked or asked == "auto":
        return Wish("auto", "")
    if asked not in KERNELS:
        raise ConfigError(where, f"{VARIABLE} must name a kernel", got=asked, mend=nearest(asked, KERNELS))
    return Wish(asked, f"{VARIABLE}={asked}")


def choose(
    where: str, asked: Wish, reference_only: Sequence[str] = (), native_refusal: str | None = None
) -> Choice:
    """Decide which kernel runs.

    Args:
        where: who is speaking, for the error.
        asked: the kernel asked for; "auto" takes the fastest that can do the case.
        reference_only: the options in use that only the reference kernel knows.
        native_refusal: why the native kernel cannot do the case; None: it can.

    Raises:
        ConfigError: the kernel asked for cannot do the case.

    >>> choose("GRU", Wish("auto", ""))
    Choice(kernel='torch', why="nothing asks for more than torch's own kernel can do")
    >>> choose("GRU", Wish("auto", ""), ["layer_norm"]).why
    'layer_norm needs the reference kernel'
    """
    need = f"{' and '.join(reference_only)} need{'s' * (len(reference_only) == 1)} the reference kernel"
    if asked.kernel == "reference":
        return Choice("reference", asked.by)
    if asked.kernel == "auto":
        if reference_only:
            return Choice("reference", need)
        return Choice("torch", "nothing asks for more than torch's own kernel can do")
    refusal = need if reference_only else native_refusal if asked.kernel == "native" else None
    if refusal:
        raise ConfigError(where, f"{asked.by} cannot do this: {refusal}", mend='Leave kernel="auto"')
    return Choice(asked.kernel, asked.by)


def native_refusal(request: Request) -> str | None:
    """Why the native kernel cannot run `request`; None: it can."""
    from seqloom.kernels import native  # loads a shared library, so only when it is asked for

    return native.supports(request) if native.available() else native.why_unavailable()
