"""The table of cells agrees with the cells, with torch and with csrc/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import _VF

from seqloom.cells.lstm import LSTMState
from seqloom.cells.projections import Weights
from seqloom.cells.spec import CELL_TYPES, CELLS, CellSpec

ROOT = Path(__file__).parents[2]
B, H = 2, 3


@pytest.mark.parametrize("spec", CELLS.values(), ids=CELLS)
def test_step_has_the_shapes_and_gates_of_the_table(spec: CellSpec) -> None:
    G = spec.num_gates * H
    h = torch.zeros(B, H)
    state = LSTMState(h, h) if spec.has_cell_state else h
    new, gates = spec.step(torch.randn(B, G), state, Weights(torch.empty(G, 1), torch.randn(G, H)))
    assert type(gates) is spec.gates
    assert all(value.shape == (B, H) for value in gates)
    assert isinstance(new, LSTMState) == spec.has_cell_state
    assert sum(spec.norm_blocks) in (1, spec.num_gates)
    assert set(spec.separate_bias) <= set(spec.gates._fields)


def test_names_are_unique_and_torch_has_the_operators() -> None:
    assert list(CELLS) == [spec.name for spec in CELLS.values()]
    assert CELL_TYPES == ("rnn", "lstm", "gru")
    assert all(hasattr(_VF, spec.torch_operator) for spec in CELLS.values() if spec.torch_operator)


def test_native_numbers_are_those_of_the_header() -> None:
    texts = [path.read_text() for path in (ROOT / "csrc").rglob("*.h")]
    (text,) = [text for text in texts if "struct Problem {" in text]
    for spec in CELLS.values():
        number = r"\s*(?:=|,)\s*"
        assert re.search(rf"\b{spec.name.upper()}{number}{spec.native_id}\b", text), spec.name
