"""One-to-many: from a state and a first token to a sequence, each token read back to give the next.

x_t = E[w_t],   h_t, s_t = recurrence(x_t, s_{t-1}),   p(w_{t+1} | w_1 … w_t) = softmax(W h_t + b)
"""

from __future__ import annotations

from itertools import pairwise
from typing import final

import torch
from torch import nn

from seqloom.errors import ConfigError
from seqloom.layers.recurrent import CELL_TYPES, GRU, LSTM, RNN, CellType, make_layer
from seqloom.models.dropout import Dropouts, drop, drop_words
from seqloom.shapes import Logits, Tokens
from seqloom.state import State

LAYERS = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


@final
class LanguageModel(nn.Module):
    """Predict each token from all those before it.

    Args:
        vocabulary_size: tokens there are, V.
        embedding_size: width of a token's vector, E.
        hidden_size: units of each recurrent layer, H.
        num_layers: recurrent layers.
        cell_type: `rnn`, `lstm` or `gru`.
        tie_weights: the output layer uses the embedding's matrix (Press and Wolf 2017, arXiv:1608.05859;
            Inan et al. 2017, arXiv:1611.01462); the last layer then has E units.
        dropouts: where and how much is dropped in training.
        kernel: which kernel runs the recurrences: `auto`, `reference`, `torch` or `native`.

    Raises:
        ConfigError: an argument out of its range.

    >>> import torch
    >>> model = LanguageModel(vocabulary_size=10, embedding_size=8, hidden_size=16)
    >>> logits, state = model(torch.tensor([[1, 2, 3]]))
    >>> logits.shape
    torch.Size([1, 3, 10])
    >>> logits, state = model(torch.tensor([[4]]), state)  # goes on where it stopped
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 2,
        cell_type: CellType = "lstm",
        tie_weights: bool = False,
        dropouts: Dropouts = Dropouts(),
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        sizes = {"vocabulary_size": vocabulary_size, "embedding_size": embedding_size}
        for name, size in {**sizes, "hidden_size": hidden_size, "num_layers": num_layers}.items():
            if size < 1:
                raise ConfigError("LanguageModel", f"{name} must be an int >= 1", got=size)
        if cell_type not in CELL_TYPES:
            raise ConfigError(
                "LanguageModel", f"cell_type must be one of {', '.join(CELL_TYPES)}", got=cell_type
            )
        widths = [embedding_size, *[hidden_size] * num_layers]
        if tie_weights:
            widths[-1] = embedding_size
        self.dropouts = dropouts
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        options = {"recurrent_dropout": dropouts.recurrent, "kernel": kernel}
        self.layers = nn.ModuleList(
            make_layer(cell_type, below, above, weight_dropout=dropouts.weight, **options)
            for below, above in pairwise(widths)
        )
        self.output = nn.Linear(widths[-1], vocabulary_size)
        nn.init.zeros_(self.output.bias)
        if tie_weights:  # torch's embedding has deviation 1, which is too much for an output layer
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
            self.output.weight = self.embedding.weight

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.embedding.weight.device

    def initial_state(self, batch_size: int) -> State:
        """The state before anything was read: one per layer."""
        return tuple(layer.initial_state(batch_size) for layer in self.layers)  # type: ignore[operator]

    def forward(self, tokens: Tokens, state: State | None = None) -> tuple[Logits, State]:
        """Read `tokens` (B, T) from `state` on: logits of what follows each (B, T, V), and the state then.

        This is the model's `step`: a text in any chunks gives what it gives whole.
        """
        drops = self.dropouts if self.training else Dropouts()
        weight = drop_words(self.embedding.weight, drops.embedding)
        values = nn.functional.embedding(tokens.t(), weight)
        values = drop(values, drops.input, drops.locked)
        states: list[State] = []
        for number, layer in enumerate(self.layers):
            if number:
                values = drop(values, drops.hidden, drops.locked)
            values, after = layer(values, None if state is None else state[number])
            states.append(after)
        logits = self.output(drop(values, drops.output, drops.locked))
        return logits.transpose(0, 1), tuple(states)

    step = forward
