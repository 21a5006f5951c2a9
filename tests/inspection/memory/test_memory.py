"""Memory tasks: what is asked, what chance scores, and that gates make the difference."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError
from seqloom.inspection.memory import PROBLEMS, MemorySettings, Problem, train_memory
from seqloom.inspection.memory.problems.copying import MARK

LAG = 20
MANY = 4000


@pytest.fixture(params=PROBLEMS.values(), ids=PROBLEMS)
def problem(request: pytest.FixtureRequest) -> Problem:
    return request.param


def test_examples_are_those_of_their_seed(problem: Problem) -> None:
    once, again, other = (problem.examples(8, LAG, seed) for seed in (1, 1, 2))
    torch.testing.assert_close(once, again, rtol=0, atol=0)
    assert not torch.equal(once.input, other.input)
    assert once.input.shape[1:] == (8, problem.input_size)
    with torch.device("meta"):
        assert problem.examples(8, LAG, 1).input.device.type == "cpu"


def test_chance_is_what_the_best_constant_answer_scores(problem: Problem) -> None:
    """Within four standard deviations of what 4,000 draws give."""
    targets = problem.examples(MANY, LAG, 3).targets
    if problem.output_size == 1:
        constant = torch.ones_like(targets).unsqueeze(-1)
        assert abs(problem.score(constant, targets) - problem.chance) < 0.012
        return
    scores = []
    for answer in range(problem.output_size):
        outputs = torch.zeros(*targets.shape, problem.output_size)
        outputs[..., answer] = 1
        scores.append(problem.score(outputs, targets))
    assert abs(max(scores) - problem.chance) < 0.035
    assert abs(sum(scores) - 1) < 1e-9  # every target is a class


def test_what_is_asked() -> None:
    adding = PROBLEMS["adding"].examples(16, LAG, 0)
    numbers, marks = adding.input.unbind(-1)
    assert marks.sum(0).tolist() == [2.0] * 16
    assert marks[: LAG // 2].sum(0).tolist() == [1.0] * 16
    torch.testing.assert_close((numbers * marks).sum(0), adding.targets[0])
    copying = PROBLEMS["copying"].examples(16, LAG, 0)
    torch.testing.assert_close(copying.input[:10].argmax(-1), copying.targets)
    assert copying.input.shape[0] == LAG + 10
    assert copying.input[LAG].argmax(-1).tolist() == [MARK] * 16
    first = PROBLEMS["first-symbol"].examples(16, LAG, 0)
    torch.testing.assert_close(first.input[0].argmax(-1), first.targets[0])
    assert int(first.input[1:].argmax(-1).min()) >= 4
    parity = PROBLEMS["parity"].examples(16, LAG, 0)
    torch.testing.assert_close((parity.input[..., 0] > 0).sum(0) % 2, parity.targets[0])
    order = PROBLEMS["temporal-order"].examples(16, LAG, 0)
    symbols = order.input.argmax(-1)
    for row, target in enumerate(order.targets[0].tolist()):
        marked = [int(symbol) - 4 for symbol in symbols[:-1, row] if symbol >= 4]
        assert marked == [target // 2, target % 2]


def test_gates_made_for_the_lag_learn_it_and_those_of_torch_do_not() -> None:
    few = MemorySettings(max_steps=200, validate_every=20)
    learnt = train_memory("first-symbol", "gru", 30, seed=1, settings=few)
    plain = train_memory("first-symbol", "gru", 30, seed=1, settings=few._replace(initialization="torch"))
    assert learnt.solved
    assert learnt.score > 0.95
    assert learnt.steps < 200  # it stops where it is solved
    assert not plain.solved
    assert plain.score < 0.4
    assert plain.steps == 200
    assert learnt.chance == 0.25
    assert learnt.history[-1][0] == learnt.steps


def test_a_training_is_that_of_its_seed() -> None:
    settings = MemorySettings(max_steps=3)
    once, again, other = (train_memory("adding", "lstm", 8, seed=s, settings=settings) for s in (0, 0, 1))
    assert once.score == again.score != other.score


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("adding", "lstm", 1), {}, r"^memory task adding: lag must be an int >= 2\. Got 1\.$"),
        (("copying", "lstm", 9), {}, r"^memory task copying: lag must be an int >= 10\. Got 9\.$"),
        (("ading", "lstm", 9), {}, r"^memory task: unknown task `ading`\. Did you mean `adding`\?$"),
        (("adding", "lsmt", 9), {}, r"^memory task adding: cell_type must be one of .*\. Got lsmt\.$"),
        (
            ("adding", "lstm", 9),
            {"initialization": "zeros"},
            r"^memory task adding: initialization must be long-memory or torch\. Got zeros\.$",
        ),
    ],
)
def test_mistakes(arguments: tuple[str, str, int], settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_memory(*arguments, settings=MemorySettings(**settings))  # type: ignore[arg-type]
