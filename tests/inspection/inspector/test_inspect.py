"""`seqloom inspect`: connectivity against autograd, planted units, matches, differences, and the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

import seqloom
from seqloom.inspection.inspector import inspect
from seqloom.inspection.inspector.connectivity import measure_connectivity
from seqloom.inspection.inspector.page import draw_inspection
from seqloom.inspection.inspector.properties import Property, find_properties, matching
from seqloom.inspection.inspector.units import best_units, follow, match_units, select_units
from seqloom.inspection.inspector.words import describe, to_json
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack

TEXT = 'he said "a quick fox" and she said "no, not now" to him.\nthen "so be it" he said, and ran off.'


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Predictor:
    """A language model, trained for a moment."""
    folder = tmp_path_factory.mktemp("writer")
    (folder / "text.txt").write_text((TEXT + "\n") * 30)
    settings = {"model.hidden_size": 16, "model.num_layers": 1, "model.cell_type": "lstm"}
    settings |= {"training.max_steps": 20, "training.batch_size": 4, "training.window": 16}
    return seqloom.train(folder / "text.txt", settings=settings, out=folder / "run")


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> seqloom.Predictor:
    """A translator with attention and a bidirectional encoder, trained for a moment."""
    folder = tmp_path_factory.mktemp("translator")
    (folder / "pairs.tsv").write_text("source\ttarget\n" + "a red dog\tka bo su\na cat runs\tka mi ru\n" * 20)
    settings = {"model.hidden_size": 8, "model.num_layers": 1, "training.max_steps": 3}
    return seqloom.train(folder / "pairs.tsv", task="translate", settings=settings, out=folder / "run")


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_connectivity_is_the_norm_of_the_jacobian(cell: str, bidirectional: bool) -> None:
    config = RecurrentConfig(cell, hidden_size=4, num_layers=2, bidirectional=bidirectional)
    stack, x = RecurrentStack(3, config).double().eval(), torch.randn(7, 1, 3, dtype=torch.float64)
    norms = measure_connectivity(stack, x)
    jacobian = torch.autograd.functional.jacobian(lambda value: stack(value)[0], x)
    expected = jacobian.square().sum((1, 2, 4, 5)).sqrt()
    torch.testing.assert_close(norms, expected, rtol=1e-9, atol=1e-12)
    assert bool((norms.triu(1) == 0).all()) is not bidirectional


def test_connectivity_of_many_units_is_estimated() -> None:
    stack, x = RecurrentStack(3, RecurrentConfig("gru", hidden_size=32)).eval(), torch.randn(70, 1, 3)
    exact = measure_connectivity(stack, x, num_directions=32)
    estimated = measure_connectivity(stack, x, num_directions=8)
    seen = exact > 1e-3 * exact.max()
    ratio = estimated[seen] / exact[seen]
    # The same 8 of 32 directions for all pairs.
    assert 0.7 < ratio.median() < 1.4
    assert 0.2 < ratio.min() < ratio.max() < 2.0


def test_connectivity_goes_on_from_a_state() -> None:
    stack, x = RecurrentStack(3, RecurrentConfig("lstm", hidden_size=4)).eval(), torch.randn(6, 1, 3)
    _, state = stack(x[:2])
    torch.testing.assert_close(
        measure_connectivity(stack, x[2:], state),
        measure_connectivity(stack, x)[2:, 2:],
        rtol=1e-4,
        atol=1e-6,
    )


def test_a_planted_unit_is_the_one_that_follows_a_property() -> None:
    steps = list(TEXT)
    generator = numpy.random.default_rng(0)
    values = generator.normal(size=(len(steps), 20))
    quotes = next(one for one in find_properties(steps) if one.name == "inside quotes")
    values[:, 7] = -quotes.values + generator.normal(size=len(steps)) * 0.1
    best = best_units({"layers.0.cell": values}, [quotes])[0]
    assert (best.name, best.unit, best.sign, best.is_held_out) == ("layers.0.cell", 7, -1, True)
    assert best.score > 0.95


def test_the_luckiest_of_many_random_units_scores_little_on_other_steps() -> None:
    values = numpy.random.default_rng(1).normal(size=(len(TEXT) * 4, 300))
    scores = best_units({"layers.0.hidden": values}, find_properties(list(TEXT * 4)))
    assert all(one.score < 0.35 for one in scores)
    assert numpy.mean([one.chosen_by - one.score for one in scores]) > 0.1


def test_properties_of_a_text() -> None:
    named = {one.name: one for one in find_properties(list(TEXT))}
    inside = "".join(c for c, value in zip(TEXT, named["inside quotes"].values, strict=True) if value)
    assert inside == "a quick foxno, not nowso be it"
    assert named["position in the line"].values[TEXT.index("\n") + 1] == 0
    words = ["The", "cat", "(", "a", "big", "Tom", "2", ")", "sat"] * 6
    assert {"inside ( )", "upper case", "digit"} <= {one.name for one in find_properties(words)}
    labels = ["O", "B-PER", "O"] * 18
    assert "label B-PER" in {one.name for one in find_properties(words, labels)}


def test_ties_share_their_rank() -> None:
    late = Property("late", numpy.array([0.0, 0.0, 1.0, 1.0]))
    assert follow(numpy.zeros((4, 1)), late).tolist() == [0.0]
    rising = Property("rising", numpy.arange(4.0), is_number=True)
    assert follow(numpy.array([[0.0], [1.0], [4.0], [9.0]]), rising).tolist() == [1.0]


def test_a_selection_finds_its_units_and_where_else_they_are_on() -> None:
    values = numpy.zeros((20, 4))
    values[3:6, 0] = values[12:15, 0] = 1.0
    values[3:6, 1] = values[12:14, 1] = -1.0
    values[:, 2] = 1.0  # always on: not of the selection
    assert select_units(values, 3, 6) == [0, 1]
    (match,) = match_units(values, [0, 1], 3, 6)
    assert (match.start, match.end, match.share) == (12, 15, 1.0)
    assert select_units(values, 8, 9) == [2]  # none is on there alone


def test_an_inspection_of_a_language_model(writer: seqloom.Predictor) -> None:
    result = inspect(
        writer, TEXT[:80], unit="layers.0.cell.3", select=(9, 12), other=TEXT[:5] + "n" + TEXT[6:80]
    )
    norms = result.connectivity
    assert norms is not None
    assert norms.shape == (80, 80)
    assert (numpy.triu(norms, 1) == 0).all()
    assert (numpy.diag(norms) > 0).all()
    assert result.unit == ("layers.0.cell", 3)
    assert result.selection is not None
    expected = result.expected
    assert expected is not None
    assert len(expected.likely) == 80
    assert all(abs(sum(row)) <= 1 + 1e-5 for row in expected.probabilities)  # float32
    running = expected.running
    assert running is not None
    assert "".join(running.came) == TEXT[20:80]
    assert len(running.forced) == len(running.came)
    other = result.other
    assert other is not None
    assert "".join(other.steps[step] for step in other.changed) == "n"
    distance = other.distance["layers.0.hidden"]
    assert distance[:5] == [0.0] * 5  # before the change
    assert max(distance) > 0


def test_what_a_model_expects_is_what_it_is_scored_by(writer: seqloom.Predictor) -> None:
    result = inspect(writer, TEXT)
    assert result.expected is not None
    tokens = writer.preparation.encode(TEXT)
    logits, _ = writer.model(torch.tensor([tokens]))
    nats = nn.functional.cross_entropy(logits[0, :-1], torch.tensor(tokens[1:]), reduction="none")
    torch.testing.assert_close(torch.tensor(result.expected.nats[:-1]), nats.detach(), rtol=1e-4, atol=1e-5)


def test_an_inspection_of_a_translator(translator: seqloom.Predictor) -> None:
    result = inspect(translator, "a red dog", target="ka bo su")
    assert "attention" in result.trace
    assert result.connectivity is not None
    assert result.connected_stack.startswith("encoder")
    assert (result.connectivity > 0).all()  # it reads both ways
    running = result.expected and result.expected.running
    assert running is not None
    assert running.came[:3] == ["ka", "bo", "su"]
    assert running.told == 0
    lines = list(describe(result))
    assert any(line.startswith("told what came, first wrong: ") for line in lines)


def test_json_is_json(writer: seqloom.Predictor) -> None:
    content = json.loads(json.dumps(to_json(inspect(writer, TEXT[:60], select=(2, 5))), allow_nan=False))
    assert content["steps"] == list(TEXT[:60])
    assert content["depends"][0][0][0] == 0
    assert content["values"]["layers.0.cell"] == [60, 16]


def test_the_page_works_in_a_browser(
    writer: seqloom.Predictor, tmp_path: Path, browser: Any, look_at: Callable[[Path], list[str]]
) -> None:
    path = tmp_path / "page.html"
    evil = "<script>alert(1)</script>"
    (tmp_path / "seen").mkdir()
    result = inspect(writer, TEXT, other=TEXT[:5] + "n" + TEXT[6:])
    path.write_text(draw_inspection(result._replace(value=evil)), encoding="utf-8")
    assert evil not in path.read_text()
    assert path.stat().st_size < 500_000
    assert look_at(path) == []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.as_uri())
    text = page.locator(".reader .text")
    text.focus()
    page.keyboard.press("Home")
    says = page.locator(".reader .says")
    assert says.inner_text().startswith("Step 0, “h”. Depends most on 0 “h”")
    page.keyboard.press("ArrowRight")
    assert says.inner_text().startswith("Step 1, “e”.")
    page.locator(".pick").first.click()
    assert page.locator(".modes button[aria-pressed=true]").inner_text() == "a unit"
    picked = page.locator(".pick").first
    values = result.trace[picked.get_attribute("data-value")].numpy()
    text.focus()
    page.keyboard.press("Home")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    units = select_units(values, 0, 3)
    found = page.locator(".reader .found")
    assert found.inner_text().startswith("On in steps 0–2 “he\u00a0”")
    assert f": {', '.join(map(str, units[:20]))}" in found.inner_text() or not units
    matches = match_units(values, units, 0, 3)
    assert page.locator(".matches button").count() == len(matches)
    page.locator(".found input[type=text]").fill("begins")
    page.get_by_text("keep the note").click()
    assert "begins: 0–2" in found.inner_text()
    page.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "layers.0.cel.3"}, r"^--unit: expected the name of a value.*Did you mean"),
        (
            {"unit": "layers.0.cell"},
            r"^--unit: expected a value and the number of a unit.*layers\.0\.cell\.0",
        ),
        ({"unit": "layers.0.cell.16"}, r"has units 0 to 15"),
        ({"select": (5, 500)}, r"^--select: expected steps from 0 to 60, as in 0:60\. Got 5:500\.$"),
        ({"property": "("}, r"^--property: expected a regular expression"),
        (
            {"property": "zzz"},
            r"^--property: expected what matches a part of the input\. Got zzz, which matches none",
        ),
        ({"target": "x"}, r"a target is for a model with a decoder"),
    ],
)
def test_mistakes_are_one_line(writer: seqloom.Predictor, options: dict[str, Any], message: str) -> None:
    with pytest.raises(seqloom.ConfigError, match=message):
        inspect(writer, TEXT[:60], **options)


def test_a_score_that_flatters_is_said_to(writer: seqloom.Predictor) -> None:
    short, long = (draw_inspection(inspect(writer, value)) for value in (TEXT[:9], TEXT * 3))
    assert "on the steps that it was chosen by, which flatters it." in short
    assert "on the steps that it was chosen by" not in long


def test_a_property_of_ones_own() -> None:
    assert matching(list("aa fox"), "fox").values.tolist() == [0, 0, 0, 1, 1, 1]
    assert matching(["the ", "fox ", "ran"], r"fox").values.tolist() == [0, 1, 0]
