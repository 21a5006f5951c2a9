"""From text to streams of tokens: the vocabulary of a language model."""

from __future__ import annotations

from typing import final

from seqloom.data.batching import Batching, EvaluationStreams, Source, TokenStreams
from seqloom.data.tables.formats.file import MAX_CHARACTERS
from seqloom.data.text.corpus import FileSpan, TextCorpus
from seqloom.data.text.token_cache import TokenArray, tokenize
from seqloom.data.text.vocabulary import Unit, Vocabulary
from seqloom.errors import DataError

TOKENIZER = "tokenizer.json"
EMPTY_PROMPT = "\n"
"""The text before the first token where there is no prompt."""


@final
class Preparation:
    """A vocabulary, and the unit of its tokens.

    Args:
        unit: `character`, `byte`, `word` or `bpe`.
        vocabulary: the tokens.
    """

    column = "text"

    def __init__(self, unit: Unit, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.unit = "token" if unit == "bpe" else unit
        self._tokens: dict[tuple[FileSpan, ...], TokenArray] = {}

    def files(self) -> dict[str, str]:
        """`tokenizer.json`, which transformers reads too."""
        return {TOKENIZER: self.vocabulary.to_json()}

    def describe(self) -> str:
        """For example `66 characters`."""
        return f"{len(self.vocabulary):,} {self.unit}s"

    def tokens(self, data: TextCorpus, split: str) -> TokenArray:
        """The tokens of a split, encoded once; `all` is the whole text."""
        parts = data.all_spans() if split == "all" else data.splits[split]
        if parts not in self._tokens:
            self._tokens[parts] = tokenize(parts, self.vocabulary)
        return self._tokens[parts]

    def source(self, data: TextCorpus, split: str, batching: Batching) -> Source:
        """Parallel streams of tokens: for training, or for reading every token once."""
        tokens = self.tokens(data, split)
        if batching.training:
            return TokenStreams(tokens, batching.batch_size, batching.window, batching.seed, batching.shard)
        return EvaluationStreams(tokens, batching.batch_size, batching.window, batching.shard)

    def encode(self, value: str) -> list[int]:
        """The tokens of a prompt; of an empty one, a line feed.

        Raises:
            DataError: it is no text, as a value of a table may be.
        """
        if not isinstance(value, str):
            raise DataError("generate", "the prompt must be a text", got=f"{value!r:.60}")
        if len(value) > MAX_CHARACTERS:
            expected = f"the prompt must have at most {MAX_CHARACTERS:,} characters"
            raise DataError("generate", expected, got=f"{len(value):,}")
        return self.vocabulary.encode(value) or self.vocabulary.encode(EMPTY_PROMPT)
