"""A page with pictures, their captions, and what each word looked at. One file, without a network."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy

from seqloom.optional import import_optional

JPEG_QUALITY = 85
DIM = 0.82
"""How dark the place is that a word looked at least"""
STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #6b7785; --page: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa6b2; --page: #12181f; } }
body { margin: 0 auto; padding: 16px; max-width: 960px; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; } h2 { font-size: 1.1rem; margin: 1.8em 0 .4em; overflow-wrap: anywhere; }
p { color: var(--soft); font-size: .875rem; margin: .2em 0 .8em; overflow-wrap: anywhere; }
ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(128px, 1fr)); gap: 10px; padding: 0;
  list-style: none; }
figure { margin: 0; } figcaption { text-align: center; font-size: .875rem; }
svg { width: 100%; height: auto; display: block; border-radius: 4px; }
.store { position: absolute; width: 0; height: 0; }
"""


class AttentionPicture(NamedTuple):
    """A picture with its caption.

    Fields:
        name: of the file.
        pixels: (H, W, 3) uint8, as the model reads it.
        caption: the whole text.
        words: each by itself, without the end.
        attention: for each word the weight of each place of the map; empty for a model without attention.
        places: height and width of the map.
    """

    name: str
    pixels: numpy.ndarray
    caption: str
    words: Sequence[str]
    attention: Sequence[Sequence[float]]
    places: tuple[int, int]


def draw_attention_page(pictures: Iterable[AttentionPicture]) -> str:
    """An HTML page with every picture, whole and as each word of its caption looked at it."""
    sections = "".join(_section(number, picture) for number, picture in enumerate(pictures))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>What each word looked at</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        "<h1>What each word looked at</h1>\n"
        "<p>The brighter a place, the greater its weight when the word was chosen.</p>\n"
        f"{sections}</body>\n</html>\n"
    )


def _section(number: int, picture: AttentionPicture) -> str:
    height, width = picture.pixels.shape[:2]
    key = f"picture{number}"
    image = f'<image id="{key}" width="{width}" height="{height}" href="{_data_uri(picture.pixels)}"/>'
    store = f'<svg class="store" aria-hidden="true"><defs>{image}</defs></svg>'
    whole = _figure(key, (height, width), "", "the whole picture")
    rows = zip(picture.words, picture.attention, strict=False)
    looked = [
        _figure(key, (height, width), _shade(row, picture.places, (height, width)), word)
        for word, row in rows
    ]
    items = "".join(f"<li>{figure}</li>\n" for figure in [whole, *looked])
    title = escape(picture.caption) or "(no word)"
    return f"<h2>{title}</h2>\n<p>{escape(picture.name)}</p>\n{store}\n<ul>\n{items}</ul>\n"


def _figure(key: str, size: tuple[int, int], shade: str, word: str) -> str:
    height, width = size
    label = escape(word, quote=True)
    svg = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
    return f'<figure>{svg}<use href="#{key}"/>{shade}</svg><figcaption>{escape(word)}</figcaption></figure>'


def _shade(row: Sequence[float], places: tuple[int, int], size: tuple[int, int]) -> str:
    """A dark tile over each place, the more transparent the greater its weight."""
    rows, columns = places
    tile_height, tile_width = size[0] / rows, size[1] / columns
    greatest = max(*row, 1e-12)
    tiles = []
    for place, weight in enumerate(row):
        y, x = divmod(place, columns)
        dark = DIM * (1 - weight / greatest)
        box = f'x="{x * tile_width:.4g}" y="{y * tile_height:.4g}"'
        box += f' width="{tile_width:.4g}" height="{tile_height:.4g}"'
        tiles.append(f'<rect {box} fill-opacity="{dark:.3f}"><title>{weight:.3f}</title></rect>')
    return "".join(tiles)


def _data_uri(pixels: numpy.ndarray) -> str:
    """A picture as text: JPEG, in base64."""
    buffer = io.BytesIO()
    image = import_optional("PIL.Image", "vision").fromarray(pixels)
    image.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
