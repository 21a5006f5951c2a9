"""A picture of one byte a pixel as a PNG, without a library."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY_AND_ALPHA = 4
"""The color type whose second byte says how opaque a pixel is"""


def draw_mask(rows: Sequence[bytes]) -> str:
    """A picture that is opaque where a byte is 255 and clear where it is 0, as a data URI.

    Args:
        rows: from the top, all of one length.

    >>> draw_mask([b"\\x00\\xff"])[:22]
    'data:image/png;base64,'
    """
    width = len(rows[0])
    lines = []
    for row in rows:
        line = bytearray(2 * width)
        line[1::2] = row
        lines.append(b"\0" + bytes(line))
    header = struct.pack(">IIBBBBB", width, len(rows), 8, GRAY_AND_ALPHA, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines), 9)), (b"IEND", b"")]
    content = SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
