"""The recurrent stack: it equals torch's layers, and has their options, dropout and names of weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from seqloom.errors import ConfigError
from seqloom.models.dropout import Dropouts
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.state import tensors_of


@pytest.mark.parametrize("bidirectional", [False, True])
def test_it_equals_stacked_torch_layers(bidirectional: bool) -> None:
    stack = RecurrentStack(5, RecurrentConfig("gru", 4, 3, bidirectional)).double()
    layer = nn.GRU(5, 4, 3, bidirectional=bidirectional).double()
    for number, single in enumerate(stack):
        for name, parameter in single.named_parameters():
            getattr(layer, name.replace("_l0", f"_l{number}")).data.copy_(parameter)
    x = torch.randn(6, 2, 5, dtype=torch.float64)
    output, states = stack(x)
    expected, last = layer(x)
    # float64: the only difference is the order of additions inside a matrix product
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.cat(tensors_of(states)), last, rtol=0, atol=1e-12)
    assert stack.output_size == output.shape[-1]


def test_weights_are_named_by_the_number_of_their_layer() -> None:
    stack = RecurrentStack(5, RecurrentConfig("rnn", 4, 2))
    assert [name for name in stack.state_dict() if "weight" in name] == [
        "0.weight_ih_l0", "0.weight_hh_l0", "1.weight_ih_l0", "1.weight_hh_l0",
    ]  # fmt: skip


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_last_layer_may_have_another_size(bidirectional: bool) -> None:
    stack = RecurrentStack(5, RecurrentConfig("lstm", 8, 3, bidirectional), last_size=3)
    output, _ = stack(torch.randn(7, 2, 5))
    assert output.shape == (7, 2, 3 * (1 + bidirectional))
    assert stack.output_size == output.shape[-1]


def test_state_defaults_to_the_initial_state_and_is_carried() -> None:
    stack, x = RecurrentStack(5, RecurrentConfig("lstm", 4, 2)).double(), torch.randn(6, 2, 5).double()
    whole, end = stack(x)
    assert torch.equal(whole, stack(x, stack.initial_state(2))[0])
    first, state = stack(x[:4])
    second, state = stack(x[4:], state)
    # float64: the only difference is the order of additions inside a matrix product
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-12)
    for chunked, expected in zip(tensors_of(state), tensors_of(end), strict=True):
        torch.testing.assert_close(chunked, expected, rtol=0, atol=1e-12)


def test_output_beyond_a_length_is_zero() -> None:
    output, _ = RecurrentStack(5, RecurrentConfig("gru", 4, 2))(torch.randn(6, 2, 5), lengths=[6, 2])
    assert not output[2:, 1].any()


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("place", ["input", "hidden", "output"])
def test_dropout_is_where_it_says_and_in_training_only(place: str, locked: bool) -> None:
    config = RecurrentConfig("gru", 4, 2, dropouts=Dropouts(**{place: 0.5}, locked=locked))  # type: ignore[arg-type]
    stack, x, inputs = RecurrentStack(5, config), torch.ones(50, 3, 5), []
    for layer in stack:
        layer.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    output = stack(x)[0]
    dropped = dict(zip(("input", "hidden", "output"), (*inputs, output), strict=True))
    zeros = {name: values == 0 for name, values in dropped.items()}
    assert [name for name, mask in zeros.items() if mask.any()] == [place]
    assert bool((zeros[place] == zeros[place][:1]).all()) is locked
    assert not any((values == 0).any() for values in (stack.eval()(x)[0], *inputs[2:]))


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("layer_norm", True, "layer_norm", True),
        ("zoneout", 0.1, "zoneout", 0.1),
        ("kernel", "reference", "kernel", "reference"),
        ("dropouts", Dropouts(weight=0.2), "weight_dropout", 0.2),
        ("dropouts", Dropouts(recurrent=0.3), "recurrent_dropout", 0.3),
    ],
)
def test_every_layer_has_the_options(field: str, value: Any, attribute: str, expected: object) -> None:
    stack = RecurrentStack(5, RecurrentConfig("gru", 4, 2, **{field: value}))  # type: ignore[arg-type]
    assert [getattr(layer, attribute) for layer in stack] == [expected] * 2


@pytest.mark.parametrize(
    ("input_size", "config", "message"),
    [
        (0, RecurrentConfig(), r"RecurrentStack: input_size must be an int >= 1\. Got 0\."),
        (5, RecurrentConfig(hidden_size=0), r"RecurrentStack: hidden_size must be an int >= 1\. Got 0\."),
        (5, RecurrentConfig(num_layers=0), r"RecurrentStack: num_layers must be an int >= 1\. Got 0\."),
        (5, RecurrentConfig("lstn"), r"make_layer: cell_type must be one of rnn, lstm, gru\. Got lstn\."),
    ],
)
def test_sizes_and_cells_that_do_not_exist(input_size: int, config: RecurrentConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RecurrentStack(input_size, config)
