"""Text to token numbers and back, in characters, bytes, words or byte-pair units.

All four are `tokenizers` models, so that one `tokenizer.json` holds any of them and transformers reads it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

import numpy
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from seqloom.errors import ConfigError, RunError

Unit: TypeAlias = Literal["character", "byte", "word", "bpe"]

UNKNOWN = "<unk>"
END_OF_LINE = "<eos>"
ENCODE_CHARACTERS = 4096


@final
class Vocabulary:
    """What the numbers of a model's inputs and outputs stand for.

    Args:
        tokenizer: a `tokenizers.Tokenizer`; `fit` makes one from text.

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
        """Make a vocabulary from text, which is read once.

        Args:
            unit: `character`; `byte` (256 of them, whatever the text); `word`, split at white space, the
                end of a line being a word of its own, as the Penn Treebank has it; or `bpe` (byte level).
            texts: the training text, in pieces.
            size: the most tokens, the unknown one included; the commonest are kept. None: 8,000 for `bpe`,
                50,000 for `word`, all of them for `character`.
        """
        if size is not None and unit == "byte":
            raise ConfigError("data.vocabulary_size", "must be left out for bytes: there are 256", got=size)
        least = 256 if unit == "bpe" else 2
        if size is not None and size < least:
            raise ConfigError("data.vocabulary_size", f"must be an int >= {least} for {unit} units", got=size)
        return cls(_MAKERS[unit](texts, size))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read a `tokenizer.json`.

        Raises:
            RunError: it is missing or damaged.
        """
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # tokenizers raises the bare class
            raise RunError(path, "expected a tokenizer.json", got=str(error)) from None

    def to_json(self) -> str:
        """The text of a `tokenizer.json`."""
        return self.tokenizer.to_str(pretty=False)

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    @property
    def unknown(self) -> int | None:
        """The number of the token that stands for what the training text did not have, if there is one."""
        return self.tokenizer.token_to_id(UNKNOWN)

    def encode(self, text: str) -> list[int]:
        """Token numbers of `text`."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode_pieces(self, texts: Iterable[str]) -> Iterator[numpy.ndarray]:
        """Token numbers of each of `texts`, as unsigned arrays of the narrowest type that holds them."""
        kind = self.dtype
        for text in texts:
            encoded = self.tokenizer.encode_batch_fast(_short(text), add_special_tokens=False)
            yield numpy.fromiter(itertools.chain.from_iterable(part.ids for part in encoded), dtype=kind)

    @property
    def dtype(self) -> type[numpy.unsignedinteger[Any]]:
        """The narrowest unsigned type for a token number."""
        return numpy.uint16 if len(self) <= 1 << 16 else numpy.uint32

    def decode(self, tokens: Sequence[int]) -> str:
        """The text that `tokens` stand for."""
        return self.tokenizer.decode(list(tokens), skip_special_tokens=False)

    def decode_stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of `tokens` as they come; a character is given once all its bytes are there."""
        stream = decoders.DecodeStream(skip_special_tokens=False)
        for token in tokens:
            text = stream.step(self.tokenizer, token)
            if text:
                yield text


def _short(text: str) -> list[str]:
    """`text` cut at line ends into runs that the tokenizer encodes side by side, in little memory."""
    lines = text.splitlines(keepends=True)
    runs, run, size = [], [], 0
    for line in lines:
        run.append(line)
        size += len(line)
        if size >= ENCODE_CHARACTERS:
            runs.append("".join(run))
            run, size = [], 0
    return [*runs, "".join(run)] if run else runs


def _character(texts: Iterable[str], size: int | None) -> Tokenizer:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    kept = sorted(character for character, _ in _commonest(counts, None if size is None else size - 1))
    tokenizer = _word_level([UNKNOWN, *kept])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _word(texts: Iterable[str], size: int | None) -> Tokenizer:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text.split())
        counts[END_OF_LINE] += text.count("\n")
    counts.pop(UNKNOWN, None)
    kept = [word for word, _ in _commonest(counts, (size or 50_000) - 1)]
    tokenizer = _word_level([UNKNOWN, *kept])
    tokenizer.normalizer = normalizers.Replace("\n", f" {END_OF_LINE} ")
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # Every word is given a space before it, so that a stream of words and a whole decode read the same.
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(Regex("^"), " "), decoders.Replace(f" {END_OF_LINE}", "\n"), decoders.Fuse()]
    )
    return tokenizer


def _byte(texts: Iterable[str], size: int | None) -> Tokenizer:
    del texts, size  # the bytes are known
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _bpe(texts: Iterable[str], size: int | None) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size or 8_000, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


_MAKERS = {"character": _character, "byte": _byte, "word": _word, "bpe": _bpe}


def _commonest(counts: Counter[str], size: int | None) -> list[tuple[str, int]]:
    """By falling count, then by spelling, so that the order never depends on how the text was read."""
    return sorted(((t, n) for t, n in counts.items() if n), key=lambda item: (-item[1], item[0]))[:size]


def _word_level(tokens: Sequence[str]) -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
