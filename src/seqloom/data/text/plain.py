"""Texts that are compressed or in another encoding, as plain UTF-8 in the cache folder."""

from __future__ import annotations

import codecs
import hashlib
import os
import tempfile
from pathlib import Path

from seqloom.data.cache import cache_folder
from seqloom.data.compression import content_name, is_compressed, open_content, read_head
from seqloom.data.encoding import HEAD_BYTES, detect_encoding, encoding_error
from seqloom.data.options import ReadOptions
from seqloom.files import cannot_write

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
    digest = hashlib.sha256(encoding.encode())
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    folder = cache_folder() / "texts" / digest.hexdigest()
    target = folder / (content_name(path).name or "text")
    if not target.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(path, target, encoding)
        except OSError as error:
            hint = "Make room, or name another folder by the environment variable SEQLOOM_CACHE"
            raise cannot_write(target, error, hint) from None
    return target


def _write(path: Path, target: Path, encoding: str) -> None:
    # A temporary name of its own: several processes may do this at the same time.
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as copy:
        try:
            decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
            with open_content(path) as content:
                while chunk := content.read(CHUNK_BYTES):
                    copy.write(decoder.decode(chunk).encode("utf-8"))
                copy.write(decoder.decode(b"", final=True).encode("utf-8"))
            copy.flush()
            os.fsync(copy.fileno())
        except BaseException as error:
            os.unlink(copy.name)
            if isinstance(error, UnicodeError):
                name = "UTF-8" if encoding == "utf-8" else encoding
                head = read_head(path, HEAD_BYTES)
                raise encoding_error(path, f"the text must be {name}", error, head, path.name) from None
            raise
    os.replace(copy.name, target)
