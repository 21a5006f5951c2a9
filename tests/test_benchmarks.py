"""What benchmarks/ is made of: that it measures what it says, not how fast anything is."""

from __future__ import annotations

import importlib
import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
import torch

import seqloom
from seqloom.kernels import torch_backend

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of benchmarks/ by its name."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    return module


def test_make_bench_runs_every_benchmark() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")
    (named,) = re.findall(r"^BENCHMARKS := (.*)$", makefile, re.MULTILINE)
    have_main = {path.stem for path in FOLDER.glob("*.py") if "\ndef main() -> None:" in path.read_text()}
    assert sorted(named.split()) == sorted(have_main)


def test_every_benchmark_is_short_enough_to_read() -> None:
    assert [path.name for path in FOLDER.rglob("*.py") if len(path.read_text().splitlines()) > 400] == []


def test_a_section_names_the_instruction_set(load: Any) -> None:
    results = load("results")
    assert results.instruction_set("model name : x\nflags\t\t: fpu avx avx2\n") == " (avx2)"
    assert results.instruction_set("flags\t\t: avx2 avx512f avx512bw\n") == " (avx512)"
    assert results.instruction_set("") == ""


def test_peers_are_pinned() -> None:
    lines = (FOLDER / "peers.txt").read_text().splitlines()
    assert all(re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line) for line in lines)
    assert {"onnxruntime", "onnx", "jax", "keras", "numpy"} <= {line.split("==")[0] for line in lines}


def test_pairs_alternate_and_a_ratio_above_one_is_ours(load: Any) -> None:
    order = []

    def ours() -> None:
        order.append("o")
        time.sleep(0.002)

    def theirs() -> None:
        order.append("t")
        time.sleep(0.008)

    pairs = load("measuring").in_turn(ours, theirs, budget_seconds=0)
    assert len(pairs.ratios) == 7
    assert "".join(order[4:]) == "ottoottoottoot"  # after two runs of each
    assert pairs.ratio > 1.5
    assert pairs.seconds[0] < pairs.seconds[1]


def test_short_calls_are_timed_together(load: Any) -> None:
    calls = []
    pairs = load("measuring").in_turn(lambda: calls.append(1), lambda: None, budget_seconds=0)
    assert len(calls) > 100 * len(pairs.ours)
    assert max(pairs.ours) < 1e-4


def test_verdicts(load: Any) -> None:
    verdict = load("results").verdict
    assert verdict(1.5, 1.5) == verdict(1.496, 1.5) == verdict(0.8, 0.8, at_most=True) == "met"
    assert verdict(1.494, 1.5) == verdict(0.806, 0.8, at_most=True) == "**short**"
    assert verdict(1.0, None) == ""


