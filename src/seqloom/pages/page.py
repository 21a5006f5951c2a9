"""The frame of a page, and its sections."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from seqloom.pages.footer import Footer
from seqloom.pages.html import Html, element, join, paragraph, text

HERE = Path(__file__).parent
MIN_CONTENTS = 4
"""Sections from which on a page has a list of them at its start"""


def render_page(
    title: str,
    parts: Sequence[str],
    *,
    lead: str = "",
    footer: Footer | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """A whole page as one string, which is one file.

    Args:
        title: its heading.
        parts: sections and other pieces; plain text becomes a paragraph.
        lead: what it comes to, in a sentence or two.
        footer: how it was made, and where.
        data: values that are in the page as JSON, by the id of their element.

    >>> page = render_page("A & B", [section("One", "a < b")])
    >>> "<h1>A &amp; B</h1>" in page, "a &lt; b" in page, "http" in page.replace("http://www.w3.org", "")
    (True, True, False)
    """
    contents = _contents(parts)
    embedded = join(embed_json(key, value) for key, value in (data or {}).items())
    head = [element("h1", title), paragraph(lead, "lead") if lead else "", contents]
    body = join([Html(f"<header>{join(head)}</header>"), Html(f"<main>{join(parts)}</main>")])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<link rel="icon" href="data:,">\n<title>{text(title)}</title>\n'
        f"<style>{_asset('page.css')}</style>\n</head>\n<body>\n{body}\n{_footer(footer)}{embedded}\n"
        f"<script>{_script(body)}</script>\n</body>\n</html>\n"
    )


def section(title: str, *parts: str, anchor: str = "", lead: str = "") -> Html:
    """A part of a page with its heading.

    Args:
        title: of the section.
        parts: what is in it; plain text becomes a paragraph.
        anchor: its name in an address; empty: made of the title.
        lead: what it comes to, in a sentence.
    """
    name = anchor or make_anchor(title)
    head = [element("h2", title), paragraph(lead, "lead") if lead else ""]
    return Html(f'<section id="{text(name)}">{join(head)}\n{join(parts)}</section>')


def columns(*parts: str) -> Html:
    """Pieces beside one another where there is room, one below another where there is none."""
    return Html(
        f'<div class="columns">{"".join(f"<div>{join([part])}</div>" for part in parts if part)}</div>'
    )


def make_anchor(title: str) -> str:
    """The name of a place in a page.

    >>> make_anchor("The cell, step by step")
    'the-cell-step-by-step'
    """
    return "-".join(re.findall(r"\w+", title.lower())) or "part"


def embed_json(key: str, value: Any) -> Html:
    r"""Values inside a page, which a script or another program reads; numbers that are not finite are null.

    >>> embed_json("data", {"end": "</script>", "loss": float("nan")})
    '<script type="application/json" id="data">{"end":"\\u003c/script\\u003e","loss":null}</script>'
    """
    content = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        content = content.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json" id="{text(key)}">{content}</script>')


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _contents(parts: Sequence[str]) -> Html | str:
    found = [
        re.match(r'<section id="([^"]*)"><h2>(.*?)</h2>', part) for part in parts if isinstance(part, Html)
    ]
    links = [f'<li><a href="#{match[1]}">{match[2]}</a></li>' for match in found if match]
    if len(links) < MIN_CONTENTS:
        return ""
    return Html(f'<nav aria-label="Sections"><ul>{"".join(links)}</ul></nav>')


def _footer(footer: Footer | None) -> str:
    if footer is None:
        return ""
    versions = ", ".join(f"{name} {number}" for name, number in footer.versions.items())
    lines = [
        paragraph(words) for words in (footer.processor, versions, footer.date, *footer.remarks) if words
    ]
    if footer.command:
        lines.insert(0, Html(f"<p>Made by <code>{text(footer.command)}</code></p>"))
    return f"<footer>{join(lines)}</footer>\n"


def _script(body: str) -> str:
    """What a page does, with the reader where it has one."""
    files = ["page.js", *(["reader.js"] if 'class="reader"' in body else [])]
    return '"use strict";\n(() => {\n' + "\n".join(map(_asset, files)) + "})();\n"


@cache
def _asset(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
