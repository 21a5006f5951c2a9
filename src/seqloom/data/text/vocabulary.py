"""Vocabularies: text to token ids and back, in characters, bytes, words or byte-pair units.

All four are models of Hugging Face `tokenizers`, saved as `tokenizer.json`, which transformers can load.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

import numpy
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from seqloom.data.text.stored_vocabulary import EXPECTED, read_tokenizer
from seqloom.errors import ConfigError, RunError

log = logging.getLogger("seqloom")

Unit: TypeAlias = Literal["character", "byte", "word", "bpe"]

UNKNOWN = "<unk>"
END_OF_LINE = "<eos>"
MAX_CHARACTERS = 20_000
"""Of a vocabulary, unless more are asked for: a model computes a number for each at every step"""
ENCODE_CHARACTERS = 4096
"""A long text is encoded in parts of about this length, at line ends, in parallel and in little memory."""


@final
class Vocabulary:
    """A tokenizer with its vocabulary: turns text into the token ids that a model reads and writes, and back.

    Args:
        tokenizer: a `tokenizers.Tokenizer`; `fit` trains one on text.

    >>> vocabulary = Vocabulary.fit("character", ["hello"])
    >>> vocabulary.encode("hole")
    [2, 4, 3, 1]
    >>> vocabulary.decode([2, 4, 3, 1])
    'hole'
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def fit(cls, unit: Unit, texts: Iterable[str], size: int | None = None) -> Vocabulary:
        """Build a vocabulary from text, in one pass.

        Args:
            unit: `character`; `byte` (always the 256 bytes); `word`, split at white space, with the token
                `<eos>` at line ends, as in the Penn Treebank; or `bpe` (byte-level byte-pair encoding).
            texts: the training text, in chunks.
            size: maximum number of tokens, the unknown token included; the most frequent are taken. None:
                8,000 for `bpe`, 50,000 for `word`, 20,000 and the unknown one for `character`.

        Raises:
            ConfigError: a size that is too small for the unit, or any size for `byte`.
        """
        if size is not None and unit == "byte":
            raise ConfigError(
                "data.vocabulary_size", "must be left out for byte units, of which there are 256", got=size
            )
        minimum = 256 if unit == "bpe" else 2
        if size is not None and size < minimum:
            raise ConfigError(
                "data.vocabulary_size", f"must be an int >= {minimum} for {unit} units", got=size
            )
        return cls(_BUILDERS[unit](texts, size))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read a `tokenizer.json`.

        Raises:
            RunError: it is missing or damaged.
        """
        text = read_tokenizer(path, _usual_tokenizers(), UNKNOWN)
        try:
            return cls(Tokenizer.from_str(text))
        except Exception as error:  # tokenizers raises the bare class
            raise RunError(path, EXPECTED, got=str(error)) from None

    def to_json(self) -> str:
        """The content of a `tokenizer.json`, for `load`."""
        return self.tokenizer.to_str(pretty=False)

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    @property
    def unknown(self) -> int | None:
        """The id of the unknown token; None: the vocabulary has none, as in byte-level units."""
        return self.tokenizer.token_to_id(UNKNOWN)

    def encode(self, text: str) -> list[int]:
        """The token ids of a text."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode_chunks(self, texts: Iterable[str]) -> Iterator[numpy.ndarray]:
        """Yield the token ids of every text as an array (N,) of `dtype`."""
        dtype = self.dtype
        for text in texts:
            encoded = self.tokenizer.encode_batch_fast(_split_at_lines(text), add_special_tokens=False)
            yield numpy.fromiter(itertools.chain.from_iterable(part.ids for part in encoded), dtype=dtype)

    @property
    def dtype(self) -> type[numpy.unsignedinteger[Any]]:
        """The smallest unsigned type that holds every token id."""
        return numpy.uint16 if len(self) <= 1 << 16 else numpy.uint32

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=False)

    def decode_stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yield the text of a stream of token ids; a character is given when all its bytes have come."""
        stream = decoders.DecodeStream(skip_special_tokens=False)
        for token in tokens:
            text = stream.step(self.tokenizer, token)
            if text:
                yield text


def _split_at_lines(text: str) -> list[str]:
    """Split a text at line ends into parts of about `ENCODE_CHARACTERS`."""
    parts, lines, size = [], [], 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        lines.append(line)
        size += len(line)
        if size >= ENCODE_CHARACTERS:
            parts.append("".join(lines))
            lines, size = [], 0
    return [*parts, "".join(lines)] if lines else parts


def _build_character(texts: Iterable[str], size: int | None) -> Tokenizer:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    if size is None and len(counts) > MAX_CHARACTERS:
        log.warning(
            "of %s different characters the %s most frequent are learnt, the others are unknown ones "
            "(data.vocabulary_size=N: so many)",
            f"{len(counts):,}",
            f"{MAX_CHARACTERS:,}",
        )
    characters = sorted(_most_frequent(counts, MAX_CHARACTERS if size is None else size - 1))
    tokenizer = _make_word_level([UNKNOWN, *characters])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _build_word(texts: Iterable[str], size: int | None) -> Tokenizer:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text.split())
        counts[END_OF_LINE] += text.count("\n")
    counts.pop(UNKNOWN, None)
    tokenizer = _make_word_level([UNKNOWN, *_most_frequent(counts, (size or 50_000) - 1)])
    tokenizer.normalizer = normalizers.Replace("\n", f" {END_OF_LINE} ")
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # Every word is decoded with a space before it, so that decoding word by word gives the same text.
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(Regex("^"), " "), decoders.Replace(f" {END_OF_LINE}", "\n"), decoders.Fuse()]
    )
    return tokenizer


def _build_byte(texts: Iterable[str], size: int | None) -> Tokenizer:
    del texts, size  # always the 256 bytes
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _build_bpe(texts: Iterable[str], size: int | None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size or 8_000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


@cache
def _usual_tokenizers() -> tuple[str, ...]:
    """One of each kind: those of this module, and that of `words.py`."""
    from seqloom.data.text.words import new_words  # which needs this module

    return (*(build([], None).to_str() for build in _BUILDERS.values()), new_words().to_json())


_BUILDERS = {"character": _build_character, "byte": _build_byte, "word": _build_word, "bpe": _build_bpe}


def _most_frequent(counts: Counter[str], size: int | None) -> list[str]:
    """Tokens by falling count, then by spelling, so that the order of the text does not matter."""
    tokens = (token for token, count in counts.items() if count)
    return sorted(tokens, key=lambda token: (-counts[token], token))[:size]


def _make_word_level(tokens: Sequence[str]) -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
