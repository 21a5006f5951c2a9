"""The encoder-decoder: its equations, its steps, and that nothing depends on padding or company."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError
from seqloom.models.dropout import Dropouts
from seqloom.models.encoder_decoder import AttentionType, DecoderState, EncoderDecoder
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.state import select_rows

CELLS = ("rnn", "lstm", "gru")
ATTENTIONS: tuple[AttentionType, ...] = ("additive", "multiplicative", "dot", "none")
SIZES = (11, 13)
LENGTHS = [5, 3, 4]


def make(
    cell_type: str = "gru",
    attention: AttentionType = "dot",
    decoder_layers: int = 1,
    dropouts: Dropouts = Dropouts(),
) -> EncoderDecoder:
    torch.manual_seed(0)
    recurrent = RecurrentConfig(cell_type, hidden_size=4, num_layers=2, dropouts=dropouts)
    return EncoderDecoder(SIZES, 6, recurrent, decoder_layers, attention).double().eval()


def tokens(rows: int = 3, source_steps: int = 5, target_steps: int = 6) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(SIZES[0], (rows, source_steps), generator=generator)
    return source, torch.randint(SIZES[1], (rows, target_steps), generator=generator)


def by_hand(model: EncoderDecoder, source: Tensor, target: Tensor) -> Tensor:
    """Logits (T, V) of one pair by the equations, with torch.nn's recurrences."""
    cell = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}[type(model.encoder[0]).__name__]
    m, state = model.source_embedding.weight[source], None
    for layer in model.encoder:
        twin = cell(m.shape[-1], 4, bidirectional=True).double()
        twin.load_state_dict(layer.state_dict())
        m, state = twin(m)
    ends = [end.flatten() for end in (state if isinstance(state, tuple) else (state,))]
    starts = [
        bridge(end).view(len(model.decoder), 8) for bridge, end in zip(model.bridges, ends, strict=True)
    ]
    starts[0] = starts[0].tanh()
    h = model.target_embedding.weight[target]
    for number, layer in enumerate(model.decoder):
        twin = cell(h.shape[-1], 8).double()
        twin.load_state_dict(layer.state_dict())
        begin = tuple(start[number : number + 1] for start in starts)
        h, _ = twin(h, begin if len(begin) == 2 else begin[0])
    if model.attention is None:
        c = ends[0].expand(len(target), -1)
    else:
        keys = m if model.attention.score == "dot" else model.attention.key(m)
        if model.attention.score == "additive":
            scores = model.attention.vector((model.attention.query(h)[:, None] + keys).tanh()).squeeze(-1)
        else:
            scores = h @ keys.T
        c = scores.softmax(-1) @ m
    features = model.combine(torch.cat([c, h], -1)).tanh()
    return features @ model.target_embedding.weight.T + model.output_bias


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("cell_type", CELLS)
@torch.no_grad()
def test_logits_follow_the_equations_row_by_row(cell_type: str, attention: AttentionType) -> None:
    model = make(cell_type, attention, decoder_layers=2)
    with torch.no_grad():
        model.output_bias.normal_()
    source, target = tokens()
    found = model(source, LENGTHS, target)
    for row, length in enumerate(LENGTHS):
        # float64 through four recurrences
        torch.testing.assert_close(
            found[row], by_hand(model, source[row, :length], target[row]), rtol=1e-10, atol=1e-10
        )


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("cell_type", CELLS)
@torch.no_grad()
def test_chunks_equal_the_whole_target(cell_type: str, attention: AttentionType) -> None:
    model = make(cell_type, attention, decoder_layers=2)
    source, target = tokens()
    encoded = model.encode(source, LENGTHS)
    whole = model(source, LENGTHS, target)
    state, found = encoded.start, []
    for begin, end in ((0, 1), (1, 4), (4, 6)):
        logits, state = model.step(target[:, begin:end], state, encoded)
        found.append(logits)
    torch.testing.assert_close(torch.cat(found, 1), whole, rtol=1e-12, atol=1e-12)  # the same sums in float64


@pytest.mark.parametrize("attention", ATTENTIONS)
@torch.no_grad()
def test_reordered_rows_attend_to_their_own_source(attention: AttentionType) -> None:
    model = make("lstm", attention)
    source, target = tokens()
    encoded = model.encode(source, LENGTHS)
    _, state = model.step(target[:, :2], encoded.start, encoded)
    rows = torch.tensor([2, 2, 0])
    chosen = select_rows(state, rows)
    assert isinstance(chosen, DecoderState)
    found, _ = model.step(target[rows, 2:], chosen, encoded)
    expected = model(source, LENGTHS, target)[rows, 2:]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)  # the same sums in float64
    assert chosen.rows.tolist() == [[2, 2, 0]]


