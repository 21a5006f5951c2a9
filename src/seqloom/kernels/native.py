"""The compiled kernels of csrc/: forward only so far, for the tanh RNN in float32 on the CPU.

The library is loaded when it is first asked for, with ctypes, which lets go of the GIL during a call and
needs neither Python's nor torch's headers to build (csrc/README.md). seqloom installs without a compiler
too: `why_unavailable` then says why there is no library.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from seqloom import kernels
from seqloom.errors import ConfigError
from seqloom.kernels.request import Request, Result

ABI_VERSION = 1
"""What `seqloom_abi_version` of csrc/ must answer: both go up with every change of a signature."""

LIBRARY_NAMES = ("_native.so", "_native.dll")

_MEND = "with a C++ compiler (on Debian or Ubuntu: apt-get install g++), install seqloom again"


def available() -> bool:
    """Whether the compiled library is there and fits this seqloom."""
    return _load()[0] is not None


def why_unavailable() -> str:
    """Why `available` is False and what to do about it, as half a sentence; empty where it is True."""
    return _load()[1]


def supports(request: Request) -> str | None:
    """None where `run` takes `request`; else the reason why not, as half a sentence."""
    if request.cell != "rnn_tanh":
        return f"native has no kernel for {request.cell} yet"
    if request.needs_grad():
        return "native has no backward pass yet"
    w = request.weights
    if w.gain_ih is not None or w.gain_hh is not None:
        return "native has no layer normalisation"
    if request.hidden_mask is not None:
        return "native has no recurrent dropout"
    if request.zoneout is not None:
        return "native has no zoneout"
    if request.want_gates:
        return "native gives no gate values"
    if torch.is_autocast_enabled("cpu"):
        return "native computes in float32 and autocast is on"
    for tensor in (request.input, request.state, w.weight_ih, w.weight_hh, w.bias_ih, w.bias_hh):
        if isinstance(tensor, Tensor) and (tensor.device.type, tensor.dtype) != ("cpu", torch.float32):
            return f"native computes in float32 on the CPU, not in {tensor.dtype} on {tensor.device}"
    return None if available() else why_unavailable()


def run(request: Request) -> Result:
    """The whole sequence in one call of the compiled library.

    Args:
        request: one that `supports` has no objection to.

    Returns:
        Outputs (T, B, H) and the last state (B, H); no gates.

    Raises:
        ConfigError: the library is missing, or has no kernel for this request.
    """
    reason = supports(request)
    if reason is not None:
        raise ConfigError("kernels.native", f"cannot do this: {reason}")
    library = _load()[0]
    assert library is not None
    assert isinstance(request.state, Tensor)
    w = request.weights
    biases = [bias for bias in (w.bias_ih, w.bias_hh) if bias is not None]
    steps, batch, _ = request.input.shape
    hidden = w.weight_hh.shape[1]
    with torch.no_grad():
        bias = torch.stack(biases).sum(0) if biases else None
        projected = F.linear(request.input, w.weight_ih, bias).contiguous()
        weight = w.weight_hh.t().contiguous()
        initial = request.state.contiguous()
        lengths = None if request.lengths is None else request.lengths.contiguous()
        output, state = torch.empty_like(projected), torch.empty_like(initial)
    library.seqloom_rnn_tanh_forward_f32(
        projected.data_ptr(),
        weight.data_ptr(),
        initial.data_ptr(),
        None if lengths is None else lengths.data_ptr(),
        int(request.reverse),
        output.data_ptr(),
        state.data_ptr(),
        steps,
        batch,
        hidden,
    )
    return Result(output, state)


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    """The library, or None and why. An editable install keeps it beside the package, not in src/."""
    found = [Path(folder, name) for folder in kernels.__path__ for name in LIBRARY_NAMES]
    path = next((path for path in found if path.is_file()), None)
    if path is None:
        return None, f"seqloom was installed without its compiled kernels; {_MEND}"
    try:
        library = ctypes.CDLL(str(path))
        library.seqloom_abi_version.restype = ctypes.c_int32
        version = library.seqloom_abi_version()
        forward = library.seqloom_rnn_tanh_forward_f32
    except (OSError, AttributeError) as error:
        return None, f"the compiled kernels cannot be loaded ({error}); {_MEND}"
    if version != ABI_VERSION:
        return None, f"the compiled kernels are of version {version}, not {ABI_VERSION}; {_MEND}"
    pointer, size, flag = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
    forward.argtypes = [pointer] * 4 + [flag] + [pointer] * 2 + [size] * 3
    forward.restype = None
    return library, ""
