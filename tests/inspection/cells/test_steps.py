"""The cell, step by step: its numbers are those of the layer, and they add up."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import seqloom
from seqloom.inspection.cells import cell_stepper
from seqloom.layers.tracing import record
from seqloom.pages import render_page, section


def trace_unit(layer: torch.nn.Module, steps: int, unit: int) -> dict[str, list[float]]:
    with record(layer) as recording, torch.no_grad():
        layer(torch.randn(steps, 1, 3))
    return {
        name.rpartition(".")[2]: values[:, 0, unit].tolist() for name, values in recording.values().items()
    }


def numbers_of(line: str) -> list[float]:
    return [float(word.replace("−", "-")) for word in re.findall(r"−?\d\.\d{3}", line)]


def test_the_numbers_of_an_lstm_add_up() -> None:
    page = cell_stepper("lstm", "hello", trace_unit(seqloom.LSTM(3, 4), 5, 2), title="An LSTM")
    lines = re.findall(r'<p class="mono">(c = .*?)</p>', page)
    assert len(lines) == 5
    for line in lines:
        f, before, i, g, after = numbers_of(line)
        assert f * before + i * g == pytest.approx(after, abs=2e-3)  # of numbers rounded to 3 places
    afters = [numbers_of(line)[-1] for line in lines]
    assert [numbers_of(line)[1] for line in lines] == [0.0, *afters[:-1]]


def test_the_numbers_of_a_gru_add_up() -> None:
    page = cell_stepper("gru", "hello", trace_unit(seqloom.GRU(3, 4), 5, 1), title="A GRU")
    for line in re.findall(r'<p class="mono">(h = .*?)</p>', page):
        z, before, rest, n, after = numbers_of(line.replace("(1 − z)", ""))
        assert z + rest == pytest.approx(1, abs=2e-3)  # of numbers rounded to 3 places
        assert z * before + rest * n == pytest.approx(after, abs=2e-3)


def test_many_steps_are_cut_and_said() -> None:
    values = trace_unit(seqloom.GRU(3, 4), 40, 0)
    assert "The first 24 of 40 steps." in cell_stepper("gru", "a" * 40, values, title="t")


def test_a_cell_without_a_picture_is_one_line() -> None:
    with pytest.raises(seqloom.ConfigError, match=r"cell must be one of lstm, gru\. Got rnn\.$"):
        cell_stepper("rnn", "a", {"hidden": [0.1]}, title="t")


def test_it_is_gone_through_by_keyboard(tmp_path: Path, browser: Any) -> None:
    pictures = [
        cell_stepper(cell, "abc", trace_unit(layer, 3, 0), title=cell)
        for cell, layer in (("lstm", seqloom.LSTM(3, 4)), ("gru", seqloom.GRU(3, 4)))
    ]
    path = tmp_path / "page.html"
    path.write_text(render_page("Cells", [section("Steps", *pictures)]), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("output").first.inner_text() == "1: b"
    page.close()
