"""The language model: a step at any length, tied weights, and dropout where AWD-LSTM puts it."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError
from seqloom.models.dropout import Dropouts, drop, drop_words
from seqloom.models.language_model import LanguageModel
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.state import tensors_of

CELLS = ("rnn", "lstm", "gru")


def small(
    cell_type: str = "lstm",
    dropouts: Dropouts = Dropouts(),
    tie_weights: bool = False,
    ngram_context: int = 0,
) -> LanguageModel:
    recurrent = RecurrentConfig(cell_type, hidden_size=8, num_layers=2, dropouts=dropouts)
    model = LanguageModel(11, 6, recurrent, tie_weights, ngram_context, ngram_buckets=1 << 10).double()
    if model.ngrams is not None:
        torch.nn.init.normal_(model.ngrams.table.weight)
    return model


@pytest.mark.parametrize("ngram_context", [0, 3])
@pytest.mark.parametrize("cell_type", CELLS)
def test_chunks_equal_the_whole_text(cell_type: str, ngram_context: int) -> None:
    model, tokens = small(cell_type, ngram_context=ngram_context), torch.randint(11, (3, 12))
    whole, end = model(tokens)
    state, parts = None, []
    for chunk in tokens.split([1, 4, 2, 5], dim=1):
        logits, state = model.step(chunk, state)
        parts.append(logits)
    # float64: the only difference is the order of additions inside a matrix product
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-12)
    for chunked, expected in zip(tensors_of(state), tensors_of(end), strict=True):  # type: ignore[arg-type]
        torch.testing.assert_close(chunked, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ngram_context", [0, 3])
@pytest.mark.parametrize("cell_type", CELLS)
def test_state_defaults_to_the_initial_state(cell_type: str, ngram_context: int) -> None:
    model, tokens = small(cell_type, ngram_context=ngram_context), torch.randint(11, (2, 5))
    assert torch.equal(model(tokens)[0], model(tokens, model.initial_state(2))[0])


@pytest.mark.parametrize("ngram_context", [0, 3])
def test_it_is_causal(ngram_context: int) -> None:
    model, tokens = small(ngram_context=ngram_context), torch.randint(11, (1, 9))
    changed = tokens.clone()
    changed[0, 5:] = (changed[0, 5:] + 1) % 11
    before, after = model(tokens)[0], model(changed)[0]
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_ngram_features_are_added_to_the_logits() -> None:
    model, tokens = small(ngram_context=3), torch.randint(11, (2, 5))
    with_features = model(tokens)[0]
    assert model.ngrams is not None
    added = model.ngrams(tokens.t())[0].transpose(0, 1)
    model.ngrams = None
    torch.testing.assert_close(with_features, model(tokens)[0] + added)


def test_tied_weights_are_one_parameter() -> None:
    model = small(tie_weights=True)
    assert model.output.weight is model.embedding.weight
    assert model(torch.zeros(1, 2, dtype=torch.int64))[0].shape == (1, 2, 11)
    assert sum(p.numel() for p in model.parameters()) < sum(p.numel() for p in small().parameters())


def test_no_dropout_in_evaluation() -> None:
    dropouts = Dropouts(0.5, 0.5, 0.5, embedding=0.5, weight=0.5, recurrent=0.5)
    model, tokens = small(dropouts=dropouts), torch.randint(11, (2, 5))
    assert not torch.equal(model(tokens)[0], model(tokens)[0])
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


@pytest.mark.parametrize("place", ["input", "hidden", "output", "embedding", "weight", "recurrent"])
def test_each_kind_of_dropout_is_active_in_training(place: str) -> None:
    model, tokens = small(dropouts=Dropouts(**{place: 0.5})), torch.randint(11, (2, 5))
    assert not torch.equal(model(tokens)[0], model(tokens)[0])


def test_locked_dropout_repeats_its_mask_and_keeps_the_mean() -> None:
    values = torch.ones(50, 20, 100)
    dropped = drop(values, 0.3, locked=True)
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    # 2,000 draws with deviation 0.65: four standard errors
    assert abs(dropped.mean().item() - 1) < 4 * 0.65 / 2000**0.5
    assert not torch.equal(drop(values, 0.3, locked=False)[0], drop(values, 0.3, locked=False)[1])


def test_word_dropout_drops_whole_rows() -> None:
    dropped = drop_words(torch.ones(1000, 4), 0.25)
    assert set(dropped.flatten().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary_size": 0}, r"LanguageModel: vocabulary_size must be an int >= 1\. Got 0\."),
        ({"embedding_size": 0}, r"LanguageModel: embedding_size must be an int >= 1\. Got 0\."),
        (
            {"recurrent": RecurrentConfig(bidirectional=True)},
            r"LanguageModel: recurrent\.bidirectional must be False\. Got True\.",
        ),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LanguageModel(
            **{"vocabulary_size": 11, "embedding_size": 6, "recurrent": RecurrentConfig(), **arguments}
        )  # type: ignore[arg-type]
