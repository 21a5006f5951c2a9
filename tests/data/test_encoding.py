"""Bytes to text: encodings by their mark, line ends, and hints for bytes that are not UTF-8."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.encoding import check_encodable, detect_encoding, encoding_error, split_lines
from seqloom.errors import DataError

OTHER_LINE_ENDS = "\r \v \f \x1c \x1d \x1e \x85 \u2028 \u2029"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig"])
def test_an_encoding_is_known_by_its_mark(encoding: str) -> None:
    text = "zwölf\n🙂"
    mark = "" if encoding in ("utf-16", "utf-32", "utf-8-sig") else "\ufeff"  # those write one themselves
    content = (mark + text).encode(encoding)
    assert content.decode(detect_encoding(content)) == text


def test_lines_end_at_lf_and_crlf_only() -> None:
    assert split_lines(f"{OTHER_LINE_ENDS}\nb\r\n\nc") == [OTHER_LINE_ENDS, "b", "", "c"]
    assert split_lines("") == []
    assert split_lines("a\n") == ["a"]


@given(st.text())
def test_lines_joined_give_the_text(text: str) -> None:
    plain = text.replace("\r", "")
    assert "".join(f"{line}\n" for line in split_lines(f"{plain}\n")) == f"{plain}\n"
    assert split_lines(plain.replace("\n", "\r\n")) == split_lines(plain)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("Müller".encode("latin-1"), "iconv -f WINDOWS-1252 -t UTF-8 'my file.txt' > 'utf8-my file.txt'"),
        ("Müller".encode("utf-16"), "iconv -f UTF-16 -t UTF-8"),
        (gzip.compress(b"text", mtime=0), "compressed by gzip"),
        (bz2.compress(b"text"), "compressed by bzip2"),
        (lzma.compress(b"text"), "compressed by xz"),
        (b"\x00\x05\x16\x07\x00\x02\x00\x00\xff", "companion file of macOS"),
    ],
)
def test_the_hint_fits_the_bytes(content: bytes, hint: str) -> None:
    with pytest.raises(UnicodeDecodeError) as raised:
        content.decode("utf-8")
    message = str(encoding_error("a", "must be UTF-8", raised.value, content[:8], "my file.txt"))
    assert hint in message
    assert ("iconv" in message) == ("iconv" in hint)


def test_a_text_of_the_command_line_has_no_mark_and_no_foreign_bytes() -> None:
    assert check_encodable("\ufeffzwölf", "--prompt") == "zwölf"
    with pytest.raises(DataError, match=r"^--prompt: the text must be UTF-8\. Got byte 0xfc\.$"):
        check_encodable(b"M\xfcller".decode("utf-8", "surrogateescape"), "--prompt")
    with pytest.raises(DataError, match=r"Got U\+D800\.$"):
        check_encodable("\ud800", "--prompt")
