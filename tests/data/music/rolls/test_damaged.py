"""Files of piano rolls with any bytes changed: rolls, or one line; never a traceback."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from seqloom.data.music.rolls.formats import NESTED_LISTS
from seqloom.data.music.rolls.reading import read_rolls
from seqloom.errors import DataError

ROLL = numpy.eye(3, 88, dtype=numpy.uint8)


def _mat() -> bytes:
    cells = numpy.empty((1, 2), dtype=object)
    cells[0, 0], cells[0, 1] = ROLL, ROLL[:2]
    file = io.BytesIO()
    scipy.io.savemat(file, {"traindata": cells, "validdata": cells, "one": ROLL})
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    numpy.savez(file, train_1=ROLL, valid=ROLL[None], b=ROLL)
    return file.getvalue()


def _json() -> bytes:
    return json.dumps({"train": [[[60], [62, 64]], [[], [60]]], "valid": [[[61], []]]}).encode()


CHANGES = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=4), st.integers(0, 4)), max_size=4)


@pytest.mark.parametrize(("suffix", "write"), [(".mat", _mat), (".npz", _npz), (".json", _json)])
def test_a_damaged_file_is_rolls_or_one_line(
    suffix: str, write: Callable[[], bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    original, path = write(), tmp_path_factory.mktemp("rolls") / f"a{suffix}"

    @given(changes=CHANGES, stop=st.none() | st.floats(0, 1))
    def read(changes: list[tuple[float, bytes, int]], stop: float | None) -> None:
        data = bytearray(original)
        for place, new, length in changes:
            start = int(place * len(data))
            data[start : start + length] = new
        _read(path, bytes(data if stop is None else data[: int(stop * len(data))]))

    read()


def _read(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    if path.suffix == ".json" and NESTED_LISTS.match(data) is None:
        return  # it is read as a table
    try:
        rolls = [roll for split in read_rolls(path).splits.values() for roll in split]
    except DataError:  # one line, always
        return
    for roll in rolls:
        try:
            frames = roll.check().frames
        except DataError:
            continue
        assert frames.shape[1] == 88
        assert set(numpy.unique(frames)) <= {0, 1}
