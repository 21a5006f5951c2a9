"""`compare`: equal sizes, runs that are not repeated, differences against the seeds' spread."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from seqloom.cli import main
from seqloom.errors import ConfigError, RunError
from seqloom.inspection.comparison import Comparison, compare
from seqloom.inspection.comparison.comparison import HEADER
from seqloom.inspection.comparison.measures import gradient_reach, measure_steps, saved_bytes
from seqloom.inspection.comparison.page import write_comparison
from seqloom.inspection.comparison.statistics import compare_means
from seqloom.layers.recurrent import LSTM, RNN

compare_module = importlib.import_module("seqloom.inspection.comparison.compare")

SETTINGS = {"training.max_steps": 4, "training.validate_every": 2, "model.hidden_size": 12}
OPTIONS: dict[str, Any] = {"cells": ["lstm"], "directions": ["one", "both"], "seeds": 2}


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_module, "measure_steps", partial(measure_steps, seconds=0.05))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compare") / "reviews.csv"
    path.write_text("text,label\n" + "a fine film to see,good\na dull film to see,bad\n" * 20)
    return path


@pytest.fixture(scope="module")
def compared(data: Path) -> tuple[Comparison, list[str]]:
    log: list[str] = []
    options = {**OPTIONS, "settings": SETTINGS, "out": data.parent / "runs"}
    return compare(data, **options, log=log.append), log


def test_variants_have_as_many_parameters(compared: tuple[Comparison, list[str]]) -> None:
    variants = [row.variant for row in compared[0].rows]
    assert [variant.name for variant in variants] == ["lstm-one", "lstm-both"]
    first = variants[0]
    assert first.hidden_size == 12
    assert variants[1].hidden_size < 12
    # A width more or less changes an LSTM in both directions by less than a tenth here.
    assert abs(variants[1].parameters / first.parameters - 1) < 0.1


def test_every_variant_is_measured(compared: tuple[Comparison, list[str]]) -> None:
    comparison, _ = compared
    assert (comparison.metric, comparison.split, comparison.seeds) == ("accuracy", "validation", 2)
    for row in comparison.rows:
        assert len(row.scores) == 2
        assert row.cost.seconds > 0
        assert row.cost.saved_bytes > 0
        assert row.reach is not None
        assert [step for step, _ in row.results[0].validated] == [2, 4]
    assert any(steps is not None for row in comparison.rows for steps in row.steps_to_target)
    assert all(len(cells) == len(HEADER) for cells in comparison.table())
    assert len(comparison.differences) == 1
    assert json.loads(json.dumps(comparison.as_json()))["variants"][1]["name"] == "lstm-both"


def test_what_is_there_is_not_trained_again(data: Path, compared: tuple[Comparison, list[str]]) -> None:
    out = data.parent / "runs"
    weights = {path: path.stat().st_mtime_ns for path in out.glob("*/model.safetensors")}
    results = json.loads((out / "results.json").read_text())
    del results["lstm-one-0"]  # as after an interruption: the run is finished, and not yet noted
    with (out / "lstm-one-0" / "metrics.jsonl").open("a") as file:
        file.write('{"split": "validat')  # as after a power cut
    (out / "results.json").write_text(json.dumps(results))
    log: list[str] = []
    again = compare(data, **OPTIONS, settings=SETTINGS, out=out, log=log.append)
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/model.safetensors")} == weights
    assert sum("is there already" in line for line in log) == 3
    assert [row.results for row in again.rows] == [row.results for row in compared[0].rows]


def test_other_rows_of_the_measured_split_are_measured_again(tmp_path: Path) -> None:
    data, rows = tmp_path / "data", "a fine film to see,good\na dull film to see,bad\n"
    data.mkdir()
    for split, many in (("train", rows * 20), ("validation", rows * 5), ("test", rows * 5)):
        (data / f"{split}.csv").write_text(f"text,label\n{many}")
    options: dict[str, Any] = {"cells": ["lstm"], "seeds": 1, "settings": SETTINGS, "out": tmp_path / "runs"}
    (before,) = compare(data, **options).rows
    (data / "test.csv").write_text("text,label\n" + "a fine film to see,bad\na dull film to see,good\n" * 5)
    (after,) = compare(data, **options).rows
    assert before.scores[0] == 1 - after.scores[0]
    assert before.results[0].digest != after.results[0].digest


def test_damaged_results_are_one_line(data: Path, tmp_path: Path) -> None:
    for text in ("[" * 100_000, "[]", '{"lstm-one-0": {}}'):
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(RunError, match=r"results\.json: expected the results of a comparison\."):
            compare(data, **OPTIONS, settings=SETTINGS, out=tmp_path)


def test_runs_of_other_settings_are_refused(data: Path, compared: tuple[Comparison, list[str]]) -> None:
    settings = {**SETTINGS, "training.max_steps": 5}
    with pytest.raises(RunError, match=r"lstm-one-0: expected a run .* training\.max_steps 5\. Got 4\."):
        compare(data, **OPTIONS, settings=settings, out=data.parent / "runs")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": ["lsmt"]}, r"^compare --cells: unknown `lsmt`\. Did you mean `lstm`\?$"),
        ({"directions": ["bot"]}, r"^compare --directions: unknown `bot`\. Did you mean `both`\?$"),
        ({"equal": "size"}, r"^compare --equal: unknown `size`\. It is one of: parameters, width\.$"),
        ({"cells": []}, r"^compare --cells: expected some of rnn, lstm, gru\. Got none\.$"),
        ({"seeds": 0}, r"^compare: --seeds must be an int >= 1\. Got 0\.$"),
        (
            {"task": "generate", "directions": ["both"], "data": "words.txt"},
            r"^compare --directions: must be one for the task generate, .* Got both\.$",
        ),
    ],
)
def test_mistakes(data: Path, options: dict[str, Any], message: str) -> None:
    path = data.with_name(options.pop("data", data.name))
    if not path.exists():
        path.write_text("a text of some words, again and again\n" * 400)
    with pytest.raises(ConfigError, match=message):
        compare(path, **options, settings=SETTINGS, out=data.parent / "none")


def test_differences_need_more_than_the_seeds_spread() -> None:
    scores = {"a": [0.90, 0.91, 0.92], "b": [0.70, 0.71, 0.69], "c": [0.90, 0.95, 0.90]}
    verdicts = {(pair.better, pair.worse): pair.is_larger_than_spread for pair in compare_means(scores, True)}
    assert verdicts == {("c", "a"): False, ("c", "b"): True, ("a", "b"): True}
    (pair,) = compare_means({"a": [1.0], "b": [2.0]}, higher_is_better=False)
    assert (pair.better, pair.p, pair.is_larger_than_spread) == ("a", None, None)
    assert "nobody knows" in pair.describe("loss")


def test_reach_is_where_the_gradient_falls_to_a_hundredth() -> None:
    layer = RNN(3, 3, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_ih_l0.copy_(torch.eye(3))  # type: ignore[arg-type]
        layer.weight_hh_l0.copy_(0.5 * torch.eye(3))  # type: ignore[arg-type]
    x = torch.zeros(20, 2, 3, dtype=torch.float64)
    assert gradient_reach(layer, lambda: layer(x)) == (7, 19)  # .5 ** 7 < .01 < .5 ** 6
    assert gradient_reach(layer, lambda: layer(x, lengths=[5, 3])) == (4, 4)
    assert gradient_reach(torch.nn.Linear(3, 3), lambda: None) is None


def test_saved_bytes_grow_with_the_steps() -> None:
    layer = LSTM(8, 16)

    def step(steps: int) -> int:
        return saved_bytes(lambda: layer(torch.zeros(steps, 4, 8))[0].sum().backward())

    assert step(40) > 1.8 * step(20) > 0


def test_saved_bytes_are_those_of_no_weights() -> None:
    weight, x = torch.nn.Parameter(torch.randn(400, 400)), torch.randn(2, 400, requires_grad=True)
    assert saved_bytes(lambda: (x @ weight.T).sum().backward()) == x.nbytes


def test_command(
    data: Path,
    compared: tuple[Comparison, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    options = ["--cells", "lstm", "--directions", "one,both", "--seeds", "2"]
    command = ["seqloom", "compare", str(data), *options, *settings, "--out", str(data.parent / "runs")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code in (0, None)
    printed = capsys.readouterr().out
    page = (data.parent / "runs" / "comparison.html").read_text()
    made_by = re.search(r"Made by <code>(.*?)</code>", page)
    assert made_by is not None
    for part in ("--cells lstm", "--equal parameters", "--seeds 2", "--set training.max_steps=4", "--out"):
        assert part in made_by[1]
    assert '"larger_than_spread"' in page
    assert (data.parent / "runs" / "lstm-one-0" / "report.html").exists()
    assert "lstm-both" in printed
    assert "target: " in printed


def test_the_page_is_sound(
    tmp_path: Path, compared: tuple[Comparison, list[str]], look_at: Callable[[Path], list[str]]
) -> None:
    assert look_at(write_comparison(tmp_path, compared[0], "seqloom compare reviews.csv")) == []


def test_a_cell_without_gates_has_no_chrono_init(data: Path, tmp_path: Path) -> None:
    options = {"cells": ["gru", "rnn"], "seeds": 1, "out": tmp_path / "runs"}
    settings = {**SETTINGS, "model.chrono_init": 20}
    comparison = compare(data, **options, settings=settings)  # type: ignore[arg-type]
    runs = {
        name: (tmp_path / "runs" / f"{name}-one-0" / "config.json").read_text() for name in ("gru", "rnn")
    }
    assert json.loads(runs["gru"])["model"]["chrono_init"] == 20
    assert json.loads(runs["rnn"])["model"]["chrono_init"] is None
    said = "1 seed; rnn-one without model.chrono_init, which needs gates."
    assert comparison.lines()[0].endswith(said)
    page = write_comparison(tmp_path / "runs", comparison, "seqloom compare")
    assert said in page.read_text()
    assert {row["cell_type"]: row["without_chrono_init"] for row in comparison.as_json()["variants"]} == {
        "gru": False,
        "rnn": True,
    }


def test_piano_rolls_have_another_width(tmp_path: Path) -> None:
    """A state for each key, whose width `hidden_size` is not."""
    rolls = [[[48, 64, 67], [53, 65, 69], [55, 62, 71]] * 3] * 4
    path = tmp_path / "rolls.json"
    path.write_text(json.dumps({"train": rolls, "validation": rolls, "test": rolls}))
    settings = {"training.max_steps": 1, "model.key_hidden_size": 12, "decoding.report_tunes": 0}
    log: list[str] = []
    options = {"cells": ["rnn", "lstm"], "seeds": 1, "out": tmp_path / "runs"}
    rnn, lstm = compare(path, settings=settings, log=log.append, **options).rows  # type: ignore[arg-type]
    assert (rnn.variant.hidden_size, lstm.variant.hidden_size < 12) == (12, True)
    assert abs(lstm.variant.parameters / rnn.variant.parameters - 1) < 0.1
    config = json.loads((tmp_path / "runs" / "lstm-one-0" / "config.json").read_text())
    assert config["model"]["key_hidden_size"] == lstm.variant.hidden_size
    assert f"run 2 of 2: training lstm-one-0, {lstm.variant.hidden_size} units" in log
