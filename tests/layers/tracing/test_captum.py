"""captum explains models of our layers, in evaluation mode, as it does those of torch.nn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seqloom.layers.recurrent import GRU, LSTM, RNN

attr = pytest.importorskip("captum.attr", reason="captum (which brings matplotlib) is not installed")

# The same sums in another order, in float64.
CLOSE = {"rtol": 0, "atol": 1e-10}


class Scorer(nn.Module):
    """Class scores from the last step."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.output = layer, nn.Linear(5, 2, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("method", ["IntegratedGradients", "Saliency", "InputXGradient", "FeatureAblation"])
@pytest.mark.parametrize(("Layer", "name"), [(RNN, "RNN"), (LSTM, "LSTM"), (GRU, "GRU")])
def test_attributions_are_those_of_a_model_of_torch(Layer: Any, name: str, method: str) -> None:
    mine = Scorer(Layer(4, 5, batch_first=True, dtype=torch.float64)).eval()
    theirs = Scorer(getattr(nn, name)(4, 5, batch_first=True, dtype=torch.float64)).eval()
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(3, 6, 4, dtype=torch.float64, requires_grad=True)
    pair = [getattr(attr, method)(model).attribute(x, target=1) for model in (mine, theirs)]
    torch.testing.assert_close(*pair, **CLOSE)
    assert pair[0].abs().max() > 0


@pytest.mark.parametrize("Layer", [RNN, LSTM, GRU])
def test_words_are_explained_through_their_embedding(Layer: Any) -> None:
    """In float32, where the compiled kernel runs: attributions sum to what the words change."""
    embedding = nn.Embedding(9, 4)
    model = nn.Sequential(embedding, Scorer(Layer(4, 5, batch_first=True)).float()).eval()
    words = torch.randint(9, (2, 6))
    explained = attr.LayerIntegratedGradients(model, embedding)
    parts, error = explained.attribute(words, torch.zeros_like(words), 0, return_convergence_delta=True)
    assert parts.shape == (2, 6, 4)
    assert parts.abs().max() > 0.001
    assert error.abs().max() < 1e-3
