"""Pictures of every kind become 8 bits a channel, upright; what cannot be used is one line."""

from __future__ import annotations

import contextlib
import errno
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from seqloom.data.images.files import read_picture
from seqloom.data.images.preprocessing import Preprocessing
from seqloom.errors import DataError, RunError

Image: Any = pytest.importorskip("PIL.Image")


def _half_transparent() -> Any:
    image = Image.new("RGBA", (8, 6), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 6))
    return image


def _turned(path: Path) -> None:
    image = Image.new("L", (8, 6))
    image.paste(255, (0, 0, 8, 1))  # the upper edge is white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    image.save(path, exif=exif)


@pytest.mark.parametrize(
    ("name", "save", "size", "said"),
    [
        ("a.png", Image.fromarray(numpy.full((6, 8), 40000, numpy.uint16)).save, (8, 6), "16 bits a channel"),
        ("a.tif", Image.fromarray(numpy.full((6, 8), 0.5, numpy.float32)).save, (8, 6), "between 0 and 1"),
        ("a.jpg", Image.new("CMYK", (8, 6), (0, 255, 0, 0)).save, (8, 6), "CMYK converted to red, green"),
        ("b.png", _half_transparent().save, (8, 6), "what is transparent made white"),
        ("c.png", _turned, (6, 8), "turned as its EXIF data says"),
        ("d.png", Image.new("P", (8, 6)).save, (8, 6), ""),
        ("e.png", Image.new("1", (8, 6)).save, (8, 6), ""),
        ("f.png", Image.new("RGBA", (8, 6), (1, 2, 3, 255)).save, (8, 6), ""),
    ],
)
def test_what_has_no_equal_is_converted(
    tmp_path: Path, name: str, save: Callable[[Path], None], size: tuple[int, int], said: str
) -> None:
    save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.image.mode in ("L", "RGB")
    assert picture.image.size == size
    assert said in "; ".join(picture.conversions)
    assert bool(said) == bool(picture.conversions)


def test_values_survive_conversion(tmp_path: Path) -> None:
    Image.fromarray(numpy.full((6, 8), 40000, numpy.uint16)).save(tmp_path / "deep.png")
    assert read_picture(tmp_path / "deep.png").image.getpixel((0, 0)) == round(40000 / 257)
    _half_transparent().save(tmp_path / "alpha.png")
    image = read_picture(tmp_path / "alpha.png").image
    assert (image.getpixel((0, 0)), image.getpixel((7, 0))) == ((255, 255, 255), (200, 0, 0))
    _turned(tmp_path / "turned.png")
    image = read_picture(tmp_path / "turned.png").image
    assert (image.getpixel((0, 4)), image.getpixel((5, 4))) == (0, 255)  # the upper edge is the right one


def test_the_first_frame_of_an_animation_is_read(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 6), shade) for shade in (10, 200, 250)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    picture = read_picture(tmp_path / "a.gif")
    assert picture.conversions == ("the first of 3 frames",)
    assert picture.image.convert("L").getpixel((0, 0)) == 10


def _huge(path: Path) -> None:
    """A PNG file of 10,000 x 10,000 pixels by its header, in 70 bytes."""
    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    parts = [struct.pack(">I", len(body)) + kind + body for kind, body in chunks]
    sums = [struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(a + b for a, b in zip(parts, sums, strict=True)))


