"""CoNLL files: a token a line, an empty line between sentences; plain columns, or CoNLL-U and its kin."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from seqloom.data import compression
from seqloom.data.encoding import HEAD_BYTES, encoding_error
from seqloom.data.options import column_settings
from seqloom.data.tables.columns import resolve_chosen
from seqloom.data.tables.formats.file import TOO_LONG, TableFile, bounded_lines
from seqloom.errors import DataError

DOCUMENT_MARKERS = ("-DOCSTART-", "#begin document", "#end document")
SPACES = re.compile(" +")
NO_TOKEN = re.compile(r"\d+[-.]\d+")
"""In CoNLL-U a range of tokens that are written as one word (`1-2`), or an empty node (`8.1`)"""
CONLLU_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
GLOBAL_COLUMNS = "# global.columns ="
"""In CoNLL-U Plus the names of the columns follow."""
SAMPLE_SENTENCES = 5
MAX_TOKENS = 1 << 15
"""Of a sentence"""
MAX_LINES = 2 * MAX_TOKENS
"""Of a sentence, comments included"""


class ConllSentence(NamedTuple):
    """A sentence of a CoNLL file, or the error that makes it unusable."""

    line: int
    """Line of the file where the sentence begins, from 1"""
    tokens: list[str]
    tags: list[str]
    error: DataError | None = None


class Layout(NamedTuple):
    """Where the columns are, by index."""

    token: int = 0
    tag: int = -1
    num_columns: int = 0
    """0: no line with columns yet"""
    is_counted: bool = False
    """Whether the first column counts the tokens of a sentence"""


Line = tuple[int, str | DataError]


def read_conll(file: TableFile) -> Iterator[ConllSentence]:
    """Read the sentences of a file, in order.

    Columns are separated by tabs or, in lines without a tab, by spaces, and all lines have as many as the
    first. The first column is the token, the last its tag. Where the first column counts the tokens of every
    sentence, as in CoNLL-U, the second is the token; of ten columns the fourth is the tag, UPOS, and ranges
    such as `1-2` and empty nodes such as `8.1` are left out. `data.columns` can set both, by name or number.

    Lines between documents (`-DOCSTART-`, `#begin document`, `#end document`) are skipped, and so are
    comments: lines that begin with `#` where tokens are counted, or else lines before the first token of a
    sentence that begin with `# ` and have no tab.

    Args:
        file: UTF-8, or UTF-16 with its mark, or in the encoding that is set.

    Yields:
        `ConllSentence`; `error` is the first error in its lines, if any.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "train.conll")
    ...     _ = path.write_text("Anna B-PER\\nsang O\\n\\nBob B-PER\\n")
    ...     for line, tokens, tags, error in read_conll(TableFile(path)):
    ...         print(line, tokens, tags, error)
    1 ['Anna', 'sang'] ['B-PER', 'O'] None
    4 ['Bob'] ['B-PER'] None
    """
    sentences = _sentences(file)
    sample = list(islice(sentences, SAMPLE_SENTENCES))
    is_counted = _is_counted(sample)
    names = next((_global_columns(line) for _, line in chain.from_iterable(sample[:1])), [])
    layout = Layout(is_counted=is_counted)
    for sentence in chain(sample, sentences):
        lines = sentence[_count_comments(sentence, is_counted) :]
        tokens, tags, mistake, first = [], [], None, 0
        for number, line in lines:
            if isinstance(line, DataError):
                first, mistake = first or number, mistake or line
                continue
            columns = _split_columns(line)
            if is_counted and (line.startswith("#") or NO_TOKEN.fullmatch(columns[0])):
                continue
            if not layout.num_columns and len(columns) > 1:
                layout = _find_layout(file, len(columns), is_counted, names)
            first = first or number
            if len(columns) != layout.num_columns or not (columns[layout.token] and columns[layout.tag]):
                error = DataError(f"{file.path}, line {number}", _expected(layout), got=f"{line!r:.60}")
                mistake = mistake or error
                continue
            tokens.append(columns[layout.token])
            tags.append(columns[layout.tag])
        if len(tokens) > MAX_TOKENS or len(sentence) > MAX_LINES:
            expected = f"a sentence must have at most {MAX_TOKENS:,} tokens, and {MAX_LINES:,} lines"
            hint = "Is an empty line missing between sentences?"
            mistake = DataError(f"{file.path}, line {first}", expected, got="more", hint=hint)
            tokens, tags = [], []
        if first:
            yield ConllSentence(first, tokens, tags, mistake)


def _sentences(file: TableFile) -> Iterator[list[Line]]:
    """The lines of each sentence, with their numbers; comments are among them."""
    lines: list[Line] = []
    for number, line in _lines(file):
        if isinstance(line, str) and (not line.strip(" \t") or line.startswith(DOCUMENT_MARKERS)):
            if lines:
                yield lines
            lines = []
        elif len(lines) <= MAX_LINES:  # of a longer one it is enough to know that it is too long
            lines.append((number, line))
    if lines:
        yield lines


def _lines(file: TableFile) -> Iterator[Line]:
    """The lines of a file; one that is not UTF-8 is the error that says so."""
    if file.encoding != "utf-8-sig":
        with file.open_text() as text:
            for number, line in enumerate(bounded_lines(text), 1):
                too_long = DataError(f"{file.path}, line {number}", TOO_LONG)
                yield number, too_long if line is None else line.rstrip("\r\n")
        return
    with compression.open_content(file.path) as content:
        for number, raw in enumerate(bounded_lines(content), 1):
            if raw is None:
                yield number, DataError(f"{file.path}, line {number}", TOO_LONG)
                continue
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                place, head = f"{file.path}, line {number}", compression.read_head(file.path, HEAD_BYTES)
                yield number, encoding_error(place, "the line must be UTF-8", error, head, file.path.name)


def _count_comments(sentence: Sequence[Line], is_counted: bool) -> int:
    """The number of comments at the head of a sentence."""
    for place, (_, line) in enumerate(sentence):
        is_comment = isinstance(line, str) and (
            line.startswith("#") if is_counted else "\t" not in line and f"{line} ".startswith("# ")
        )
        if not is_comment:
            return place
    return len(sentence)


def _is_counted(sentences: Sequence[Sequence[Line]]) -> bool:
    """Whether the first of three columns or more counts the tokens of most sentences, from 1 or from 0."""
    counted, longest = 0, 0
    for sentence in sentences:
        texts = [line for _, line in sentence[_count_comments(sentence, True) :] if isinstance(line, str)]
        rows = [columns for line in texts if not NO_TOKEN.fullmatch((columns := _split_columns(line))[0])]
        first = [columns[0] for columns in rows]
        numbers = [str(number) for number in range(len(first) + 1)]
        if rows and len(rows[0]) > 2 and first in (numbers[1:], numbers[:-1]):
            counted += 1
            longest = max(longest, len(first))
    return 2 * counted > len(sentences) and longest > 1


def _global_columns(line: str | DataError) -> list[str]:
    if isinstance(line, str) and line.startswith(GLOBAL_COLUMNS):
        return [name.split(":")[-1] for name in line.removeprefix(GLOBAL_COLUMNS).split()]
    return []


def _find_layout(file: TableFile, num_columns: int, is_counted: bool, names: list[str]) -> Layout:
    """The columns of token and tag: as they are set, or as the format has them.

    Raises:
        DataError: there is no such column as was set.
    """
    if len(names) != num_columns:
        is_conllu = is_counted and num_columns == len(CONLLU_COLUMNS)
        names = list(CONLLU_COLUMNS) if is_conllu else [str(number) for number in range(1, num_columns + 1)]
    usual = {
        "tokens": names.index("FORM") if "FORM" in names else int(is_counted),
        "tags": names.index("UPOS") if "UPOS" in names else num_columns - 1,
    }
    wanted = {role: name for role, name in file.options.columns.items() if role in usual}
    chosen = resolve_chosen(names, wanted, file.path, required=True)
    places = usual | {role: names.index(name) for role, name in chosen.items()}
    if num_columns > 2 and len(chosen) < 2:
        counted = ", of which the first counts the tokens" if is_counted else ""
        others = column_settings([("tokens", "COLUMN"), ("tags", "COLUMN")])
        token, tag = (names[places[role]] for role in usual)
        file.note(
            f"{num_columns} columns{counted}: the token is column {token}, its tag {tag} (others by {others})"
        )
    return Layout(places["tokens"], places["tags"], num_columns, is_counted)


def _split_columns(line: str) -> list[str]:
    if "\t" in line:
        return [column.strip(" ") for column in line.split("\t")]
    return SPACES.split(line.strip(" "))


def _expected(layout: Layout) -> str:
    last = layout.num_columns - 1 if layout.num_columns else 1
    if layout.token == 0 and layout.tag in (-1, last):
        return f"expected {layout.num_columns or 2} columns, the token first and its tag last"
    token, tag = layout.token + 1, layout.tag + 1
    return f"expected {layout.num_columns} columns, the token in column {token} and its tag in column {tag}"
