"""The errors of the compiled kernels: invalid shapes, types and lengths."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from seqloom.errors import DataError
from seqloom.kernels.native import forward_backward, library
from seqloom.kernels.native.abi import Run
from seqloom.kernels.native.operators import recurrence

from .runs import arguments_of, make_run

pytestmark = pytest.mark.skipif(not library.available(), reason="seqloom is installed without csrc/")

REFUSED: dict[str, Callable[[Run], Run]] = {
    "the cell must be one of rnn_tanh, rnn_relu, lstm, gru": lambda r: r._replace(cell="mgu"),
    "c is for lstm only": lambda r: r._replace(c=None),
    r"input must be \(T, B, I\)": lambda r: r._replace(input=r.input[0]),
    "float32 or bfloat16 on the CPU": lambda r: r._replace(input=r.input.double()),
    r"h must be torch.float32 \(1, 3, 6\) on the CPU. Got torch.float64": lambda r: r._replace(
        h=r.h.double()
    ),
    r"h must be torch.float32 \(1, 3, 6\)": lambda r: r._replace(h=r.h[:, :2]),
    r"h must be torch.float32 \(2, 3, 6\)": lambda r: r._replace(weights=[*r.weights[:4]] * 2),
    r"c must be torch.float32 \(1, 3, 6\)": lambda r: r._replace(c=r.h[0]),
    r"weight_ih must be torch.float32 \(24, 4\)": lambda r: changed(r, 0, r.weights[1]),
    "weight_hh must be a tensor": lambda r: changed(r, 1, None),
    r"bias_ih must be torch.float32 \(24,\)": lambda r: changed(r, 2, r.weights[2][:-1]),
    "bias_hh must be .* Got torch.bfloat16": lambda r: changed(r, 3, r.weights[3].bfloat16()),
    r"lengths must be torch.int64 \(3,\)": lambda r: r._replace(lengths=torch.tensor([1, 2])),
    r"lengths must be torch.int64 .* Got torch.int32": lambda r: r._replace(lengths=torch.ones(3).int()),
    r"lengths must be 0 to 5, .* Got \[1, 6, 2\]": lambda r: r._replace(lengths=torch.tensor([1, 6, 2])),
    r"lengths must be 0 to 5, .* Got \[1, -1, 2\]": lambda r: r._replace(lengths=torch.tensor([1, -1, 2])),
}


def changed(run: Run, place: int, weight: Tensor | None) -> Run:
    weights = list(run.weights)
    weights[place] = weight
    return run._replace(weights=weights)


@pytest.mark.parametrize("message", REFUSED)
def test_invalid_tensors_are_refused(message: str) -> None:
    run = REFUSED[message](make_run("lstm"))
    with torch.no_grad(), pytest.raises(DataError, match=f"^seqloom::recurrence: .*{message}"):
        recurrence(run)


def test_invalid_backward_arguments_are_refused() -> None:
    run = make_run("lstm")
    output, h_n, c_n, saved = (value.detach() for value in recurrence(run))
    wanted = forward_backward.RequestedGradients(True, True, True)

    def refused(message: str, output: Tensor, saved: Tensor | None, *given: Tensor | None) -> None:
        with torch.no_grad(), pytest.raises(DataError, match=f"^seqloom::recurrence: {message}"):
            forward_backward.backward(run, output, saved, forward_backward.OutputGradients(*given), wanted)

    refused("output must be", output[1:], saved, output, None, None)
    refused(r"backward needs .* Run it with save=True\.", output, None, output, None, None)
    refused("saved must be", output, saved[:, 1:], output, None, None)
    refused("d_output must be", output, saved, output.double(), None, None)
    refused("d_h_n must be", output, saved, None, h_n[0], None)
    refused("d_c_n must be", output, saved, None, None, c_n[..., 1:])
    with pytest.raises(DataError, match=r"^seqloom::recurrence: save must be True where gradients"):
        torch.ops.seqloom.recurrence(*arguments_of(run, False, False, False))
