"""Read CoNLL files: one token per line with its tag in the last column, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from seqloom.data.encoding import detect_encoding, encoding_error, read_head
from seqloom.errors import DataError

DOCUMENT_MARKERS = ("-DOCSTART-", "#begin document", "#end document")
SPACES = re.compile(" +")


class ConllSentence(NamedTuple):
    """A sentence of a CoNLL file, or the error that makes it unusable."""

    line: int
    """Line of the file where the sentence begins, from 1; 0: no line yet"""
    tokens: list[str]
    tags: list[str]
    error: DataError | None = None


def read_conll(path: Path) -> Iterator[ConllSentence]:
    """Read the sentences of a file, in order.

    Columns are separated by tabs or, in lines without a tab, by spaces. The first column is the token, the
    last its tag; all lines have as many columns as the first. Lines between documents (`-DOCSTART-`, `#begin
    document`, `#end document`) are skipped, and so are comments: lines before the first token of a sentence
    that begin with `# ` and have no tab.

    Args:
        path: the file, UTF-8, or UTF-16 with its mark.

    Yields:
        `ConllSentence`; `error` is the first error in its lines, if any.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "train.conll")
    ...     _ = path.write_text("Anna B-PER\\nsang O\\n\\nBob B-PER\\n")
    ...     for line, tokens, tags, error in read_conll(path):
    ...         print(line, tokens, tags, error)
    1 ['Anna', 'sang'] ['B-PER', 'O'] None
    4 ['Bob'] ['B-PER'] None
    """
    num_columns, sentence = 0, ConllSentence(0, [], [])
    encoding = detect_encoding(read_head(path))
    with path.open("rb") as file:
        for number, raw in enumerate(file if encoding == "utf-8-sig" else _recoded(path, encoding), 1):
            place = f"{path}, line {number}"
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                message = encoding_error(place, "the line must be UTF-8", error, read_head(path), path.name)
                sentence = _with_error(sentence, number, message)
                continue
            if not line.strip(" \t") or line.startswith(DOCUMENT_MARKERS):
                if sentence.line:
                    yield sentence
                sentence = ConllSentence(0, [], [])
                continue
            if not sentence.line and "\t" not in line and f"{line} ".startswith("# "):
                continue
            columns = _split_columns(line)
            if len(columns) > 1:
                num_columns = num_columns or len(columns)
            if len(columns) != num_columns or not columns[0] or not columns[-1]:
                expected = f"expected {num_columns or 2} columns, the token first and its tag last"
                error = DataError(place, expected, got=f"{line!r:.60}")
                sentence = _with_error(sentence, number, error)
                continue
            sentence = sentence._replace(line=sentence.line or number)
            sentence.tokens.append(columns[0])
            sentence.tags.append(columns[-1])
    if sentence.line:
        yield sentence


def _recoded(path: Path, encoding: str) -> Iterator[bytes]:
    """The lines of a file in another encoding, as UTF-8."""
    with path.open(encoding=encoding, newline="\n") as file:
        for line in file:
            yield line.encode("utf-8")


def _split_columns(line: str) -> list[str]:
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return SPACES.split(line.strip(" "))


def _with_error(sentence: ConllSentence, number: int, error: DataError) -> ConllSentence:
    """The sentence with its first error."""
    return sentence._replace(line=sentence.line or number, error=sentence.error or error)
