"""convert_recurrent: replacing the recurrent layers of a PyTorch model, and back."""

from __future__ import annotations

import gc
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from seqloom.cells.gru import GRUCell
from seqloom.cells.lstm import LSTMCell
from seqloom.cells.rnn import RNNCell
from seqloom.errors import ConfigError
from seqloom.layers.convert import convert_recurrent
from seqloom.layers.recurrent import GRU, LSTM, RNN

# torch warns once in float32, for its own LSTM with a projection too.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

I, H = 3, 4  # noqa: E741


class Tagger(nn.Module):
    """A user's model."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, I)
        self.encoder = nn.ModuleDict({"rnn": nn.LSTM(I, H, 2, batch_first=True, bidirectional=True)})
        self.cell = nn.GRUCell(2 * H, H)
        self.out = nn.Linear(H, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden, _ = self.encoder["rnn"](self.embedding(tokens))
        return self.out(self.cell(hidden[:, -1]))


LAYERS = [
    pytest.param(nn.RNN(I, H, 2, "relu"), RNN, id="rnn"),
    pytest.param(nn.LSTM(I, H, bias=False, bidirectional=True, proj_size=2), LSTM, id="lstm"),
    pytest.param(nn.GRU(I, H, 3, batch_first=True, dropout=0.1), GRU, id="gru"),
    pytest.param(nn.RNNCell(I, H, nonlinearity="relu"), RNNCell, id="rnn-cell"),
    pytest.param(nn.LSTMCell(I, H, bias=False), LSTMCell, id="lstm-cell"),
    pytest.param(nn.GRUCell(I, H), GRUCell, id="gru-cell"),
]


@pytest.mark.parametrize(("module", "ours"), LAYERS)
def test_round_trip(module: nn.Module, ours: type[nn.Module]) -> None:
    module.eval()
    x = torch.randn(5, I) if "Cell" in type(module).__name__ else torch.randn(5, 2, I)
    there = convert_recurrent(module)
    back = convert_recurrent(there, to="torch")
    assert type(there) is ours
    assert type(back) is type(module)
    assert repr(there) == repr(back) == repr(module)
    for converted in (there, back):
        assert not converted.training
        torch.testing.assert_close(converted(x)[0], module(x)[0])
        named = zip(converted.named_parameters(), module.named_parameters(), strict=True)
        assert all(a == b and p is q for (a, p), (b, q) in named)


def test_model_is_changed_in_place_with_the_same_results() -> None:
    model, tokens = Tagger(), torch.randint(10, (3, 6))
    before = model(tokens)
    parameters = dict(model.named_parameters())
    after = torch.get_rng_state()
    assert convert_recurrent(model) is model
    assert torch.equal(torch.get_rng_state(), after)
    assert type(model.encoder["rnn"]) is LSTM
    assert type(model.cell) is GRUCell
    assert dict(model.named_parameters()).keys() == parameters.keys()
    assert all(parameter is parameters[name] for name, parameter in model.named_parameters())
    torch.testing.assert_close(model(tokens), before)
    convert_recurrent(model, to="torch")
    assert type(model.encoder["rnn"]) is nn.LSTM
    torch.testing.assert_close(model(tokens), before)


@pytest.mark.parametrize("to", ["seqloom", "torch"])
def test_existing_optimizer_stays_valid(to: Any) -> None:
    model, tokens = Tagger(), torch.randint(10, (3, 6))
    if to == "torch":
        convert_recurrent(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    convert_recurrent(model, to=to)
    before = model(tokens)
    before.pow(2).sum().backward()
    optimizer.step()
    # torch's layers have a list of their weights too, which must be those that the optimizer changes.
    assert not torch.allclose(model(tokens), before)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_shared_layer_stays_shared() -> None:
    shared = nn.GRU(I, I)
    model = nn.ModuleList([shared, shared, nn.ModuleList([shared])])
    convert_recurrent(model)
    assert type(model[0]) is GRU
    assert model[0] is model[1]
    assert model[0] is model[2][0]


HOOKS = [
    "register_forward_hook",
    "register_forward_pre_hook",
    "register_full_backward_hook",
    "register_full_backward_pre_hook",
    "register_state_dict_pre_hook",
    "register_state_dict_post_hook",
    "register_load_state_dict_pre_hook",
    "register_load_state_dict_post_hook",
]


@pytest.mark.parametrize("register", HOOKS)
def test_hooks_are_kept(register: str) -> None:
    model, seen = nn.Sequential(nn.GRU(I, H)), []
    handle = getattr(model[0], register)(lambda *arguments: seen.append(arguments[0]))
    convert_recurrent(model)
    gc.collect()

    def use() -> None:
        output, _ = model(torch.randn(5, 2, I, requires_grad=True))
        output.sum().backward()
        model.load_state_dict(model.state_dict())

    use()
    assert len(seen) == 1
    assert seen[0] is model[0]
    if handle is not None:
        handle.remove()
        use()
        assert len(seen) == 1


@pytest.mark.parametrize("to", ["seqloom", "torch"])
def test_further_attributes_are_kept(to: Any) -> None:
    layer = GRU(I, H) if to == "torch" else nn.GRU(I, H)
    before = set(vars(convert_recurrent(nn.GRU(I, H)) if to == "seqloom" else nn.GRU(I, H)))
    layer.note = "mine"
    layer.register_buffer("scale", torch.ones(2))
    layer.register_buffer("scratch", torch.ones(3), persistent=False)
    layer.child = nn.Linear(1, 1).eval()
    new: Any = convert_recurrent(layer, to=to)
    assert new.note == "mine"
    assert new.scale is layer.scale
    assert new.child is layer.child
    assert new.training
    assert not new.child.training
    assert new.state_dict().keys() == layer.state_dict().keys()
    assert "scratch" in dict(new.named_buffers())
    # Nothing else is copied: torch's own list of weights would keep moved ones alive.
    assert set(vars(new)) - before == {"note"}


def test_other_modules_are_unchanged() -> None:
    class Own(nn.LSTM):
        """A subclass of torch's, which may behave differently."""

    own = Own(I, H)
    assert convert_recurrent(own) is own
    normed = parametrizations.weight_norm(Own(I, H), "weight_hh_l0")
    assert convert_recurrent(normed) is normed
    linear = nn.Linear(I, H)
    assert convert_recurrent(linear) is linear
    ours = GRU(I, H)
    assert convert_recurrent(ours) is ours