def test_a_section_takes_the_place_of_its_last_run(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = load("results")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    for title, line in (("One", "first"), ("Two", "other"), ("One", "second")):
        results.write_section(title, Path("one.py"), [line], "peer 1.0")
    text = (tmp_path / "RESULTS.md").read_text()
    assert re.findall("^##? .*", text, re.MULTILINE) == ["# Measured", "## Two", "## One"]
    assert "first" not in text
    assert text.count("`python benchmarks/one.py`") == 2  # each section has the day of its own run
    assert f"torch {torch.__version__}, peer 1.0: `python benchmarks/one.py`" in text


@pytest.mark.parametrize("cell", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("ragged", [False, True])
def test_both_sides_of_a_case_compute_the_same(load: Any, cell: str, ragged: bool) -> None:
    cases = load("cases")
    case = cases.Case(cell, cases.Shape(3, 5, 4, ragged), kernel="torch")
    # The same kernel, once through a layer with lengths and once through a PackedSequence.
    torch.testing.assert_close(case.run_ours(case.input), case.run_theirs(case.input))
    for mode in cases.MODES:
        if mode.startswith("bf16") and cell == "LSTM" and not torch_runs_lstm_in_bfloat16():
            continue
        mine, other = case.ours_once(mode)(), case.theirs_once(mode)()
        for one, another in zip(mine, other, strict=True):
            # bfloat16 keeps 8 bits, and its gradients are sums of up to 15 products.
            tolerance = 0.1 if mode.startswith("bf16") else 1e-5
            torch.testing.assert_close(one.float(), another.float(), rtol=tolerance, atol=tolerance)
    steps = 15 if case.lengths is None else int(case.lengths.sum())
    assert case.flops("training") == 3 * case.flops("inference") == 3 * 2 * steps * cases.GATES[cell] * 4 * 8


def torch_runs_lstm_in_bfloat16() -> bool:
    return torch_backend.onednn_runs_lstm(torch.bfloat16, autocast=True)


def test_errors_are_those_of_each_side(load: Any) -> None:
    agreement = load("agreement")
    shape = agreement.Shape(3, 7, 5, 13, layers=2, bidirectional=True, ragged=True)
    cell = "LSTM" if torch_runs_lstm_in_bfloat16() else "GRU"
    single, half = agreement.errors(cell, shape, kernel="torch")
    state = ["h", "c"] if cell == "LSTM" else ["h"]
    names = {"output", "gradient of input", *(f"{s}n" for s in state), *(f"gradient of {s}0" for s in state)}
    assert names <= set(single)
    assert len(single) == len(names) + 16
    assert all(0 < mine < 1e-4 and 0 < other < 1e-4 for mine, other in single.values())
    assert single["output"][1] < half["output"][1] < 0.1
    assert agreement.line("LSTM", shape, False, {"output": (3e-7, 1e-7)}).endswith(
        "| 3.00 | 2.0 | **short** |"
    )


def test_the_chart_is_drawn_from_numbers(load: Any) -> None:
    row = {"cell": "GRU", "shape": "B64 T100 H256", "low": 0.8, "high": 2.0}
    rows = [{**row, "mode": mode, "ratio": 1.5 + k} for k, mode in enumerate(("training", "inference"))]
    text = load("chart").svg(rows)
    ElementTree.fromstring(text)
    assert ">GRU B64 T100 H256<" in text
    assert ">1.50<" in text
    assert ">2.50<" in text


def test_the_sweep_says_what_is_slower(load: Any) -> None:
    sweep, measuring, cases = load("sweep"), load("measuring"), load("cases")
    shape = cases.Shape(1, 2, 8)
    rows = [
        sweep.Measured("GRU", "training", shape, "native", measuring.Pairs([1.0], [ratio]))
        for ratio in (2.0, 0.96, 0.9)
    ]
    text = "\n".join(sweep.summary(rows))
    assert "| GRU training | 3 | 1 | 0 | **short** | 0.90 at B1 T2 H8 | 0.96 | 3 |" in text
    assert rows[0].row() == ["GRU", "training", 1, 2, 8, "native", "1", "2", "2", "2", "2", 1]
    assert len(rows[0].row()) == len(sweep.COLUMNS)


@pytest.mark.parametrize("cell", ["RNNCell", "LSTMCell", "GRUCell"])
def test_both_sides_of_a_cell_compute_the_same(load: Any, cell: str) -> None:
    cells = load("cells")
    theirs = cells.CELLS[cell](3, 3)
    ours = seqloom.convert_recurrent(theirs)
    assert ours is not theirs
    x, h = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    state = (h, torch.randn(2, 3, requires_grad=True)) if cell == "LSTMCell" else h
    torch.testing.assert_close(*(cells.caller(side, x, state)()[0] for side in (ours, theirs)))
    torch.manual_seed(0)
    mine = cells.trainer(ours, x, state)()
    torch.manual_seed(0)
    torch.testing.assert_close(mine, cells.trainer(theirs, x, state)())


def test_cells_are_timed_by_this_threads_processor_time(load: Any) -> None:
    cells, measuring = load("cells"), load("measuring")
    assert measuring.once(cells.OnThisThread(lambda: time.sleep(0.05))) < 0.02
    row = cells.Measured("GRUCell", "training", 32, 1, measuring.Pairs([1.0], [1.25]))
    assert cells.table([row])[-1] == "| GRUCell | training | 32 | 1.25 | 1.0 | met |"
