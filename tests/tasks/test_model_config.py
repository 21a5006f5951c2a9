"""Settings of recurrent layers that all tasks share."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError
from seqloom.models.dropout import Dropouts
from seqloom.models.recurrent_stack import RecurrentStack
from seqloom.runs.config import resolve
from seqloom.tasks import TASKS, task_named


@pytest.mark.parametrize("name", TASKS)
def test_chrono_init_reaches_the_layers(name: str) -> None:
    settings = {"cell_type": "gru", "chrono_init": 50, "hidden_size": 8, "num_layers": 2}
    config = resolve(task_named(name), [{"model": settings}]).model
    stack = RecurrentStack(3, config.recurrent_config(Dropouts(), bidirectional=True))
    for layer in stack:
        for suffix in ("", "_reverse"):
            bias_ih, bias_hh = (getattr(layer, f"{kind}_l0{suffix}") for kind in ("bias_ih", "bias_hh"))
            steps = (bias_ih + bias_hh)[8:16].exp()  # of the update gate
            assert steps.min() >= 1
            assert steps.max() <= 49 * (1 + 1e-6)  # float32
            assert steps.max() > 5  # torch.nn's biases are between -0.71 and 0.71


@pytest.mark.parametrize(("name", "cell"), [("classify", "rnn"), ("caption", "transformer")])
def test_chrono_init_is_for_cells_with_gates(name: str, cell: str) -> None:
    message = r"^model\.chrono_init: must be null unless model\.cell_type is lstm or gru\. Got 50\.$"
    with pytest.raises(ConfigError, match=message):
        resolve(task_named(name), [{"model": {"cell_type": cell, "chrono_init": 50}}])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_chrono_init_in_half_precision(dtype: torch.dtype) -> None:
    from seqloom.layers.recurrent import GRU

    layer = GRU(3, 64, chrono_init=1_000_000, dtype=dtype)
    assert layer.bias_ih_l0.isfinite().all()
