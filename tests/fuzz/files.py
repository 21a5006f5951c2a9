"""Made-up files for every reader: good ones, good ones with damage, tables of anything, and bytes."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import wave
import zlib
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from seqloom.data.music.midi import midi_bytes
from seqloom.data.music.tune import make_tune

ROWS = 12
NAMES = ("train", "validation", "test", "valid", "dev", "data", "metadata", ".hidden", "a[b]", "[/b]", "-x")
SUFFIXES = (
    ".csv",
    ".tsv",
    ".jsonl",
    ".parquet",
    ".conll",
    ".txt",
    ".wav",
    ".CSV",
    ".json",
    ".gz",
    ".xyz",
    ".mid",
    ".png",
    "",
)
COLUMNS = ("text", "label", "labels", "source", "target", "tokens", "tags", "values", "file", "file_name")
COLUMNS += (
    "transcription",
    "speaker",
    "",
    "text",
    "[red]",
    "\x1b[31m",
    "a\nb",
    "ner_tags",
    "ds",
    "y",
    "unique_id",
    "review",
    "__index__",
)


def _wav(samples: numpy.ndarray, rate: int = 8000) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return content.getvalue()


def _png(pixels: numpy.ndarray) -> bytes:
    """A picture (H, W, 3) uint8 as the simplest PNG there is."""
    height, width = pixels.shape[:2]
    lines = numpy.concatenate([numpy.zeros((height, 1), numpy.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(lines.tobytes()), b"IEND": b""}
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts.items()
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), content)
    return content.getvalue()


def _jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


TONE = (8000 * numpy.sin(numpy.arange(1600) / 5)).astype(numpy.int16)
REVIEWS = [
    {"text": f"a {'fine' if n % 2 else 'dull'} film {n}", "label": "good" if n % 2 else "bad"}
    for n in range(ROWS)
]
SERIES = [{"values": [n, 0.5, -1.0, n / 3], "label": str(n % 2)} for n in range(ROWS)]
SALES = [
    (shop, f"2024-{1 + day // 28:02}-{1 + day % 28:02}", str(day % 7 + 3 * shop))
    for shop in (1, 2)
    for day in range(56)
]
PAIRS = [(f"a red house {n}", f"ein rotes Haus {n}") for n in range(ROWS)]
SQUARE = numpy.kron(numpy.eye(2, dtype=numpy.uint8), numpy.full((12, 12), 200, numpy.uint8))[..., None]
MELODY = [(24 * step, 24, 60 + 5 * step % 12) for step in range(8)]
SEEDS = {
    "text.txt": b"the quick brown fox jumps over the lazy dog.\n" * 20,
    "reviews.csv": ("text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in REVIEWS)).encode(),
    "reviews.jsonl": _jsonl(REVIEWS),
    "reviews.parquet": _parquet(REVIEWS),
    "series.jsonl": _jsonl(SERIES),
    "series.parquet": _parquet(SERIES),
    "sales.csv": ("unique_id,ds,y\n" + "".join(",".join(map(str, row)) + "\n" for row in SALES)).encode(),
    "sales.jsonl": _jsonl([{"ds": ds, "y": float(y), "price": 1.5} for _, ds, y in SALES[:56]]),
    "wide.parquet": _parquet([{"date": ds, "a": float(y), "b": 2.0} for _, ds, y in SALES[:56]]),
    "tags.conll": b"Anna B-PER\nlives O\nin O\nBonn B-LOC\n\n" * ROWS,
    "pairs.tsv": ("source\ttarget\n" + "".join(f"{a}\t{b}\n" for a, b in PAIRS)).encode(),
    "tone.wav": _wav(TONE),
    "square.png": _png(SQUARE.repeat(3, 2)),
    "tune.mid": midi_bytes(make_tune(MELODY, 24)),
    "vectors.txt": b"fine 0.1 0.2 0.3\ndull 1 2 3\nfilm -1 -2 -3\n",
}
"""A good file for each reader."""


def write_recordings(folder: Path, column: str) -> None:
    """A folder of recordings with `metadata.csv`."""
    folder.mkdir()
    lines = [f"file_name,{column}"]
    for number in range(8):
        (folder / f"{number}.wav").write_bytes(_wav(TONE * (1 + number % 2) // 2))
        lines.append(f"{number}.wav,{'yes' if number % 2 else 'no'}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def write_pictures(folder: Path) -> None:
    """A folder of pictures with two captions each."""
    folder.mkdir()
    lines = ["file_name,text"]
    for number in range(8):
        (folder / f"{number}.png").write_bytes(_png((SQUARE // (1 + number)).repeat(3, 2)))
        lines += [f"{number}.png,a square of {word} paint" for word in ("gray", "old")]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def write_tunes(folder: Path) -> None:
    """A folder of MIDI files."""
    folder.mkdir()
    for number in range(4):
        moved = [(onset, duration, pitch + number) for onset, duration, pitch in MELODY]
        (folder / f"{number}.mid").write_bytes(midi_bytes(make_tune(moved, 24)))


def damaged(content: bytes) -> SearchStrategy[bytes]:
    """A file in which some bytes are replaced, inserted or cut out."""

    @st.composite
    def damage(draw: DrawFn) -> bytes:
        changed = bytearray(content)
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(changed)))
            stop = start + draw(st.sampled_from([0, 0, 1, 2, 8, 100]))
            changed[start:stop] = draw(st.one_of(st.binary(max_size=6), TOKENS))
        return bytes(changed)

    return damage()


CHARACTERS = [bytes([byte]) for byte in b'\x00\x1b\n\r\t",|\xff']
MARKS = [b"\r\n", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xf0\x9f\x91\xa9", b"\\ud800", b"\x1b[31m", b"[/b]"]
WORDS = [b"{}", b"[]", b"[[1],[2]]", b"NaN", b"1e999", b"-Infinity", b"null"]
TOKENS = st.sampled_from([*CHARACTERS, *MARKS, *WORDS])
ANY_TEXT = st.text(max_size=20) | st.text(alphabet="ab \n\t\"',|[]{}\\\x00\u2028\ufeff", max_size=12)
NUMBERS = st.floats(width=64) | st.integers(-(1 << 70), 1 << 70)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | NUMBERS
    | ANY_TEXT
    | st.sampled_from(["good", "bad", "B-PER", "O", "a b", "2024-01-31", "1/2/24", "12:00"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
COLUMN_NAMES = st.sampled_from(COLUMNS) | ANY_TEXT


@st.composite
def tables(draw: DrawFn) -> tuple[str, bytes]:
    """A table with any columns and values, in a format of its own: its suffix and its content."""
    columns = draw(st.lists(COLUMN_NAMES, min_size=1, max_size=4))
    cells = draw(st.lists(st.lists(VALUES, min_size=len(columns), max_size=len(columns)), max_size=6))
    repeats = draw(st.sampled_from([1, 1, 5]))
    suffix = draw(st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet", ".conll"]))
    rows = [dict(zip(columns, row, strict=True)) for row in cells] * repeats
    if suffix == ".jsonl":
        return suffix, _jsonl(rows)
    if suffix == ".parquet":
        try:
            return suffix, _parquet(rows)
        except (pyarrow.ArrowException, OverflowError, UnicodeEncodeError, ValueError):
            return suffix, b"PAR1"
    separator = {".csv": ",", ".tsv": "\t", ".conll": " "}[suffix]
    lines = [separator.join(map(str, row)) for row in [columns, *cells * repeats]]
    return suffix, "\n".join(lines).encode("utf-8", "surrogatepass")


@st.composite
def encoded(draw: DrawFn) -> tuple[str, bytes]:
    """A good text or table in an encoding that it should not have, or compressed."""
    name = draw(st.sampled_from(["text.txt", "reviews.csv", "pairs.tsv", "reviews.jsonl", "tags.conll"]))
    content = SEEDS[name].decode()
    how = draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "gzip"]))
    data = gzip.compress(SEEDS[name], mtime=0) if how == "gzip" else content.encode(how)
    return Path(name).suffix, data


FILES = st.one_of(
    *(st.tuples(st.just(Path(name).suffix), damaged(content)) for name, content in SEEDS.items()),
    tables(),
    tables(),
    encoded(),
    st.tuples(st.sampled_from(SUFFIXES), st.binary(max_size=200)),
)
"""The suffix and the content of a file."""

FILE_NAMES = st.sampled_from(NAMES) | st.binary(min_size=1, max_size=12).map(os.fsdecode)


def _is_name(name: str) -> bool:
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name


@st.composite
def data_paths(draw: DrawFn) -> dict[str, bytes]:
    """Files by their paths, relative to the folder that they are in; one or several."""
    files: dict[str, bytes] = {}
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        suffix, content = draw(FILES)
        name = draw(FILE_NAMES.filter(_is_name))
        folder = draw(st.sampled_from(["", "", "", "train/", "test/", ".git/", "yes/"]))
        files[f"{folder}{name}{suffix}"] = content
    return files


def write_files(folder: Path, files: dict[str, bytes]) -> str:
    """Write files into `folder/data`; the path to name: the only file, or the folder."""
    for name, content in files.items():
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return f"data/{next(iter(files))}" if len(files) == 1 and "/" not in next(iter(files)) else "data"
