"""A page with pictures, their captions, and what each word looked at. One file, without a network."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy

from seqloom.optional import import_optional
from seqloom.pages import Html, paragraph, render_page, section, text

JPEG_QUALITY = 85
DIM = 0.82
"""How dark the place is that a word looked at least"""


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
    lead = "The brighter a place, the greater its weight when the word was chosen."
    sections = [draw_attention(picture, number) for number, picture in enumerate(pictures)]
    return render_page("What each word looked at", sections, lead=lead)


def draw_attention(picture: AttentionPicture, number: int) -> Html:
    """A section with a picture, whole and as each word looked at it; no other of the page has its number."""
    title = picture.caption or "(no word)"
    return section(title, draw_looks(picture, number), anchor=f"looked-{number}")


def draw_looks(picture: AttentionPicture, number: int) -> Html:
    """A picture, whole and as each word looked at it.

    Args:
        picture: with its caption.
        number: that no other picture of the page has.
    """
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
    return Html(f'{paragraph(picture.name, "note")}{store}\n<ul class="pictures">\n{items}</ul>\n')


def _figure(key: str, size: tuple[int, int], shade: str, word: str) -> str:
    height, width = size
    label = text(word)
    svg = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
    return f'<figure>{svg}<use href="#{key}"/>{shade}</svg><figcaption>{label}</figcaption></figure>'


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
