"""Pooling against its definition, row by row, with padding that has no influence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from seqloom.errors import ConfigError, DataError
from seqloom.layers.pooling import KINDS, Pooling, PoolingKind
from seqloom.layers.recurrent import GRU

LENGTHS = [5, 2, 7, 1]


def outputs(width: int = 6) -> Tensor:
    """(7, 4, width) float64, with values in the padding too."""
    return torch.randn(7, 4, width, dtype=torch.float64)


def by_hand(pooling: Pooling, kind: PoolingKind, row: Tensor) -> Tensor:
    """A row (T, H) without padding, pooled as the equations say."""
    if kind == "last":
        half = row.shape[1] // 2
        return torch.cat([row[-1, :half], row[0, half:]]) if pooling.bidirectional else row[-1]
    if kind == "mean":
        return sum(row) / len(row)  # type: ignore[return-value]
    if kind == "max":
        return torch.stack([max(unit) for unit in row.t()])
    scores = [pooling.query @ torch.tanh(pooling.key.weight @ h + pooling.key.bias) for h in row]
    weights = torch.stack(scores).exp()
    return sum(weight * h for weight, h in zip(weights / weights.sum(), row, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_matches_its_equation_over_valid_steps(kind: PoolingKind, bidirectional: bool) -> None:
    pooling, output = Pooling(6, [kind], bidirectional).double(), outputs()
    pooled = pooling(output, LENGTHS)
    expected = [by_hand(pooling, kind, output[:length, row]) for row, length in enumerate(LENGTHS)]
    # float64: the only difference is the order of additions
    torch.testing.assert_close(pooled, torch.stack(expected), rtol=0, atol=1e-12)


def test_last_is_the_final_state_of_a_layer() -> None:
    layer, steps = GRU(3, 4, bidirectional=True).double(), torch.randn(7, 4, 3, dtype=torch.float64)
    output, state = layer(steps, lengths=LENGTHS)
    assert torch.equal(Pooling(8, ["last"], bidirectional=True)(output, LENGTHS), torch.cat([*state], dim=1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rubbish", [1e30, float("inf"), float("nan")])
def test_values_and_gradients_do_not_depend_on_padding_values(kind: PoolingKind, rubbish: float) -> None:
    pooling, clean = Pooling(6, [kind]).double(), outputs()
    found = []
    for filling in (0.0, rubbish):
        output = clean.clone()
        for row, length in enumerate(LENGTHS):
            output[length:, row] = filling
        output.requires_grad_()
        pooling.zero_grad()
        pooled = pooling(output, LENGTHS)
        pooled.square().sum().backward()
        found.append((pooled, output.grad, *(p.grad for p in pooling.parameters())))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_the_amount_of_padding(kind: PoolingKind) -> None:
    pooling, output = Pooling(6, [kind]).double(), outputs()
    longer = torch.cat([output, torch.randn(9, 4, 6, dtype=torch.float64)])
    # float64: a longer sum may be added up in another order
    torch.testing.assert_close(pooling(longer, LENGTHS), pooling(output, LENGTHS), rtol=0, atol=1e-12)


def test_without_lengths_every_step_is_valid() -> None:
    pooling, output = Pooling(6, KINDS).double(), outputs()
    assert torch.equal(pooling(output), pooling(output, [7] * 4))


def test_batch_first_is_the_transpose() -> None:
    first, second = Pooling(6, KINDS).double(), Pooling(6, KINDS, batch_first=True).double()
    second.load_state_dict(first.state_dict())
    output = outputs()
    assert torch.equal(second(output.transpose(0, 1), LENGTHS), first(output, LENGTHS))
    assert torch.equal(second.weights(output.transpose(0, 1), LENGTHS), first.weights(output, LENGTHS).t())


def test_several_kinds_are_concatenated_in_order() -> None:
    output = outputs()
    both = Pooling(6, ["mean", "max"])
    assert both.output_size == 12
    mean, largest = both(output, LENGTHS).split(6, dim=1)
    assert torch.equal(mean, Pooling(6, ["mean"])(output, LENGTHS))
    assert torch.equal(largest, Pooling(6, ["max"])(output, LENGTHS))


def test_attention_weights_sum_to_one_over_valid_steps() -> None:
    weights = Pooling(6, ["attention"]).double().weights(outputs(), LENGTHS)
    torch.testing.assert_close(weights.sum(0), torch.ones(4, dtype=torch.float64))
    for row, length in enumerate(LENGTHS):
        assert (weights[:length, row] > 0).all()
        assert (weights[length:, row] == 0).all()


@pytest.mark.parametrize("steps", [0, 3])
def test_row_of_length_zero_gives_zeros_and_no_gradient(steps: int) -> None:
    pooling = Pooling(6, KINDS).double()
    output = torch.full((steps, 2, 6), float("nan"), dtype=torch.float64, requires_grad=True)
    pooled = pooling(output, [0, 0])
    assert torch.equal(pooled, torch.zeros(2, 24, dtype=torch.float64))
    pooled.sum().backward()
    assert output.grad is None or torch.equal(output.grad, torch.zeros_like(output))
    assert all(p.grad is None or bool((p.grad == 0).all()) for p in pooling.parameters())


@pytest.mark.parametrize("kind", ["mean", "attention"])
def test_long_rows_of_bfloat16_are_summed_in_float32(kind: PoolingKind) -> None:
    pooling = Pooling(2, [kind]).bfloat16()
    pooled = pooling(torch.ones(5000, 1, 2, dtype=torch.bfloat16))
    # A sum of ones in bfloat16 stops at 256. Weights near 1 / 5,000 are float32, with its rounding errors
    torch.testing.assert_close(pooled, torch.ones(1, 2), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), r"Pooling: width must be an int >= 1\. Got 0\."),
        ((5, ["last"], True), r"Pooling: width must be an even int >= 2, of two directions\. Got 5\."),
        ((4, []), r"Pooling: kinds must be one or several of last, mean, max, attention\. Got \[\]\."),
        ((4, ["sum"]), r"Pooling: kinds must be one or several of .*\. Got \['sum'\]\."),
        ((4, ["max", "max"]), r"Pooling: kinds must be one or several of .*\. Got \['max', 'max'\]\."),
        ((4, "max"), r"Pooling: kinds must be one or several of .*\. Got max\."),
    ],
)
def test_arguments_out_of_range(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pooling(*arguments)  # type: ignore[arg-type]


def test_invalid_inputs_are_refused() -> None:
    with pytest.raises(DataError, match=r"Pooling: output must be \(T, B, 4\)\. Got \(2, 3\)\."):
        Pooling(4)(torch.zeros(2, 3))
    with pytest.raises(DataError, match=r"Pooling: output must be \(B, T, 4\)\. Got \(2, 3, 5\)\."):
        Pooling(4, batch_first=True)(torch.zeros(2, 3, 5))
    with pytest.raises(
        DataError, match=r"Pooling: lengths\[1\] must be 0 to 2, the steps of the input\. Got 3"
    ):
        Pooling(4)(torch.zeros(2, 3, 4), [1, 3, 2])
    with pytest.raises(ConfigError, match=r"Pooling: only attention has weights\. Got max, mean\."):
        Pooling(4, ["max", "mean"]).weights(torch.zeros(2, 3, 4))
