"""HTML that is made here, told apart from text that comes from elsewhere and is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import final


@final
class Html(str):
    """A piece of a page that was put together from escaped parts. Plain `str` is text, and is escaped."""

    __slots__ = ()


def text(value: object) -> Html:
    """A text as it appears on a page: whatever it holds, it is no markup.

    >>> text('<b> & "c"')
    '&lt;b&gt; &amp; &quot;c&quot;'
    """
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def join(parts: Iterable[str], between: str = "\n") -> Html:
    """Pieces one after another; plain text among them becomes a paragraph each."""
    return Html(between.join(part if isinstance(part, Html) else paragraph(part) for part in parts if part))


def paragraph(words: str, kind: str = "") -> Html:
    """A paragraph of plain text, or of pieces that are HTML already.

    Args:
        words: what it says.
        kind: a class of the style sheet, such as `note`.
    """
    return element("p", words, {"class": kind} if kind else {})


def element(name: str, body: object = "", attributes: Mapping[str, object] | None = None) -> Html:
    """An element with its attributes; a value of None leaves an attribute out, and True has no value.

    >>> element("p", "a < b", {"class": "note", "hidden": True, "id": None})
    '<p class="note" hidden>a &lt; b</p>'
    """
    words = [name]
    for key, value in (attributes or {}).items():
        if value is True:
            words.append(key)
        elif value is not None and value is not False:
            words.append(f'{key}="{text(value)}"')
    return Html(f"<{' '.join(words)}>{text(body)}</{name}>")
