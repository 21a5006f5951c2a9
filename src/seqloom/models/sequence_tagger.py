r"""Many-to-many, aligned: a tag for each step, from what stands before it and, read both ways, behind it.

.. math::

    v_t &= [E[w_t]; c_t] \\
    h_1 \dots h_T &= \mathrm{recurrence}(v_1 \dots v_T) \\
    e_t &= W h_t + b \\
    p(y \mid w) &= \prod_t \mathrm{softmax}(e_t)_{y_t}, \text{ or that of a CRF over } e

c_t, if there is one, is what a small LSTM makes of the word's spelling: its last outputs in both directions.
The tagger of Lample et al., 2016 (arXiv:1603.01360).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from seqloom.errors import ConfigError, DataError
from seqloom.layers.crf import CRF
from seqloom.layers.masking import Lengths, check_lengths, valid_mask
from seqloom.layers.recurrent import LSTM
from seqloom.models.dropout import Dropouts, drop, drop_words
from seqloom.models.language_model import LAYERS
from seqloom.models.sequence_classifier import Recurrence
from seqloom.models.word_embedding import DEVIATION
from seqloom.shapes import Tokens
from seqloom.state import State

NO_CHARACTER = 0
"""What fills up the spelling of a word that is shorter than others."""


class Spelling(NamedTuple):
    """How the spelling of a word is read: characters there are, `NO_CHARACTER` included, and units."""

    character_count: int
    size: int = 25
    """Width of a character's vector, and units of the LSTM in each direction"""


class Tagged(NamedTuple):
    """What a tagger makes of sequences."""

    emissions: Tensor
    """(B, T, K): the score of each tag at each step; beyond a row's length without meaning"""
    log_likelihood: Tensor | None
    """(B,), nats of the tags that were given, all steps of a row together, in float32 at least"""


