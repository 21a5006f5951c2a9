"""Random bytes, names and columns in every format: data, or one line; never a traceback."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.options import ReadOptions
from seqloom.data.read import read
from seqloom.data.tables.formats import READERS
from seqloom.data.tables.records import Records, read_inputs
from seqloom.errors import DataError, SeqloomError
from seqloom.tasks import infer

WORDS = [
    "text",
    "label",
    "source",
    "tokens",
    "tags",
    "file_name",
    "translation",
    "de",
    "en",
    "1",
    "2",
    "B-PER",
    "O",
    "1-2",
    "8.1",
    "_",
    "[/b]",
]
SIGNS = [
    *[",", ";", "|", "{", "}", "[", "]", ":", "#", "\\u"],
    "\t",
    '"',
    "\n",
    "\r\n",
    "\r",
    " ",
    "\0",
    "\u2028é",
    "\n\n",
]
PARTS = ['{"text": "a", "label": 1}', '"tags": [0, 1]', "text,label\n", "Unnamed: 0"]
PIECES = st.sampled_from(
    [b"\xff\xfe", b"\xef\xbb\xbf", b"\xfc", *(text.encode() for text in [*WORDS, *SIGNS, *PARTS])]
)
CONTENT = st.lists(PIECES | st.binary(max_size=3), max_size=30).map(b"".join)
NAMES = st.sampled_from(["train", "metadata", "a [b]", "x\ny", "test", "dev"])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "separator": st.sampled_from([",", "\t", "x", " "]),
        "encoding": st.sampled_from(["cp1252", "utf-16", "utf-7", "ascii", "gb18030"]),
        "header": st.booleans(),
        "columns": st.dictionaries(
            st.sampled_from(["text", "label", "tags"]), st.sampled_from(["de", 1, 9, "O"])
        ),
        "names": st.just({"label": ["a", "b"], "tags": ["O"]}),
    },
).map(lambda options: ReadOptions(**options))
COMPRESSIONS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.mark.parametrize("suffix", sorted({*READERS, ".txt"} - {".parquet"}))
@given(
    content=CONTENT,
    name=NAMES,
    options=OPTIONS,
    compression=st.sampled_from(list(COMPRESSIONS)),
    cut=st.integers(0, 9),
    as_folder=st.booleans(),
)
def test_any_bytes_are_data_or_one_line(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    content: bytes,
    name: str,
    options: ReadOptions,
    compression: str,
    cut: int,
    as_folder: bool,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    file = folder / f"{name}{suffix}{compression}"
    compressed = COMPRESSIONS[compression](content)
    file.write_bytes(compressed[: len(compressed) - cut if cut > 5 else None])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLOOM_CACHE", str(folder.parent / "cache"))
        check(folder if as_folder else file, options)
        if suffix != ".txt":
            check_inputs(file, options)


def check(path: Path, options: ReadOptions) -> None:
    try:
        data = read(path, options=options)
    except SeqloomError:
        return
    data.describe()
    for task, _ in infer(data):
        task.require(data)
    if isinstance(data, Records):
        assert data.examples("train")


def check_inputs(table: Path, options: ReadOptions) -> None:
    try:
        read_inputs(table, "text", options)
    except DataError:
        return
