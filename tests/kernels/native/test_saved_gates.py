"""The gates of a run, read from what the compiled kernels save for backward."""

from __future__ import annotations

import pytest
import torch

from seqloom.cells.gru import GRUGates
from seqloom.cells.lstm import LSTMGates, LSTMState
from seqloom.cells.projections import Weights
from seqloom.kernels import reference
from seqloom.kernels.native import forward_backward, library, saved_gates
from seqloom.kernels.native.abi import NATIVE_CELLS
from seqloom.kernels.recurrence import Request

from ..conftest import make_run

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")


@pytest.mark.parametrize("lengths", [None, [5, 0, 3, 2, 5]])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", NATIVE_CELLS)
def test_gates_match_the_reference(cell: str, directions: int, lengths: list[int] | None) -> None:
    both = make_run(cell, batch=5, hidden=37, directions=directions)
    both = both._replace(lengths=None if lengths is None else torch.tensor(lengths))
    for run in [both] if directions == 2 else [both, both._replace(reverse=True)]:
        output, _, _, values = forward_backward.forward(run, save=True)
        for d, gates in enumerate(saved_gates.gates(run, output, values)):
            state = run.h[d] if run.c is None else LSTMState(run.h[d], run.c[d])
            w = Weights(*run.weights[4 * d : 4 * d + 4])  # type: ignore[arg-type]
            request = Request(cell, run.input, state, w, run.lengths, d == 1 or run.reverse, want_gates=True)
            expected = reference.run(request).gates
            assert expected is not None
            assert type(gates) is type(expected)
            for mine, other in zip(gates, expected, strict=True):
                # float32: sums of 41 products near 1, and 5 steps.
                torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)


def test_gates_are_named_tuples() -> None:
    values = torch.zeros(1, 10, 32 * 5)
    run = make_run("lstm", 5, 2)
    (gates,) = saved_gates.gates(run, torch.zeros(5, 2, 6), values)
    assert isinstance(gates, LSTMGates)
    (gates,) = saved_gates.gates(make_run("gru", 5, 2), torch.zeros(5, 2, 6), values[..., : 32 * 4])
    assert isinstance(gates, GRUGates)


@pytest.mark.parametrize("lengths", [None, [5, 0, 3, 2, 5]])
def test_values_of_16_bits_are_read_as_those_of_32(lengths: list[int] | None) -> None:
    run = make_run("lstm", batch=5, hidden=37, directions=2)
    run = run._replace(lengths=None if lengths is None else torch.tensor(lengths))
    output, _, _, values = forward_backward.forward(run, save=True)
    assert values is not None
    short = saved_gates.gates(run, output, values.bfloat16())
    for mine, other in zip(short, saved_gates.gates(run, output, values), strict=True):
        assert all(torch.equal(a, b.bfloat16()) for a, b in zip(mine, other, strict=True))