@final
class SequenceTagger(nn.Module):
    """Predict a tag for each token of a sequence.

    Args:
        vocabulary_size: tokens there are, V.
        tag_count: K, tags there are.
        embedding_size: width of a token's vector.
        recurrence: the recurrent layers.
        crf: whether tags are chosen together, each by its neighbors.
        spelling: how spellings are read; None: not at all.
        dropouts: where and how much is dropped in training.

    Raises:
        ConfigError: an argument out of its range.

    >>> model = SequenceTagger(10, 3, embedding_size=8, recurrence=Recurrence("lstm", 16))
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
        recurrence: Recurrence,
        crf: bool = False,
        spelling: Spelling | None = None,
        dropouts: Dropouts = Dropouts(),
    ) -> None:
        super().__init__()
        cell_type, hidden_size, num_layers, bidirectional, kernel = recurrence
        sizes = {"vocabulary_size": vocabulary_size, "tag_count": tag_count, "embedding_size": embedding_size}
        sizes |= {"num_layers": num_layers, **({} if spelling is None else spelling._asdict())}
        for name, size in sizes.items():
            if size < 1:
                raise ConfigError("SequenceTagger", f"{name} must be an int >= 1", got=size)
        if cell_type not in LAYERS:
            expected = f"cell_type must be one of {', '.join(LAYERS)}"
            raise ConfigError("SequenceTagger", expected, got=cell_type)
        self.dropouts, self.bidirectional = dropouts, bidirectional
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        nn.init.normal_(self.embedding.weight, std=DEVIATION)
        input_size, self.characters = embedding_size, None
        options: dict[str, Any] = {"kernel": kernel}
        if spelling is not None:
            count, size = spelling
            self.characters = nn.Embedding(count, size)
            self.speller = LSTM(size, size, bidirectional=True, **options)
            input_size += 2 * size
        output_size = hidden_size * (1 + bidirectional)
        options |= {"weight_dropout": dropouts.weight, "recurrent_dropout": dropouts.recurrent}
        self.layers = nn.ModuleList(
            LAYERS[cell_type](below, hidden_size, bidirectional=bidirectional, **options)
            for below, _ in pairwise([input_size, *[output_size] * num_layers])
        )
        self.output = nn.Linear(output_size, tag_count)
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
    ) -> Tagged:
        """Read whole sequences.

        Args:
            words: (B, T) token numbers.
            lengths: (B,) integers, the real steps of each row; None: all. What lies beyond changes nothing.
            tags: (B, T) tag numbers, to be told how likely they are.
            characters: (B, T, C) their spellings, `NO_CHARACTER` behind a word's end; where these are read.

        Raises:
            DataError: a shape or a length that does not fit, or spellings are missing.
        """
        emissions, _ = self._emissions(words, characters, lengths, None)
        if tags is None:
            return Tagged(emissions, None)
        if self.crf is not None:
            return Tagged(emissions, self.crf(emissions, tags, lengths))
        ignored = tags.masked_fill(~_real(emissions, lengths), -100)  # torch's own default `ignore_index`
        wide = emissions.to(torch.promote_types(emissions.dtype, torch.float32))
        nats = nn.functional.cross_entropy(wide.mT, ignored, reduction="none", ignore_index=-100)
        return Tagged(emissions, -nats.sum(1))

    @torch.no_grad()
    def best_tags(self, emissions: Tensor, lengths: Lengths = None) -> Tensor:
        """The most likely tags (B, T) int64; 0 beyond a row's length."""
        if self.crf is not None:
            return self.crf.best_path(emissions, lengths).tags
        return emissions.argmax(-1).masked_fill(~_real(emissions, lengths), 0)

    def initial_state(self, batch_size: int) -> State:
        """The state before anything was read: one per layer."""
        return tuple(layer.initial_state(batch_size) for layer in self.layers)  # type: ignore[operator]

    def step(
        self, words: Tokens, state: State | None = None, characters: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Read on from `state`: a sequence in any chunks gives what it gives whole.

        Args:
            words, characters: as for `forward`; any number of steps.
            state: what the chunk before gave; None: `initial_state`.

        Returns:
            emissions (B, T, K), and the state after the chunk.

        Raises:
            ConfigError: the tagger reads both ways, or has a CRF.
            DataError: as `forward`.
        """
        if self.bidirectional:
            why = "a tagger that reads both ways cannot step, as what comes behind a token decides on its tag"
            hint = "Give the whole sequence to forward, or build with bidirectional=False"
            raise ConfigError("SequenceTagger", why, hint=hint)
        if self.crf is not None:
            why = "a tagger with a CRF cannot step, as it chooses the tags of a sequence together"
            hint = "Give the whole sequence to forward, or build with crf=False"
            raise ConfigError("SequenceTagger", why, hint=hint)
        return self._emissions(words, characters, None, state)

    def _emissions(
        self, words: Tokens, characters: Tensor | None, lengths: Lengths, state: State | None
    ) -> tuple[Tensor, State]:
        """Scores of each tag (B, T, K), and the state of each layer at the end."""
        drops = self.dropouts if self.training else Dropouts()
        values = nn.functional.embedding(words.t(), drop_words(self.embedding.weight, drops.embedding))
        if self.characters is not None:
            values = torch.cat([values, self._spelt(words, characters)], dim=-1)
        values = drop(values, drops.input, drops.locked)
        states: list[State] = []
        for number, layer in enumerate(self.layers):
            if number:
                values = drop(values, drops.hidden, drops.locked)
            values, after = layer(values, None if state is None else state[number], lengths=lengths)
            states.append(after)
        emissions = self.output(drop(values, drops.output, drops.locked))
        return emissions.transpose(0, 1), tuple(states)

    def _spelt(self, words: Tokens, characters: Tensor | None) -> Tensor:
        """What each word's spelling comes to (T, B, 2 size)."""
        assert self.characters is not None
        if characters is None or characters.shape[:2] != words.shape:
            B, T = words.shape
            expected = f"characters must be ({B}, {T}, C), the spellings of the words"
            got = "None" if characters is None else f"{tuple(characters.shape)}"
            raise DataError("SequenceTagger", expected, got=got)
        each = characters.transpose(0, 1).flatten(0, 1)  # a word a row
        _, (h, _) = self.speller(self.characters(each.t()), lengths=(each != NO_CHARACTER).sum(1))
        return h.transpose(0, 1).reshape(*words.t().shape, -1)


def _real(emissions: Tensor, lengths: Lengths) -> Tensor:
    """Which steps are real (B, T)."""
    B, T = emissions.shape[:2]
    counts = check_lengths("SequenceTagger", [T] * B if lengths is None else lengths, B, T)
    return valid_mask(counts.to(emissions.device), T)
