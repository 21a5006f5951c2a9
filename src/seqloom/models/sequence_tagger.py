r"""Many-to-many, aligned: a tag for each token, from the tokens before it and, read both ways, after it.

.. math::

    v_t &= [E[w_t]; c_t] \\
    h_1 \dots h_T &= \mathrm{recurrence}(v_1 \dots v_T) \\
    e_t &= W h_t + b \\
    p(y \mid w) &= \prod_t \mathrm{softmax}(e_t)_{y_t}, \text{ or that of a CRF over } e

c_t, which is optional, are the last outputs, in both directions, of a small LSTM over the word's characters.
The tagger of Lample et al., 2016 (arXiv:1603.01360).
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.cells.parameters import check_size
from seqloom.errors import ConfigError, DataError
from seqloom.layers.crf import CRF
from seqloom.layers.masking import Lengths, check_lengths, valid_mask
from seqloom.layers.recurrent import LSTM
from seqloom.models.dropout import drop_words
from seqloom.models.recurrent_stack import RecurrentConfig, RecurrentStack
from seqloom.models.word_embedding import EMBEDDING_DEVIATION
from seqloom.shapes import Tokens
from seqloom.state import State

CHARACTER_PADDING = 0
"""Fills up the spelling of a word that is shorter than the longest."""


class SpellingConfig(NamedTuple):
    """How the characters of a word are read.

    Fields:
        character_count: number of characters, `CHARACTER_PADDING` included.
        size: width of a character's vector, and hidden units of the LSTM in each direction.
    """

    character_count: int
    size: int = 25


class TaggerOutput(NamedTuple):
    """The scores of tags, and how likely the expected ones are.

    Fields:
        emissions: (B, T, K), the score of each tag at each step; undefined beyond a row's length.
        log_likelihood: (B,) nats of the expected tags of each row, in float32 at least; None without any.
    """

    emissions: Tensor
    log_likelihood: Tensor | None


@final
class SequenceTagger(nn.Module):
    """Predict a tag for each token of a sequence.

    Args:
        vocabulary_size: V, tokens in the vocabulary.
        tag_count: K, number of tags.
        embedding_size: width of a token's vector.
        recurrent: the recurrent layers.
        crf: whether a conditional random field scores the tags of a sequence together.
        spelling: how the characters of a word are read; None: not at all.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = SequenceTagger(10, 3, embedding_size=8, recurrent=RecurrentConfig("lstm", 16))
    >>> words, tags = torch.tensor([[1, 2, 3], [4, 5, 0]]), torch.tensor([[0, 0, 1], [2, 0, 0]])
    >>> emissions, log_likelihood = model(words, [3, 2], tags)
    >>> emissions.shape, log_likelihood.shape
    (torch.Size([2, 3, 3]), torch.Size([2]))
    >>> model.best_tags(emissions, [3, 2]).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        vocabulary_size: int,
        tag_count: int,
        embedding_size: int,
        recurrent: RecurrentConfig,
        crf: bool = False,
        spelling: SpellingConfig | None = None,
    ) -> None:
        super().__init__()
        sizes = {"vocabulary_size": vocabulary_size, "tag_count": tag_count, "embedding_size": embedding_size}
        for name, size in {**sizes, **({} if spelling is None else spelling._asdict())}.items():
            check_size("SequenceTagger", name, size)
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        nn.init.normal_(self.embedding.weight, std=EMBEDDING_DEVIATION)
        input_size, self.characters = embedding_size, None
        if spelling is not None:
            count, size = spelling
            self.characters = nn.Embedding(count, size)
            self.speller = LSTM(size, size, bidirectional=True, kernel=recurrent.kernel)  # type: ignore[arg-type]
            input_size += 2 * size
        self.layers = RecurrentStack(input_size, recurrent)
        self.output = nn.Linear(self.layers.output_size, tag_count)
        nn.init.zeros_(self.output.bias)
        self.crf = CRF(tag_count) if crf else None

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.embedding.weight.device

    def forward(
        self,
        words: Tokens,
        lengths: Lengths = None,
        tags: Tensor | None = None,
        characters: Tensor | None = None,
    ) -> TaggerOutput:
        """Score the tags of whole sequences.

        Args:
            words: (B, T) token numbers.
            lengths: (B,) integers, the valid steps of each row; None: all of them. The others are ignored.
            tags: (B, T) expected tag numbers, whose likelihood is wanted.
            characters: (B, T, C) spellings padded with `CHARACTER_PADDING`, where the model reads them.

        Raises:
            DataError: a shape or a length that does not fit, or missing spellings.
        """
        emissions, _ = self._emissions(words, characters, lengths, None)
        if tags is None:
            return TaggerOutput(emissions, None)
        if self.crf is not None:
            return TaggerOutput(emissions, self.crf(emissions, tags, lengths))
        targets = tags.masked_fill(~_valid_steps(emissions, lengths), -100)  # torch's own `ignore_index`
        scores = emissions.to(torch.promote_types(emissions.dtype, torch.float32))
        nats = nn.functional.cross_entropy(scores.mT, targets, reduction="none", ignore_index=-100)
        return TaggerOutput(emissions, -nats.sum(1))

    @torch.no_grad()
    def best_tags(self, emissions: Tensor, lengths: Lengths = None) -> Tensor:
        """The most likely tags (B, T) int64; 0 beyond a row's length."""
        if self.crf is not None:
            return self.crf.best_path(emissions, lengths).tags
        return emissions.argmax(-1).masked_fill(~_valid_steps(emissions, lengths), 0)

    def initial_state(self, batch_size: int) -> State:
        """The state before the first token: a tuple with that of every layer."""
        return self.layers.initial_state(batch_size)

    def step(
        self, words: Tokens, state: State | None = None, characters: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read the next chunk from `state` on: a sequence in any chunks gives what it gives whole.

        Args:
            words, characters: as for `forward`; any number of steps.
            state: that after the previous chunk; None: `initial_state`.

        Returns:
            emissions (B, T, K), and the state after the chunk.

        Raises:
            ConfigError: the tagger is bidirectional, or has a CRF.
            DataError: as `forward`.
        """
        if self.layers.config.bidirectional:
            why = "a bidirectional tagger cannot step, as a tag depends on the tokens after it too"
            hint = "Give the whole sequence to forward, or build with bidirectional=False"
            raise ConfigError("SequenceTagger", why, hint=hint)
        if self.crf is not None:
            why = "a tagger with a CRF cannot step, as it decodes the tags of a sequence together"
            hint = "Give the whole sequence to forward, or build with crf=False"
            raise ConfigError("SequenceTagger", why, hint=hint)
        return self._emissions(words, characters, None, state)

    def _emissions(
        self, words: Tokens, characters: Tensor | None, lengths: Lengths, state: State | None
    ) -> tuple[Tensor, State]:
        """The score of each tag (B, T, K), and the state of each layer at the end."""
        dropout = self.layers.config.dropouts.embedding if self.training else 0.0
        x = nn.functional.embedding(words.t(), drop_words(self.embedding.weight, dropout))
        if self.characters is not None:
            x = torch.cat([x, self._spelling_vectors(self.characters, words, characters)], dim=-1)
        h, state_after = self.layers(x, state, lengths)
        return self.output(h).transpose(0, 1), state_after

    def _spelling_vectors(self, embedding: nn.Embedding, words: Tokens, characters: Tensor | None) -> Tensor:
        """A vector (T, B, 2 size) for the spelling of each word."""
        if characters is None or characters.shape[:2] != words.shape:
            B, T = words.shape
            expected = f"characters must be ({B}, {T}, C), the spellings of the words"
            got = "None" if characters is None else f"{tuple(characters.shape)}"
            raise DataError("SequenceTagger", expected, got=got)
        spellings = characters.transpose(0, 1).flatten(0, 1)  # a word a row
        lengths = (spellings != CHARACTER_PADDING).sum(1)
        _, (h, _) = self.speller(embedding(spellings.t()), lengths=lengths)
        return h.transpose(0, 1).reshape(*words.t().shape, -1)


def _valid_steps(emissions: Tensor, lengths: Lengths) -> Tensor:
    """Mask (B, T) of the steps within each row's length."""
    B, T = emissions.shape[:2]
    counts = check_lengths("SequenceTagger", [T] * B if lengths is None else lengths, B, T)
    return valid_mask(counts.to(emissions.device), T)
