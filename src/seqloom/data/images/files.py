"""Image files to pictures of 8 bits a channel, upright, and one-line errors for unusable files.

Reads whatever Pillow reads (JPEG, PNG, WebP, GIF, TIFF, BMP …). What has no equal in gray or red, green and
blue of 8 bits is converted, and said.
"""

from __future__ import annotations

import errno
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy

from seqloom.data.images.idx import read_idx_picture, split_reference
from seqloom.errors import DataError, RunError
from seqloom.optional import import_optional

MAX_PIXELS = 64 << 20
"""Of a picture; one of 16 bits takes some thirty bytes for each while it is reduced."""
MAX_UINT8, MAX_UINT16 = 255, 65535
TO_8_BITS = 257
"""65535 / 255"""
FORMATS = "a picture, such as JPEG or PNG"
ORIENTATION = 0x0112
"""The tag of EXIF data that says how a picture is turned"""
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What makes it upright, as Pillow names it"""
SYSTEM_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
"""Errors that say nothing of a picture"""


class Picture(NamedTuple):
    """A picture, and how it was converted.

    Fields:
        image: a `PIL.Image` of mode `L` (gray) or `RGB`.
        conversions: for example `16 bits a channel reduced to 8`; files converted alike have the same texts.
    """

    image: Any
    conversions: tuple[str, ...] = ()


def read_picture(path: Path, where: object = None, near: tuple[int, int] | None = None) -> Picture:
    """Read a picture: turned as its EXIF data says, the first frame, 8 bits a channel, without transparency.

    Args:
        path: the file; `train-images-idx3-ubyte#17` is picture 17 of an idx file.
        where: what an error message begins with, for example `metadata.csv, line 3`; None: the file.
        near: height and width that it will be resized to: a JPEG file may be decoded at a half, a quarter or
            an eighth of its size if that is still twice as large.

    Returns:
        `Picture`.

    Raises:
        DataError: there is no such file, it is no picture, is truncated, or has too many pixels, or only one.
        ConfigError: Pillow is not installed.
        RunError: the system has no memory or no files left.

    >>> import tempfile, PIL.Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     PIL.Image.new("CMYK", (4, 3)).save(f"{folder}/a.jpg")
    ...     picture = read_picture(Path(folder) / "a.jpg")
    >>> picture.image.mode, picture.image.size, picture.conversions
    ('RGB', (4, 3), ('CMYK converted to red, green and blue',))
    """
    pil = import_optional("PIL.Image", "vision")
    container, number = split_reference(path)
    if number is not None:
        return Picture(pil.fromarray(read_idx_picture(container, number, where)))
    if not path.is_file():
        got = "a folder" if path.is_dir() else "no such file"
        raise _unusable(where, path, "a picture", got, f"Its path is {path}" if where else "")
    if path.stat().st_size == 0:
        raise _unusable(where, path, "a picture", "an empty file")
    with _silence():
        return _read(pil, path, where, near)


def _read(pil: Any, path: Path, where: object, near: tuple[int, int] | None) -> Picture:
    bound = f"at most {MAX_PIXELS // 1_000_000} million pixels"
    try:
        image = pil.open(path)
    except pil.UnidentifiedImageError:
        got = f"{path.stat().st_size:,} bytes in no known format of pictures"
        raise _unusable(where, path, FORMATS, got) from None
    except pil.DecompressionBombError:
        raise _unusable(where, path, bound, "far more") from None
    except Exception as error:  # a damaged header makes Pillow raise nearly anything
        _raise_system_error(path, error)
        raise _unusable(where, path, FORMATS, f"one that Pillow cannot open ({_reason(error)})") from None
    with image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _unusable(where, path, bound, f"{width:,} x {height:,}", "Make it smaller")
        if width * height <= 1:
            raise _unusable(where, path, "a picture of more than one pixel", f"{width} x {height}")
        try:
            if near is not None:  # as PIL.Image.thumbnail does, with its reducing_gap of 2
                image.draft(None, (2 * max(near), 2 * max(near)))
            conversions = [f"the first of {_frames(image)} frames"] if _frames(image) > 1 else []
            orientation = _orientation(image)
            image.load()
        except Exception as error:  # so does a damaged body
            _raise_system_error(path, error)
            raise _unusable(where, path, "a complete picture", f"a damaged one ({_reason(error)})") from None
        turn = TURNS.get(orientation)
        conversions += ["turned as its EXIF data says"] if turn else []
        try:
            simple, converted = _simplify(pil, image.transpose(pil.Transpose[turn]) if turn else image)
        except (OSError, ValueError, MemoryError) as error:
            _raise_system_error(path, error)
            raise _unusable(where, path, FORMATS, f"mode {image.mode} ({_reason(error)})") from None
        if simple is image:
            simple = image.copy()  # the file is closed at the end
    return Picture(simple, (*conversions, *converted))


def _raise_system_error(path: Path, error: Exception) -> None:
    """Raise what is no fault of the picture, which would be taken for unusable ever after."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in SYSTEM_ERRORS:
        raise RunError(path, "cannot be read now", got=_reason(error) or "too little memory") from None


