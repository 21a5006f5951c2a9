"""Claims 11 to 14: gradients that vanish, and that explode."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Finding, Picture, least, most
from seqloom.inspection.claims.jacobians import norms_by_lag, random_weight
from seqloom.inspection.claims.statements.long_lags import CHANCE, FASTER, GATED, LAG, plain_rnns
from seqloom.inspection.memory import PROBLEMS
from seqloom.inspection.memory.training import MemoryModel
from seqloom.layers.recurrent import RNN

SEEDS, UNITS, STEPS = 3, 64, 100
FAR = 200
GONE = 1e30
"""What a loss or norm counts as that is no finite number"""


def vanishes(bench: Bench) -> Finding:
    """11: the gradient by lag, and a task with that lag."""
    ratios, curve = [], torch.empty(0)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        layer = RNN(8, UNITS, dtype=torch.float64)
        norms = norms_by_lag(layer.weight_hh_l0, torch.randn(STEPS, UNITS, dtype=torch.float64) / 8)  # type: ignore[arg-type]
        ratios.append(float(norms[-1] / norms[0]))
        curve = norms
    scores = [run.score for run in plain_rnns(bench)]
    orthogonal = [run.score for run in plain_rnns(bench, GATED)]
    faster = [run.score for run in plain_rnns(bench, FASTER)]
    return Finding(
        f"the Jacobian product of an RNN of {UNITS} units over {STEPS} steps, as torch.nn initializes "
        f"it; RNNs trained at most {GATED.max_steps} steps to recall a symbol {LAG} steps later, 3 seeds, "
        f"at a rate of {GATED.learning_rate:g} and of {FASTER.learning_rate:g}",
        (
            most(f"what {STEPS} steps leave of the gradient", ratios, 1e-6),
            most(f"recall after {LAG} steps, by chance .25", scores, CHANCE, "accuracy"),
            most("the same with an orthogonal recurrent weight", orthogonal, CHANCE, "accuracy", wider=True),
            most("the same at the higher rate", faster, CHANCE, "accuracy", wider=True),
        ),
        _by_lag({"RNN": curve}),
        "an orthogonal recurrent weight keeps the norm of a gradient; what a plain RNN learns depends on "
        "that, and on the learning rate",
    )


def shrinks_exponentially(bench: Bench) -> Finding:
    """12: the exponent against the spectral radius, and what singular values do first."""
    del bench
    errors, peaks, safe, curves = [], [], [], {}
    for seed in range(SEEDS):
        for radius in (0.5, 0.9):
            weight = random_weight(UNITS, radius, seed)
            norms = norms_by_lag(weight, torch.zeros(FAR, UNITS, dtype=torch.float64))
            errors.append(abs(_slope(norms) / math.log(radius) - 1))
            curves[f"radius {radius}"] = norms
        peaks.append(float(norms_by_lag(random_weight(UNITS, 0.9, seed), _zeros(20)).max()))
        small = weight * 0.9 / torch.linalg.matrix_norm(weight, 2)
        safe.append(float(norms_by_lag(small, _zeros(20)).max()))
    return Finding(
        f"products of a random recurrent weight of {UNITS} units, radius .5 and .9, over {FAR} steps, "
        "3 seeds: "
        "the slope of the norm's logarithm; and the largest norm on the way",
        (
            most("the slope against log(radius), relative", errors, 0.1),
            most("largest norm where the largest singular value is .9", safe, 0.9 + 1e-9),
            most("largest norm where only the radius is .9", peaks, 1.0, wider=True),
        ),
        _by_lag(curves),
        "a radius below 1 decides the end, not the way: it is the singular values that must be below 1 for "
        "every step to shrink a gradient",
    )


def grows_exponentially(bench: Bench) -> Finding:
    """14: the same above 1, and what tanh makes of it."""
    del bench
    errors, tanh, curves = [], [], {}
    for seed in range(SEEDS):
        weight = random_weight(UNITS, 1.2, seed)
        norms = norms_by_lag(weight, _zeros(FAR))
        errors.append(abs(_slope(norms) / math.log(1.2) - 1))
        generator = torch.Generator().manual_seed(seed)
        driven = torch.randn(STEPS, UNITS, dtype=torch.float64, generator=generator)
        saturated = norms_by_lag(weight, driven)
        tanh.append(float(saturated[-1]) / 1.2**STEPS)
        curves = {"linear": norms[:STEPS], "tanh, with inputs": saturated}
    return Finding(
        f"products of a random recurrent weight of {UNITS} units and radius 1.2 over {FAR} steps, 3 "
        "seeds; and "
        f"the Jacobian product over {STEPS} steps of a tanh RNN with that weight and random inputs",
        (
            most("the slope against log(1.2), relative", errors, 0.1),
            least(f"the tanh RNN's growth over 1.2^{STEPS}", tanh, 0.1, wider=True),
        ),
        _by_lag(curves),
        "a tanh that saturates has slopes below 1: a radius above 1 is needed for an explosion, and "
        "not enough",
    )


def explodes(bench: Bench) -> Finding:
    """13: a training that breaks, and the same with clipping."""
    del bench
    runs = {clip: [_train_exploding(seed, clip) for seed in range(SEEDS)] for clip in (None, 1.0)}
    norms = [max(run[1]) for run in runs[None]]
    broken = [min(GONE, run[0][-1] / run[0][0]) for run in runs[None]]
    clipped = [run[0][-1] / run[0][0] for run in runs[1.0]]
    return Finding(
        "an RNN of 32 rectified units whose recurrent weight begins as the identity, on the adding "
        "task over 50 "
        "steps: 60 steps of SGD at a rate of .01, without and with clipping to norm 1, 3 seeds; "
        "1e30: not finite",
        (
            least("largest norm of the gradient", norms, 1e3),
            least("last loss over first without clipping", broken, 10.0, "times"),
            least("the same with clipping", clipped, 10.0, "times", wider=True),
        ),
        Picture(
            "lines",
            tuple(map(float, range(len(runs[1.0][0][0])))),
            {"without clipping": tuple(runs[None][0][0]), "clipped": tuple(runs[1.0][0][0])},
            "step",
            "loss",
            log=True,
        ),
        "clipping the norm is enough for the training to go on",
    )


def _train_exploding(seed: int, clip: float | None) -> tuple[list[float], list[float]]:
    """Losses and norms of each step; what is not finite is 1e30, and ends it."""
    problem = PROBLEMS["adding"]
    torch.manual_seed(seed)
    model = MemoryModel(problem, "rnn", 32)
    model.layer = RNN(2, 32, nonlinearity="relu")
    with torch.no_grad():
        model.layer.weight_hh_l0.copy_(torch.eye(32))  # type: ignore[operator]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses: list[float] = []
    norms: list[float] = []
    for step in range(60):
        examples = problem.examples(32, 50, 1000 * seed + step)
        optimizer.zero_grad()
        loss = problem.loss(model(examples.input), examples.targets)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), clip or float("inf")))
        losses.append(min(float(loss.detach()), GONE) if math.isfinite(loss.detach()) else GONE)
        norms.append(min(norm, GONE) if math.isfinite(norm) else GONE)
        if GONE in (losses[-1], norms[-1]):
            losses += [GONE] * (59 - step)
            break
        optimizer.step()
    return losses, norms


def _slope(norms: Tensor, first: int = 50) -> float:
    """Of the logarithm, from the lag `first` on: before it the singular values have their say."""
    y = norms[first:].log()
    x = torch.arange(len(y), dtype=y.dtype)
    x = x - x.mean()
    return float((x * (y - y.mean())).sum() / x.pow(2).sum())


def _zeros(steps: int) -> Tensor:
    return torch.zeros(steps, UNITS, dtype=torch.float64)


def _by_lag(curves: dict[str, Tensor]) -> Picture:
    series = {name: tuple(norms.tolist()) for name, norms in curves.items()}
    longest = max(map(len, series.values()))
    lags = tuple(map(float, range(1, longest + 1)))
    return Picture("lines", lags, series, "lag in steps", "norm of the gradient", log=True)