def test_initialization_options_can_be_converted_back() -> None:
    layer = LSTM(I, H, forget_gate_bias=1.0, orthogonal_init=True, kernel="reference")
    assert type(convert_recurrent(layer, to="torch")) is nn.LSTM


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer_norm": True}, "layer_norm"),
        ({"zoneout": 0.1}, "zoneout"),
        ({"zoneout": (0.0, 0.1)}, "zoneout"),
        ({"recurrent_dropout": 0.1}, "recurrent_dropout"),
        ({"weight_dropout": 0.1, "learn_initial_state": True}, "weight_dropout and no learn_initial_state"),
    ],
)
def test_options_without_counterpart_are_refused_and_the_model_unchanged(
    options: dict[str, Any], message: str
) -> None:
    plain = GRU(I, H)
    model = nn.Sequential(plain, nn.Sequential(LSTM(I, H, **options)))
    with pytest.raises(
        ConfigError, match=rf"^convert_recurrent: LSTM at '1\.0': torch\.nn has no {message}\.$"
    ):
        convert_recurrent(model, to="torch")
    assert model[0] is plain
    with pytest.raises(ConfigError, match=r"^convert_recurrent: GRUCell: torch\.nn has no layer_norm\.$"):
        convert_recurrent(GRUCell(I, H, layer_norm=True), to="torch")


@pytest.mark.filterwarnings("ignore:.*torch.nn.utils.weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("weight_norm", "name", "got"),
    [
        (parametrizations.weight_norm, "ParametrizedGRU", "weight_hh_l0"),
        (nn.utils.weight_norm, "GRU", "weight_hh_l0, weight_hh_l0_g, weight_hh_l0_v"),
    ],
)
def test_replaced_parameters_are_refused(weight_norm: Any, name: str, got: str) -> None:
    plain = nn.GRU(I, H)
    model = nn.Sequential(plain, weight_norm(nn.GRU(I, H), "weight_hh_l0"))
    message = (
        rf"^convert_recurrent: {name} at '1': its parameters must be torch\.nn's own\. "
        rf"Got {got}\. Remove weight_norm, or whatever replaced them, first\.$"
    )
    with pytest.raises(ConfigError, match=message):
        convert_recurrent(model)
    assert model[0] is plain


def test_unknown_target_is_refused() -> None:
    message = r'^convert_recurrent: `to` must be "seqloom" or "torch"\. Got pytorch\. Did you mean `torch`\?$'
    with pytest.raises(ConfigError, match=message):
        convert_recurrent(nn.GRU(I, H), to="pytorch")  # type: ignore[arg-type]
