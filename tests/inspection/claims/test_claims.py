"""Claims: every one has a measurement, verdicts follow from thresholds, nothing holds that was not run."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import typer

from seqloom.cli.inspection.claims import command
from seqloom.errors import ConfigError
from seqloom.inspection.claims import CLAIMS, Check, Claim, Finding, Outcome, Verdict, run_claims, running
from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import judge, least, most
from seqloom.inspection.claims.jacobians import norms_by_lag, random_weight, state_gradient_by_lag
from seqloom.inspection.claims.report import claims_json, counts, outcome_lines, summary
from seqloom.inspection.claims.sliders import forget_positions
from seqloom.inspection.claims.statements import long_lags, recurrence
from seqloom.layers.recurrent import GRU, LSTM, RNN

PASSED, FAILED = Check("a", 2.0, at_least=1.0), Check("b", 0.0, at_least=1.0)
WIDER = FAILED._replace(wider=True)
EXPECTED = {
    **dict.fromkeys((3, 4, 19, 20, 21, 24), Verdict.HOLDS),
    **dict.fromkeys((17, 18, 23, 27), Verdict.SHOWN),
    **dict.fromkeys((12, 14), Verdict.IN_PART),
}
"""Of claims that are exact on every machine"""


def make_deaf(*arguments: Any, **named: Any) -> GRU:
    """A GRU whose answer has nothing to do with its input."""
    layer = GRU(*arguments, **named)
    layer.register_forward_pre_hook(lambda module, inputs: (torch.zeros_like(inputs[0]), *inputs[1:]))
    return layer


def test_all_34_have_a_measurement_of_their_own() -> None:
    assert list(CLAIMS) == list(range(1, 35))
    assert len({claim.measure for claim in CLAIMS.values()}) == 34
    for number, claim in CLAIMS.items():
        assert re.match(rf"{number}: ", claim.measure.__doc__ or ""), claim
        assert claim.sentence.endswith(".")


def test_exact_claims(exact: list[Outcome]) -> None:
    assert {outcome.claim.number: outcome.verdict for outcome in exact} == EXPECTED
    assert [outcome.claim.number for outcome in exact[:2]] == [12, 14]  # half-true ones come first
    for outcome in exact:
        assert outcome.finding.ran
        assert outcome.finding.checks


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ((PASSED,), Verdict.HOLDS),
        ((PASSED, WIDER), Verdict.IN_PART),
        ((PASSED, FAILED), Verdict.FAILS),
        ((FAILED, PASSED._replace(wider=True)), Verdict.FAILS),
        ((Check("not a number", math.nan, at_least=0.0),), Verdict.FAILS),
        ((), Verdict.FAILS),
    ],
)
def test_the_verdict_follows_from_the_thresholds(checks: tuple[Check, ...], verdict: Verdict) -> None:
    claim = Claim(1, "A sentence.", lambda bench: Finding("", checks))
    assert judge(claim, Finding("", checks)) == verdict
    if verdict == Verdict.HOLDS:
        assert judge(claim._replace(is_thing=True), Finding("", checks)) == Verdict.SHOWN


def test_of_several_seeds_the_least_favorable_counts() -> None:
    assert not least("recall", [0.99, 0.8, 0.95], 0.9).passed
    assert not most("error", [0.0, 0.2], 0.1).passed
    assert not least("recall", [0.99, math.nan], 0.9).passed
    assert not most("error", [0.0, math.nan], 0.1).passed
    check = least("recall", [0.99, 0.91], 0.9, "accuracy")
    assert check.describe() == "recall: 0.91 accuracy [0.91, 0.99] (at least 0.9)"
    assert Check("blocks", 5, at_least=4, at_most=4).describe() == "blocks: 5 (exactly 4: not reached)"


def test_what_is_compared_at_a_long_lag_differs_in_its_beginning_alone() -> None:
    """The same rate and as many steps for the cell that is said to learn and for the other."""
    assert long_lags.PLAIN._replace(initialization=long_lags.GATED.initialization) == long_lags.GATED


def test_a_direction_that_reads_nothing_fails_its_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recurrence, "GRU", make_deaf)
    finding = CLAIMS[27].measure(Bench(Path()))
    assert judge(CLAIMS[27], finding) == Verdict.FAILS


def test_what_lacks_a_package_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(bench: Bench) -> Finding:
        raise ConfigError("transformers", "this package is needed and not installed")

    monkeypatch.setattr(running, "CLAIMS", {30: CLAIMS[30]._replace(measure=measure)})
    [outcome] = run_claims([30])
    assert outcome.verdict == Verdict.NOT_RUN
    assert outcome.figure is None
    assert "needed and not installed" in "\n".join(outcome_lines(outcome))
    assert counts([outcome])["not run"] == 1
    assert summary([outcome]).startswith("1 claim: 1 not run")


def test_an_error_ends_its_own_claim_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(bench: Bench) -> Finding:
        raise ZeroDivisionError("division by zero")

    claims = {24: CLAIMS[24]._replace(measure=measure), 20: CLAIMS[20]}
    monkeypatch.setattr(running, "CLAIMS", claims)
    broken, whole = sorted(run_claims([24, 20]), key=lambda outcome: -outcome.claim.number)
    assert (broken.verdict, broken.finding.note) == (Verdict.NOT_RUN, "ZeroDivisionError: division by zero")
    assert whole.verdict == Verdict.HOLDS
    command(["20"], out=None, compare=False, overwrite=False, as_json=True)
    with pytest.raises(typer.Exit) as ended:
        command(["24", "20"], out=None, compare=False, overwrite=False, as_json=True)
    assert ended.value.exit_code == 1


def test_claims_as_json(exact: list[Outcome]) -> None:
    values = claims_json(exact)
    assert values["counts"]["holds in part"] == 2
    first = values["claims"][0]
    assert (first["number"], first["verdict"]) == (12, "holds in part")
    assert first["command"] == "seqloom claims 12"
    assert [check["passed"] for check in first["checks"]] == [True, True, False]


@pytest.mark.parametrize("number", [0, 35])
def test_numbers_are_those_of_the_chapter(number: int) -> None:
    with pytest.raises(ConfigError, match=rf"^claims: a number must be 1 to 34\. Got {number}\.$"):
        run_claims([number])


def test_jacobian_products_are_those_of_autograd() -> None:
    """The norm of the product of Jacobians, against torch.autograd's Jacobian of the steps."""
    weight = random_weight(6, 0.9, seed=1)
    inputs = torch.randn(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    h, states = torch.zeros(6, dtype=torch.float64), []
    for x in inputs:
        states.append(h)
        h = torch.tanh(weight @ h + x)

    def run(start: torch.Tensor, first: int) -> torch.Tensor:
        for x in inputs[first:]:
            start = torch.tanh(weight @ start + x)
        return start

    for lag, norm in enumerate(norms_by_lag(weight, inputs), 1):
        first = 5 - lag
        jacobian = torch.autograd.functional.jacobian(lambda h, first=first: run(h, first), states[first])
        torch.testing.assert_close(norm, torch.linalg.matrix_norm(jacobian, 2))


def test_the_gradient_of_a_linear_recurrence_is_a_power() -> None:
    layer = RNN(2, 3, dtype=torch.float64)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.weight_hh_l0.copy_(0.5 * torch.eye(3))  # type: ignore[operator]
    gradient = state_gradient_by_lag(layer, torch.zeros(4, 1, 2, dtype=torch.float64))
    torch.testing.assert_close(gradient, torch.tensor([1, 0.5, 0.25, 0.125], dtype=torch.float64))


def test_the_gradient_with_a_cell_holds_both_states() -> None:
    layer = LSTM(2, 3, dtype=torch.float64)
    gradient = state_gradient_by_lag(layer, torch.randn(4, 1, 2, dtype=torch.float64))
    assert gradient.shape == (4,)
    torch.testing.assert_close(gradient[0], torch.ones((), dtype=torch.float64))


def test_a_forget_gate_keeps_its_power_of_a_cell() -> None:
    for position in forget_positions():
        value, cell = float(position.name), position.curves["cell"]
        assert abs(cell[9] - value**10) < 1e-9
