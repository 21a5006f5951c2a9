"""Decoders of captions: chunks as the whole, padding, attention, and what is never written."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqloom.models.captioning.captioner import Captioner
from seqloom.models.captioning.memory import UNKNOWN, CaptionAttention
from seqloom.models.captioning.recurrent_decoder import RecurrentCaptionDecoder
from seqloom.models.captioning.region_attention import RegionAttention
from seqloom.models.captioning.transformer_decoder import TransformerCaptionDecoder
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.state import select_rows
from seqloom.tasks.seq2seq import decode_encoded

ATTENTIONS: tuple[CaptionAttention, ...] = ("soft", "adaptive", "none")
DECODERS = ("rnn", "lstm", "gru", "transformer")
TOKENS = torch.tensor([[0, 3, 4, 2], [0, 5, 2, 2], [0, 2, 6, 7]])


def make_model(cell_type: str, attention: CaptionAttention) -> Captioner:
    torch.manual_seed(0)
    if cell_type == "transformer":
        return (
            Captioner(nn.Identity(), TransformerCaptionDecoder(9, (5, 6), 16, 2, attention)).double().eval()
        )
    config = RecurrentConfig(cell_type, 16, 2)
    return Captioner(nn.Identity(), RecurrentCaptionDecoder(9, (5, 6), 8, config, attention)).double().eval()


@pytest.fixture(params=DECODERS)
def cell_type(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_chunks_give_what_the_whole_gives(cell_type: str, attention: CaptionAttention) -> None:
    model, pictures = make_model(cell_type, attention), torch.randn(2, 5, 6).double()
    encoded = model.encode(pictures)
    owners = torch.tensor([0, 0, 1])  # two captions of the first picture
    start = select_rows(encoded.start, owners)
    whole = model.decode(TOKENS, start, encoded)
    state, parts = start, []
    for chunk in (TOKENS[:, :1], TOKENS[:, 1:3], TOKENS[:, 3:]):
        decoded = model.decode(chunk, state, encoded)
        state = decoded.state
        parts.append(decoded)
    torch.testing.assert_close(torch.cat([part.features for part in parts], 1), whole.features)
    if attention == "none":
        assert whole.weights is None
    else:
        assert whole.weights is not None
        sums = whole.weights.sum(-1)
        assert (
            (sums < 1).all() if attention == "adaptive" else torch.allclose(sums, torch.ones(3, 4).double())
        )
    alone = model.encode(pictures[1:])
    torch.testing.assert_close(model.decode(TOKENS[2:], alone.start, alone).features, whole.features[2:])


def test_padding_changes_nothing(cell_type: str) -> None:
    model, pictures = make_model(cell_type, "adaptive"), torch.randn(3, 5, 6).double()
    encoded = model.encode(pictures)
    lengths = torch.tensor([4, 2, 3])
    padded = torch.cat([TOKENS, torch.full((3, 2), 8)], 1)
    decoded = model.decode(padded, encoded.start, encoded, lengths).features
    for row, length in enumerate(lengths.tolist()):
        alone = model.encode(pictures[row : row + 1])
        expected = model.decode(TOKENS[row : row + 1, :length], alone.start, alone).features[0]
        torch.testing.assert_close(decoded[row, :length], expected)


def test_every_picture_matters_and_every_word(cell_type: str) -> None:
    """Gradients reach the picture and all parameters."""
    model = make_model(cell_type, "adaptive").train()
    pictures = torch.randn(2, 5, 6).double().requires_grad_()
    encoded = model.encode(pictures)
    features = model.decode(TOKENS[:2], encoded.start, encoded).features
    model.nats(features[:, -1], torch.tensor([2, 3])).sum().backward()
    assert pictures.grad is not None
    assert (pictures.grad.abs().amax(-1) > 0).all()
    missing = [name for name, value in model.named_parameters() if value.grad is None]
    assert missing == []


@pytest.mark.parametrize("num_beams", [1, 3])
def test_a_search_that_never_finishes_still_answers(cell_type: str, num_beams: int) -> None:
    model = make_model(cell_type, "soft")
    with torch.no_grad():
        model.output_bias[0] = -1e4  # the end is out of reach
        model.output_bias[UNKNOWN] = 1e4  # and this is never written
    encoded = model.encode(torch.randn(2, 5, 6).double())
    limits = torch.tensor([7, 4])
    rows = decode_encoded(model, encoded, limits, 0, num_beams, 1.0)  # type: ignore[arg-type]
    assert [len(row) for row in rows] == [7, 4]
    assert UNKNOWN not in {token for row in rows for token in row}


def test_attention_by_hand() -> None:
    attention = RegionAttention(query_size=2, size=2)
    with torch.no_grad():
        attention.query.weight.copy_(torch.eye(2))
    values = torch.tensor([[[4.0, 0.0], [0.0, 8.0]]])
    context, weights = attention(torch.tensor([[[2.0**0.5 / 4, 0.0]]]), values)
    first = torch.tensor(1.0).exp() / (torch.tensor(1.0).exp() + 1)  # scores 1 and 0
    torch.testing.assert_close(weights[0, 0], torch.stack([first, 1 - first]))
    torch.testing.assert_close(context[0, 0], torch.stack([4 * first, 8 * (1 - first)]))
