"""The sequence classifier: what it computes, that padding counts nothing, and what is dropped in training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seqloom.errors import ConfigError, DataError
from seqloom.layers.pooling import KINDS, PoolingKind
from seqloom.models.dropout import Dropouts
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.models.sequence_classifier import SequenceClassifier
from seqloom.models.word_embedding import WordEmbeddingConfig

LENGTHS = [6, 1, 9, 4]


SMALL = RecurrentConfig("gru", 8, bidirectional=True)
CELLS = ("rnn", "lstm", "gru")


def words(recurrent: RecurrentConfig = SMALL, **options: object) -> SequenceClassifier:
    arguments = {"words": WordEmbeddingConfig(11), **options}
    return SequenceClassifier(3, 6, recurrent, **arguments).double()  # type: ignore[arg-type]


def tokens() -> torch.Tensor:
    return torch.randint(11, (4, 9))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", CELLS)
def test_padding_does_not_change_a_row(cell_type: str, bidirectional: bool) -> None:
    model, batch = words(RecurrentConfig(cell_type, 8, 2, bidirectional), pooling=KINDS), tokens()
    together = model(batch, LENGTHS)
    alone = torch.cat([model(batch[row : row + 1, :length]) for row, length in enumerate(LENGTHS)])
    # float64: the only difference is the order of additions inside a matrix product
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_numeric_input_equals_torch_layers_with_pooling_and_output(bidirectional: bool) -> None:
    model = SequenceClassifier(3, 5, RecurrentConfig("lstm", 8, 2, bidirectional), pooling=["mean"]).double()
    reference = nn.LSTM(5, 8, 2, batch_first=True, bidirectional=bidirectional).double()
    for number, layer in enumerate(model.layers):
        for name, parameter in layer.named_parameters():
            getattr(reference, name.replace("_l0", f"_l{number}")).data.copy_(parameter)
    series = torch.randn(2, 7, 5, dtype=torch.float64)
    expected = model.output(reference(series)[0].mean(1))
    torch.testing.assert_close(model(series), expected, rtol=0, atol=1e-12)  # float64, as above


def test_no_dropout_in_evaluation() -> None:
    dropouts = Dropouts(0.5, 0.5, 0.5, embedding=0.5, weight=0.5, recurrent=0.5)
    model, batch = (
        words(SMALL._replace(dropouts=dropouts), words=WordEmbeddingConfig(11, dropout=0.5)),
        tokens(),
    )
    assert not torch.equal(model(batch), model(batch))
    model.eval()
    assert torch.equal(model(batch), model(batch))


@pytest.mark.parametrize("place", ["input", "hidden", "output", "embedding", "weight", "recurrent"])
def test_each_kind_of_dropout_is_active_in_training(place: str) -> None:
    model, batch = words(RecurrentConfig("gru", 8, 2, dropouts=Dropouts(**{place: 0.5}))), tokens()
    assert not torch.equal(model(batch), model(batch))


@pytest.mark.parametrize("pooling", [["last"], ["max", "mean"], ["attention"]])
def test_it_learns_from_a_single_token_of_the_sequence(pooling: list[PoolingKind]) -> None:
    model = SequenceClassifier(
        2, 8, RecurrentConfig("gru", 16, bidirectional=True), WordEmbeddingConfig(8), pooling
    )
    batch = torch.randint(2, 8, (64, 12))
    labels = torch.randint(2, (64,))
    batch[torch.arange(64), torch.randint(12, (64,))] = labels
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(60):
        loss = nn.functional.cross_entropy(model(batch), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss.item() < 0.1  # it began near log(2) = 0.69


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_count": 0}, r"SequenceClassifier: label_count must be an int >= 1\. Got 0\."),
        ({"input_size": 0}, r"SequenceClassifier: input_size must be an int >= 1\. Got 0\."),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, object], message: str) -> None:
    usual = {"label_count": 2, "input_size": 4, "recurrent": SMALL}
    with pytest.raises(ConfigError, match=message):
        SequenceClassifier(**{**usual, **arguments})  # type: ignore[arg-type]


def test_shapes_and_lengths_that_do_not_fit() -> None:
    model = SequenceClassifier(2, 5, SMALL)
    expected = r"SequenceClassifier: input must be \(B, T, 5\), features of each step\. Got \(2, 3, 4\)"
    with pytest.raises(DataError, match=expected):
        model(torch.zeros(2, 3, 4))
    with pytest.raises(DataError, match=r"GRU: lengths\[0\] must be 0 to 3, the steps of the input\. Got 4"):
        model(torch.zeros(2, 3, 5), [4, 1])
