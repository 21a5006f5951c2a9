"""The compiled kernel against the definition, what it refuses, and that it was built where it can be."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqloom import kernels
from seqloom.cells.lstm import LSTMState
from seqloom.cells.weights import Weights
from seqloom.errors import ConfigError
from seqloom.kernels import native, reference
from seqloom.kernels.request import Request, Zoneout

COMPILERS = [name for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name and shutil.which(name)]

needs_library = pytest.mark.skipif(
    not COMPILERS and not native.available(), reason="no C++ compiler: seqloom is installed without csrc/"
)


def make_request(
    steps: int = 5, batch: int = 3, inputs: int = 4, hidden: int = 6, **changes: object
) -> Request:
    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape) / 2

    weights = Weights(random(hidden, inputs), random(hidden, hidden), random(hidden), random(hidden))
    request = Request("rnn_tanh", random(steps, batch, inputs), random(batch, hidden), weights)
    return request._replace(**changes)


@needs_library
def test_is_built_where_there_is_a_compiler() -> None:
    assert native.available(), native.why_unavailable()
    assert native.why_unavailable() == ""


@needs_library
@given(
    steps=st.integers(0, 7),
    lengths=st.lists(st.integers(0, 7), min_size=0, max_size=4),
    inputs=st.integers(1, 5),
    hidden=st.integers(1, 19),
    reverse=st.booleans(),
    ragged=st.booleans(),
    biases=st.sampled_from([(), ("bias_ih",), ("bias_hh",), ("bias_ih", "bias_hh")]),
)
def test_is_the_reference(
    steps: int,
    lengths: list[int],
    inputs: int,
    hidden: int,
    reverse: bool,
    ragged: bool,
    biases: tuple[str, ...],
) -> None:
    request = make_request(steps, len(lengths), inputs, hidden, reverse=reverse)
    request = request._replace(weights=request.weights._replace(**dict.fromkeys(biases)))
    if ragged:
        request = request._replace(lengths=torch.tensor(lengths, dtype=torch.int64).clamp(max=steps))
    assert native.supports(request) is None
    got, want = native.run(request), reference.run(request)
    # float32 sums of at most 24 products below 4, in another order: an error of some 1e-6 over 7 steps.
    torch.testing.assert_close(got.output, want.output, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got.state, want.state, rtol=1e-5, atol=1e-5)
    assert got.gates is None


@needs_library
def test_takes_tensors_that_are_not_contiguous_and_changes_none_of_them() -> None:
    request = make_request()
    strided = request._replace(
        input=request.input.transpose(0, 1).contiguous().transpose(0, 1),
        state=request.state.t().contiguous().t(),  # type: ignore[union-attr]
        weights=request.weights._replace(weight_hh=request.weights.weight_hh.t().contiguous().t()),
        lengths=torch.tensor([5, 9, 0, 9, 2])[::2],
    )
    before = [strided.input.clone(), strided.state.clone()]  # type: ignore[union-attr]
    got = native.run(strided)
    want = native.run(request._replace(lengths=torch.tensor([5, 0, 2])))
    # Strides decide how torch sums the projection: float32, 4 products below 4.
    torch.testing.assert_close(got.output, want.output, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got.state, want.state, rtol=1e-5, atol=1e-5)
    assert torch.equal(strided.input, before[0])
    assert torch.equal(strided.state, before[1])  # type: ignore[arg-type]


@needs_library
def test_padding_is_never_read() -> None:
    request = make_request(lengths=torch.tensor([5, 2, 0]))
    poisoned = request.input.clone()
    for row, length in enumerate((5, 2, 0)):
        poisoned[length:, row] = torch.nan
    for reverse in (False, True):
        clean = native.run(request._replace(reverse=reverse))
        other = native.run(request._replace(reverse=reverse, input=poisoned))
        assert torch.equal(clean.output, other.output)
        assert torch.equal(clean.state, other.state)  # type: ignore[arg-type]


@needs_library
def test_threads_do_not_disturb_each_other() -> None:
    request = make_request(steps=50, hidden=32)
    want = native.run(request).output
    got: list[torch.Tensor] = []
    threads = [threading.Thread(target=lambda: got.append(native.run(request).output)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert all(torch.equal(output, want) for output in got)


def with_gain(request: Request) -> Request:
    return request._replace(weights=request.weights._replace(gain_ih=torch.ones(6)))


def with_gradient(request: Request) -> Request:
    return request._replace(input=request.input.requires_grad_())


REFUSED = {
    "no kernel for lstm": lambda r: r._replace(cell="lstm", state=LSTMState(r.state, r.state)),
    "no kernel for gru": lambda r: r._replace(cell="gru"),
    "no kernel for rnn_relu": lambda r: r._replace(cell="rnn_relu"),
    "no backward pass": with_gradient,
    "no layer normalisation": with_gain,
    "no recurrent dropout": lambda r: r._replace(hidden_mask=torch.ones(3, 6)),
    "no zoneout": lambda r: r._replace(zoneout=Zoneout(0.1, 0.0, False)),
    "no gate values": lambda r: r._replace(want_gates=True),
    "float32 on the CPU, not in torch.float64 on cpu": lambda r: r._replace(input=r.input.double()),
    "float32 on the CPU, not in torch.float32 on meta": lambda r: r._replace(state=r.state.to("meta")),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refuses_by_name(reason: str) -> None:
    request = REFUSED[reason](make_request())
    assert reason in str(native.supports(request))
    with pytest.raises(
        ConfigError, match=rf"^kernels\.native: cannot do this: native .*{re.escape(reason)}.*\.$"
    ):
        native.run(request)


@needs_library
def test_gradients_that_nobody_asks_for_are_no_objection() -> None:
    request = with_gradient(make_request())
    with torch.no_grad():
        assert native.supports(request) is None
        assert not native.run(request).output.requires_grad


def test_refuses_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert "autocast is on" in str(native.supports(make_request()))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stands for the installed package."""
    monkeypatch.setattr(kernels, "__path__", [str(tmp_path)])
    monkeypatch.setattr(native, "_load", native._load.__wrapped__)
    return tmp_path


def test_says_that_the_library_is_missing(elsewhere: Path) -> None:
    assert not native.available()
    assert "without its compiled kernels" in native.why_unavailable()
    assert "apt-get install g++" in native.why_unavailable()
    with pytest.raises(
        ConfigError, match=r"without its compiled kernels; with a C\+\+ compiler .*install seqloom again\.$"
    ):
        native.run(make_request())


def test_says_that_the_library_is_broken(elsewhere: Path) -> None:
    (elsewhere / native.LIBRARY_NAMES[0]).write_bytes(b"no library")
    assert not native.available()
    assert "cannot be loaded" in native.why_unavailable()


@needs_library
def test_says_that_the_library_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_load", native._load.__wrapped__)
    monkeypatch.setattr(native, "ABI_VERSION", native.ABI_VERSION + 1)
    assert "are of version 1, not 2" in native.why_unavailable()