def _frames(image: Any) -> int:
    return int(getattr(image, "n_frames", 1))


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF data says nothing
        return 1


def _simplify(pil: Any, image: Any) -> tuple[Any, tuple[str, ...]]:
    """An image as `L` or `RGB`, and what had to be done for it."""
    mode = image.mode
    if mode in ("L", "RGB"):
        return image, ()
    if mode == "1":
        return image.convert("L"), ()
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _reduce(pil, image)
    if mode in ("LA", "RGBA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _on_white(pil, image)
    if mode == "P":
        return image.convert("RGB"), ()
    return image.convert("RGB"), (f"{mode} converted to red, green and blue",)


def _on_white(pil: Any, image: Any) -> tuple[Any, tuple[str, ...]]:
    colored = image.convert("RGBA")
    if colored.getextrema()[3][0] == MAX_UINT8:  # nothing is transparent
        return colored.convert("L" if image.mode in ("LA", "La") else "RGB"), ()
    white = pil.new("RGBA", colored.size, (MAX_UINT8,) * 4)
    composed = pil.alpha_composite(white, colored)
    return composed.convert("L" if image.mode in ("LA", "La") else "RGB"), ("what is transparent made white",)


def _reduce(pil: Any, image: Any) -> tuple[Any, tuple[str, ...]]:
    """Numbers of more than 8 bits as 8 bits: by their type; those without a fixed range, by the greatest."""
    values = numpy.asarray(image, dtype=numpy.float64)
    greatest = float(values.max())
    if image.mode.startswith("I;16") or MAX_UINT8 < greatest <= MAX_UINT16:
        scale, said = 1 / TO_8_BITS, "16 bits a channel reduced to 8"
    elif image.mode == "F" and 0 < greatest <= 1:
        scale, said = float(MAX_UINT8), "numbers between 0 and 1 converted to 8 bits"
    elif greatest <= MAX_UINT8:
        scale, said = 1.0, f"{'real' if image.mode == 'F' else 'whole'} numbers converted to 8 bits"
    else:
        raise ValueError(f"numbers up to {greatest:.4g}")
    pixels = (values.clip(min=0) * scale).round().astype(numpy.uint8)
    return pil.fromarray(pixels), (said,)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _unusable(where: object, path: Path, expected: str, got: str, hint: str = "") -> DataError:
    name = path if where is None else f"{where}, {path.name}"
    return DataError(name, f"expected {expected}", got=got, hint=hint)


_lock = threading.Lock()
_silenced: list[Any] = []
"""For each reader at work an entry; the first is the context that restores the filters of warnings"""


@contextmanager
def _silence() -> Iterator[None]:
    """Without Pillow's warnings, by any number of threads: the filters are those of the whole process."""
    with _lock:
        if not _silenced:
            context = warnings.catch_warnings()
            context.__enter__()
            warnings.filterwarnings("ignore", module="PIL")
            warnings.filterwarnings("ignore", message=".*decompression bomb.*")
            _silenced.append(context)
        else:
            _silenced.append(None)
    try:
        yield
    finally:
        with _lock:
            context = _silenced.pop() or None
            if not _silenced and context is not None:
                context.__exit__(None, None, None)
