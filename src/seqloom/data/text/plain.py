"""Texts that are compressed or in another encoding, as plain UTF-8 in the cache folder."""

from __future__ import annotations

import codecs
import hashlib
from functools import partial
from pathlib import Path

from seqloom.data.cache import cached_folder
from seqloom.data.compression import content_name, is_compressed, open_content, read_head
from seqloom.data.encoding import HEAD_BYTES, detect_encoding, encoding_error
from seqloom.data.options import ReadOptions

CHUNK_BYTES = 1 << 20


def as_plain_text(path: Path, options: ReadOptions) -> Path:
    """The file itself if it is plain UTF-8 by its name and its mark, or else a copy that is.

    The copy is in the cache folder, under a name that changes with the content and the encoding.

    Raises:
        DataError: the file is damaged, grows beyond its limit, or is in another encoding.
        RunError: the cache cannot be written.
    """
    detected = detect_encoding(read_head(path, HEAD_BYTES))
    chosen = options.encoding or "utf-8"
    encoding = detected if detected != "utf-8-sig" else codecs.lookup(chosen).name
    if encoding == "utf-8" and not is_compressed(path):
        return path
    name = content_name(path).name or "text"
    digest = hashlib.sha256(repr((encoding, name)).encode(errors="surrogateescape"))
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return cached_folder("texts", digest.hexdigest(), partial(_write, path, name, encoding)) / name


def _write(path: Path, name: str, encoding: str, folder: Path) -> None:
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    try:
        with open_content(path) as content, (folder / name).open("wb") as copy:
            while chunk := content.read(CHUNK_BYTES):
                copy.write(decoder.decode(chunk).encode("utf-8"))
            copy.write(decoder.decode(b"", final=True).encode("utf-8"))
    except UnicodeError as error:
        expected = f"the text must be {'UTF-8' if encoding == 'utf-8' else encoding}"
        raise encoding_error(path, expected, error, read_head(path, HEAD_BYTES), path.name) from None