def _truncated(path: Path) -> None:
    generator = numpy.random.default_rng(0)
    Image.fromarray(generator.integers(0, 255, (64, 64, 3)).astype(numpy.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("empty.jpg", lambda path: path.write_bytes(b""), "expected a picture. Got an empty file."),
        ("cut.jpg", _truncated, "expected a complete picture. Got a damaged one (image file is truncated"),
        ("cut.png", _truncated, "expected a complete picture. Got a damaged one ("),
        ("text.png", lambda path: path.write_text("no"), "Got 2 bytes in no known format of pictures."),
        ("huge.png", _huge, "expected at most 67 million pixels. Got 10,000 x 10,000. Make it smaller."),
        ("dot.png", Image.new("L", (1, 1)).save, "expected a picture of more than one pixel. Got 1 x 1."),
        ("folder", lambda path: path.mkdir(), "expected a picture. Got a folder."),
        ("none.png", lambda path: None, "expected a picture. Got no such file."),
        ("deep.tif", Image.fromarray(numpy.full((2, 2), 1e9, numpy.float32)).save, "numbers up to 1e+09"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, name: str, make: Callable[[Path], Any], message: str
) -> None:
    make(tmp_path / name)
    # A warning of Pillow's would be raised, in place of ours: pytest makes errors of warnings.
    with pytest.raises(DataError) as error:
        read_picture(tmp_path / name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=rf"^metadata\.csv, line 3, {name}: "):
        read_picture(tmp_path / name, where="metadata.csv, line 3")


def test_any_bytes_are_a_picture_or_one_line(tmp_path: Path) -> None:
    generator = numpy.random.default_rng(0)
    for kind in ("jpg", "png", "gif", "tif", "webp", "bmp"):
        path = tmp_path / f"a.{kind}"
        Image.fromarray(generator.integers(0, 255, (20, 20, 3)).astype(numpy.uint8)).save(path)
        whole = path.read_bytes()
        for _ in range(25):
            damaged = bytearray(whole)
            for place in generator.integers(0, len(whole), 3):
                damaged[place] = generator.integers(256)
            path.write_bytes(damaged[: generator.integers(1, len(whole) + 1)])
            with contextlib.suppress(DataError):
                assert Preprocessing(size=(8, 8)).read(path)[0].shape == (3, 8, 8)


def test_a_narrow_picture_takes_no_memory(tmp_path: Path) -> None:
    Image.new("L", (60_000, 2), 7).save(tmp_path / "narrow.png")
    pixels, _ = Preprocessing(size=(32, 32)).read(tmp_path / "narrow.png")
    assert pixels.shape == (3, 32, 32)
    assert (pixels == 7).all()


def test_the_part_in_the_middle_is_read(tmp_path: Path) -> None:
    pixels = numpy.zeros((10, 30), numpy.uint8)
    pixels[:, 10:20] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    shape = {"size": (10, 10), "mean": (0.5,), "deviation": (0.5,)}
    assert (Preprocessing(**shape).read(tmp_path / "a.png")[0] == 255).all()  # type: ignore[arg-type]
    whole = Preprocessing(**shape, crop="none").read(tmp_path / "a.png")[0]  # type: ignore[arg-type]
    assert whole[0, 0, 0] == 0
    assert Preprocessing(**shape).normalize(numpy.array([[[0, 255]]])).tolist() == [[[-1.0, 1.0]]]  # type: ignore[arg-type]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    # With a width that is a text, where a number belongs: Pillow cannot write that again.
    tags = struct.pack("<HHI4s", 0x0100, 2, 4, b"far") + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + tags + struct.pack("<I", 0)
    path = tmp_path / "a.png"
    pixels = numpy.arange(24, dtype=numpy.uint8).reshape(4, 6)
    Image.fromarray(pixels).save(path, exif=exif)
    upright = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.T,
        6: numpy.rot90(pixels, -1),
        7: numpy.rot90(pixels, 2).T,
        8: numpy.rot90(pixels),
    }
    picture = read_picture(path)
    numpy.testing.assert_array_equal(numpy.asarray(picture.image), upright[orientation])
    assert picture.conversions == (() if orientation == 1 else ("turned as its EXIF data says",))


def test_what_is_no_fault_of_a_picture_does_not_make_it_unusable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.png")

    def fail(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("PIL.Image.open", fail)
    with pytest.raises(RunError, match=r"a\.png: cannot be read now\. Got .*Too many open files\."):
        read_picture(tmp_path / "a.png")