@torch.no_grad()
def test_padding_of_the_source_is_ignored() -> None:
    model = make()
    source, target = tokens()
    other = source.clone()
    other[1, 3:] = 9
    assert torch.equal(model(source, LENGTHS, target), model(other, LENGTHS, target))


def test_padding_of_the_target_changes_no_state() -> None:
    model = make("lstm")
    source, target = tokens()
    encoded = model.encode(source, LENGTHS)
    lengths = torch.tensor([6, 2, 4])
    after = model.decode(target, encoded.start, encoded, lengths).state
    short = model.decode(target[:, :2], encoded.start, encoded).state
    for one, other in zip(after.layers[0], short.layers[0], strict=True):  # type: ignore[arg-type]
        torch.testing.assert_close(one[:, 1], other[:, 1], rtol=1e-12, atol=1e-12)  # kernels of other lengths


def test_attention_weights_are_returned() -> None:
    model = make()
    source, target = tokens()
    encoded = model.encode(source, LENGTHS)
    weights = model.decode(target, encoded.start, encoded).weights
    assert weights is not None
    assert weights.shape == (3, 6, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 6).double())
    without = make(attention="none")
    encoded = without.encode(source, LENGTHS)
    assert without.decode(target, encoded.start, encoded).weights is None


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("cell_type", CELLS)
def test_every_parameter_has_a_gradient(cell_type: str, attention: AttentionType) -> None:
    model = make(cell_type, attention)
    source, target = tokens()
    model(source, LENGTHS, target).logsumexp(-1).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_nats_are_the_cross_entropy_of_the_logits() -> None:
    model = make()
    source, target = tokens()
    encoded = model.encode(source, LENGTHS)
    features = model.decode(target, encoded.start, encoded).features.flatten(0, 1)
    right = torch.randint(SIZES[1], (len(features),))
    expected = nn.functional.cross_entropy(
        model.logits(features), right, reduction="none", label_smoothing=0.1
    )
    torch.testing.assert_close(model.nats(features, right, 0.1), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("locked", [False, True])
def test_dropout_is_for_training_only(locked: bool) -> None:
    model = make(dropouts=Dropouts(0.5, 0.5, 0.5, embedding=0.2, weight=0.2, locked=locked))
    source, target = tokens()
    assert torch.equal(model(source, LENGTHS, target), model(source, LENGTHS, target))
    model.train()
    one, other = (model(source, LENGTHS, target) for _ in range(2))
    assert not torch.allclose(one, other)


def test_output_dropout_applies_to_the_features() -> None:
    """`output` alone: between the tanh, which is within 1, and the output layer."""
    model = make(dropouts=Dropouts(output=0.5)).train()
    source, target = tokens()
    encoded = model.encode(source, LENGTHS)
    features = model.decode(target, encoded.start, encoded).features
    assert 0.3 < (features == 0).double().mean() < 0.7  # 108 draws of one half: within 4 deviations


def test_beam_search_over_its_step_does_not_depend_on_the_batch() -> None:
    from seqloom.decoding import DecodingOptions, decode, prefill

    model = make()
    source, _ = tokens()
    encoded = model.encode(source, LENGTHS)
    step: Any = partial(model.step, encoded=encoded)
    logits, state = prefill(step, [[0]] * 3, encoded.start)
    options = DecodingOptions(num_beams=3, temperature=0, max_new_tokens=4, stop_tokens=(0,))
    together = decode(step, logits, state, options).rows()
    for row, length in enumerate(LENGTHS):
        alone = model.encode(source[row : row + 1, :length], [length])
        step = partial(model.step, encoded=alone)
        logits, state = prefill(step, [[0]], alone.start)
        assert decode(step, logits, state, options).rows() == [together[row]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embedding_size": 0}, r"EncoderDecoder: embedding_size must be an int >= 1\. Got 0\."),
        ({"decoder_layers": 0}, r"EncoderDecoder: decoder_layers must be an int >= 1\. Got 0\."),
        ({"vocabulary_sizes": (3, 0)}, r"EncoderDecoder: vocabulary_sizes must be an int >= 1\. Got 0\."),
        ({"attention": "soft"}, r"score must be one of additive, multiplicative, dot\. Got soft\."),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EncoderDecoder(
            **{
                "vocabulary_sizes": SIZES,
                "embedding_size": 4,
                "recurrent": RecurrentConfig("gru", 4),
                **arguments,
            }
        )
