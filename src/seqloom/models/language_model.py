"""One-to-many: a recurrent language model, whose every token is its next input.

x_t = E[w_t],   h_t, s_t = recurrence(x_t, s_{t-1}),   p(w_{t+1} | w_1 … w_t) = softmax(W h_t + b)

With n-gram features, what their table holds of the last few tokens is added to W h_t + b.
"""

from __future__ import annotations

from typing import final

import torch
from torch import nn

from seqloom.cells.parameters import check_size
from seqloom.errors import ConfigError
from seqloom.layers.ngram_features import NGramFeatures
from seqloom.models.dropout import drop_words
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.shapes import Logits, Tokens
from seqloom.state import State


@final
class LanguageModel(nn.Module):
    """Predict each token from all those before it.

    Args:
        vocabulary_size: V, tokens in the vocabulary.
        embedding_size: E, width of a token's vector.
        recurrent: the recurrent layers; of one direction.
        tie_weights: the output layer uses the embedding's matrix (Press and Wolf 2017, arXiv:1608.05859;
            Inan et al. 2017, arXiv:1611.01462); the last layer then has E units.
        ngram_context: K, how many of the last tokens the logits depend on directly, by hashed n-gram
            features (`seqloom.layers.ngram_features`); 0: none.
        ngram_buckets: rows of their table.

    Raises:
        ConfigError: an argument out of its range.

    >>> import torch
    >>> model = LanguageModel(vocabulary_size=10, embedding_size=8, recurrent=RecurrentConfig("lstm", 16))
    >>> logits, state = model(torch.tensor([[1, 2, 3]]))
    >>> logits.shape
    torch.Size([1, 3, 10])
    >>> logits, state = model(torch.tensor([[4]]), state)  # goes on where it stopped
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_size: int,
        recurrent: RecurrentConfig,
        tie_weights: bool = False,
        ngram_context: int = 0,
        ngram_buckets: int = 1 << 16,
    ) -> None:
        super().__init__()
        for name, size in {"vocabulary_size": vocabulary_size, "embedding_size": embedding_size}.items():
            check_size("LanguageModel", name, size)
        if recurrent.bidirectional:
            raise ConfigError("LanguageModel", "recurrent.bidirectional must be False", got=True)
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.layers = RecurrentStack(embedding_size, recurrent, embedding_size if tie_weights else None)
        self.output = nn.Linear(self.layers.output_size, vocabulary_size)
        nn.init.zeros_(self.output.bias)
        if tie_weights:  # torch's embedding has deviation 1, which is too much for an output layer
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
            self.output.weight = self.embedding.weight
        self.ngrams = NGramFeatures(vocabulary_size, ngram_context, ngram_buckets) if ngram_context else None

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.embedding.weight.device

    def initial_state(self, batch_size: int) -> State:
        """The state before the first token: a tuple with that of every layer; with n-gram features a tuple of
        that and the last tokens."""
        state = self.layers.initial_state(batch_size)
        return state if self.ngrams is None else (state, self.ngrams.initial_history(batch_size))

    def forward(self, tokens: Tokens, state: State | None = None) -> tuple[Logits, State]:
        """Read `tokens` (B, T) on from `state`: the logits (B, T, V) of the next tokens, and the new state.

        This is the model's `step`: a text in any chunks gives what it gives whole.
        """
        dropout = self.layers.config.dropouts.embedding if self.training else 0.0
        x = nn.functional.embedding(tokens.t(), drop_words(self.embedding.weight, dropout))
        if self.ngrams is None:
            h, state_after = self.layers(x, state)
            return self.output(h).transpose(0, 1), state_after
        layers_state, history = (None, None) if state is None else state
        h, layers_state = self.layers(x, layers_state)
        logits, history = self.ngrams(tokens.t(), history)
        return (self.output(h) + logits).transpose(0, 1), (layers_state, history)

    step = forward
