"""Standard input: line ends, byte order marks, and bytes that are not UTF-8."""

from __future__ import annotations

import io
import sys

import pytest

from seqloom.cli.terminal.pipe import CHUNK_LINES, chunks_of_lines, read_all
from seqloom.errors import DataError


def pipe(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Make `content` the standard input, of a Python whose locale is ASCII."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))


def test_lines_of_a_pipe_end_at_lf_and_crlf_only(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, "\ufeffone\f\x85\u2028\rone\r\ntwo\n\nzwölf".encode())
    assert list(chunks_of_lines()) == [["one\f\x85\u2028\rone", "two", "", "zwölf"]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("text", ["one\r\n\u0a0a zw\u00f6lf\n\n\u010a", "one\n\u0a0a zw\u00f6lf\n\n\u010a\n"])
def test_a_pipe_in_utf16_is_read_by_its_mark(
    monkeypatch: pytest.MonkeyPatch, encoding: str, text: str
) -> None:
    pipe(monkeypatch, text.encode(encoding))
    assert list(chunks_of_lines()) == [["one", "\u0a0a zw\u00f6lf", "", "\u010a"]]


def test_a_long_pipe_comes_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, b"x\n" * (CHUNK_LINES + 1))
    assert [len(chunk) for chunk in chunks_of_lines()] == [CHUNK_LINES, 1]


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", ""), (b"a", "a"), (b"a\n", "a"), (b"a\n\n", "a\n"), (b"\xef\xbb\xbfa\r\nb\r\n", "a\nb")],
)
def test_a_piped_prompt_has_no_mark_and_no_last_line_end(
    monkeypatch: pytest.MonkeyPatch, content: bytes, text: str
) -> None:
    pipe(monkeypatch, content)
    assert read_all() == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"good\nM\xfcller\n",
            r"^standard input, line 2: the text must be UTF-8.*0xfc .* WINDOWS-1252",
        ),
        ("good\n".encode("utf-16")[:-1], r"^standard input, line 1: .*iconv -f UTF-16 -t UTF-8\.$"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    pipe(monkeypatch, content)
    with pytest.raises(DataError, match=message):
        list(chunks_of_lines())
    pipe(monkeypatch, content)
    with pytest.raises(DataError, match=message):
        read_all()
