"""Claims 3, 4, 10 and 27: what a recurrence is, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from seqloom.inspection.claims.bench import Bench
from seqloom.inspection.claims.claim import Check, Finding, Picture, least, most
from seqloom.inspection.memory import MemorySettings
from seqloom.layers.recurrent import GRU, RNN

SEEDS = 3
SHORT = MemorySettings(max_steps=250, initialization="torch")
LAGS = (5, 80)
WIDTH = 256


def depends_on_the_past(bench: Bench) -> Finding:
    """3: shuffle the past, and see what changes at the last step."""
    del bench
    changes: dict[str, list[float]] = {"RNN": [], "feed-forward net": []}
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        layer, feed_forward = RNN(4, 16), nn.Sequential(nn.Linear(4, 16), nn.Tanh())
        x = torch.randn(20, 8, 4)
        shuffled = torch.cat([x[:-1][torch.randperm(19)], x[-1:]])
        nets: dict[str, Callable[[Tensor], Tensor]] = {
            "RNN": lambda x, layer=layer: layer(x)[0],
            "feed-forward net": feed_forward,
        }
        for name, net in nets.items():
            with torch.no_grad():
                changes[name].append(float((net(x)[-1] - net(shuffled)[-1]).abs().max()))
    return Finding(
        "20 random steps and the same with the first 19 shuffled, through an RNN and a feed-forward "
        "net of 16 "
        "units; how far the last output moves",
        (
            least("the RNN's output moves", changes["RNN"], 1e-3),
            most("the feed-forward net's", changes["feed-forward net"], 0.0),
        ),
        Picture("bars", (), {name: (max(values),) for name, values in changes.items()}, y_label="change"),
    )


def shares_parameters(bench: Bench) -> Finding:
    """4: parameters by length, and the shared weight's gradient as a sum over steps."""
    del bench
    layer = RNN(3, 8, dtype=torch.float64)
    counts = []
    for steps in (1, 10, 1000):
        layer(torch.zeros(steps, 1, 3, dtype=torch.float64))
        counts.append(float(sum(p.numel() for p in layer.parameters())))
    errors = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        x = torch.randn(12, 4, 3, dtype=torch.float64)
        layer.zero_grad()
        layer(x)[0].pow(2).sum().backward()
        copies = [layer.weight_hh_l0.detach().clone().requires_grad_() for _ in x]  # type: ignore[union-attr]
        h, total = torch.zeros(4, 8, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for step, weight in zip(x, copies, strict=True):
            h = torch.tanh(step @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ weight.T + layer.bias_hh_l0)  # type: ignore[operator, union-attr]
            total = total + h.pow(2).sum()
        total.backward()
        summed = torch.stack([weight.grad for weight in copies if weight.grad is not None]).sum(0)
        shared = layer.weight_hh_l0.grad  # type: ignore[union-attr]
        errors.append(float((summed - shared).norm() / shared.norm()))  # type: ignore[operator, union-attr]
    return Finding(
        "an RNN of 8 units over 1, 10 and 1,000 steps; then 12 steps with a copy of the recurrent "
        "weight each, "
        "whose gradients are added up, in float64",
        (
            Check("parameters between 1 and 1,000 steps differ by", max(counts) - min(counts), at_most=0),
            most("sum of the steps' gradients against the shared weight's, relative", errors, 1e-10),
        ),
        Picture("lines", (1, 10, 1000), {"parameters": tuple(counts)}, "steps", "parameters"),
    )


def is_slow_and_forgets(bench: Bench) -> Finding:
    """10: time by steps, and recall by lag."""
    layer = RNN(WIDTH, WIDTH)
    feed_forward = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Linear(WIDTH, WIDTH))
    x = torch.randn(1600, 1, WIDTH)
    rows = x.view(16, 100, WIDTH).transpose(0, 1).contiguous()
    with torch.no_grad():
        seconds = {steps: _fastest(lambda steps=steps: layer(x[:steps])) for steps in (100, 400, 1600)}
        beside = _fastest(lambda: layer(rows))
        at_once = _fastest(lambda: feed_forward(x))
    recall = [bench.memory("first-symbol", "rnn", lag, settings=SHORT).score for lag in LAGS]
    return Finding(
        f"an RNN of {WIDTH} units: one sequence of 100 to 1,600 steps, 16 sequences of 100 steps, and a "
        "feed-forward net with as many products over 1,600 inputs at once, the fastest of 9; RNNs trained "
        "250 steps to recall the first symbol",
        (
            Check(f"recall at lag {LAGS[0]}", recall[0], "accuracy", at_least=0.9),
            Check(f"recall at lag {LAGS[-1]}, by chance .25", recall[-1], "accuracy", at_most=0.4),
            Check(
                "one sequence of 1,600 steps over 16 of 100",
                seconds[1600] / beside,
                "times",
                at_least=1.5,
                wider=True,
            ),
            Check(
                "the RNN's time over the feed-forward net's",
                seconds[1600] / at_once,
                "times",
                at_least=2,
                wider=True,
            ),
        ),
        Picture(
            "lines",
            tuple(map(float, seconds)),
            {"RNN": tuple(1000 * value for value in seconds.values())},
            "steps",
            "milliseconds",
        ),
        "that time grows with the steps, as in the picture, is true of any net: slow is what waits, as one "
        "step for the one before it, while only other sequences can be computed; how much that costs depends "
        "on how many cores wait. Vanishing and exploding gradients: 11 to 14",
    )


def reads_both_ways(bench: Bench) -> Finding:
    """27: what each direction knows of which step."""
    del bench
    leaks, reached, twins = [], [], []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        layer = GRU(3, 6, bidirectional=True)
        x = torch.randn(11, 2, 3)
        changed = x.clone()
        changed[5] += 1
        with torch.no_grad():
            a, b = layer(x)[0], layer(changed)[0]
            one_way = GRU(3, 6)
            one_way.load_state_dict(
                {name: layer.state_dict()[f"{name}_reverse"] for name in one_way.state_dict()}
            )
            twins.append(float((one_way(x.flip(0))[0].flip(0) - a[..., 6:]).abs().max()))
        moved = (a - b).abs().amax(1)
        leaks.append(float(torch.maximum(moved[:5, :6].max(), moved[6:, 6:].max())))
        reached.append(float(torch.minimum(moved[5:, :6].amax(1).min(), moved[:6, 6:].amax(1).min())))
    return Finding(
        "a bidirectional GRU over 11 steps, the middle one changed: which half of the output moves "
        "where; and "
        "its reverse half against a one-way GRU that reads the sequence reversed",
        (
            most("what moves before the change in one direction, after it in the other", leaks, 0.0),
            least(
                "what moves at least at each step from it on, in the direction that reads it", reached, 1e-6
            ),
            most("the reverse half against the reversed one-way layer", twins, 1e-6),
        ),
    )


def _fastest(run: Callable[[], object], repeats: int = 9) -> float:
    """Seconds of the fastest of some runs: what else the machine does can only add."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times[1:])
