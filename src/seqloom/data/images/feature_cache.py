"""What is computed once of every picture, its pixels or features of a network, memory-mapped in the cache.

Pictures are known by their content, in blocks: an extraction that was interrupted goes on with the block that
it was at, and a picture that changed is computed again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple, final

import numpy

from seqloom.data.cache import cached_folder
from seqloom.data.images.files import read_picture
from seqloom.data.images.idx import read_idx_picture, split_reference
from seqloom.data.images.preprocessing import Preprocessing
from seqloom.data.parallel import map_ahead
from seqloom.errors import DataError
from seqloom.optional import import_optional
from seqloom.progress import phase

log = logging.getLogger("seqloom")

KIND = "pictures"
VALUES, USABLE, NOTES = "values.npy", "usable.npy", "notes.txt"
BLOCK_BYTES = 64 << 20
MIN_BLOCK, MAX_BLOCK = 64, 8192
"""Pictures of a block"""
FORMAT = 1
"""Of the files in the cache"""


class Extractor(NamedTuple):
    """What is computed of pictures.

    Fields:
        key: a hash of all that the results depend on beside a picture and its preprocessing.
        shape: of the result of one picture.
        dtype: of its numbers.
        compute: from pixels (B, C, H, W) uint8 to results (B, *shape); B is at most `batch_size`, and the
            result of a picture must not depend on the others. It runs in several threads at once.
        batch_size: pictures that are computed together.
        context: what all computing is done within, as a number of threads.
    """

    key: str
    shape: tuple[int, ...]
    dtype: str
    compute: Callable[[numpy.ndarray], numpy.ndarray]
    batch_size: int = 16
    context: Callable[[], AbstractContextManager[None]] = nullcontext


def pixel_extractor(preprocessing: Preprocessing) -> Extractor:
    """The pixels themselves, uint8, for a network that is trained on them."""
    return Extractor("pixels", preprocessing.shape, "uint8", lambda pixels: pixels)


@final
class FeatureCache:
    """The results of an extractor for the pictures of a data set, and for single ones.

    Args:
        preprocessing: how a picture becomes pixels.
        extractor: what is computed of them.
    """

    def __init__(self, preprocessing: Preprocessing, extractor: Extractor) -> None:
        self.preprocessing, self.extractor = preprocessing, extractor
        self._blocks: list[numpy.ndarray] = []
        self._keys: list[str] = []
        self._starts: list[int] = [0]
        self._numbers: dict[str, int] = {}
        self._said: set[str] = set()

    def add(self, paths: Iterable[Path], what: str = "pictures") -> None:
        """Compute what is not in the cache yet of these files, in blocks, with progress.

        Args:
            paths: the files, repeated or not; those that cannot be read are found by `number`.
            what: they are, for a person.

        Raises:
            RunError: the cache cannot be written.
        """
        new = [
            path for name, path in {str(path): path for path in paths}.items() if name not in self._numbers
        ]
        size = int(numpy.prod(self.extractor.shape)) * numpy.dtype(self.extractor.dtype).itemsize
        rows = min(max(BLOCK_BYTES // max(size, 1), MIN_BLOCK), MAX_BLOCK)
        with phase(f"reading {what}", total=len(new)) as reading:
            for start in range(0, len(new), rows):
                self._add_block(new[start : start + rows], reading.advance)

    def number(self, path: Path, where: object = None) -> int:
        """The number of a picture that was added, by which `rows` knows it.

        Args:
            path: the file.
            where: what an error message begins with; None: the file.

        Raises:
            DataError: it cannot be used.
        """
        if str(path) not in self._numbers:
            self.add([path])
        number = self._numbers[str(path)]
        if number < 0:
            read_picture(path, where)  # says why
            expected = "expected a picture that can always be read"
            hint = "Delete the folder pictures of the cache, where it is marked as unusable"
            raise DataError(where or path, expected, got="one that could not be read before", hint=hint)
        return number

    def rows(self, numbers: Sequence[int] | numpy.ndarray) -> numpy.ndarray:
        """The results of pictures of these numbers, (N, *shape), copied out of the cache."""
        wanted = numpy.asarray(numbers, dtype=numpy.int64)
        result = numpy.empty((len(wanted), *self.extractor.shape), dtype=self.extractor.dtype)
        blocks = numpy.searchsorted(self._starts, wanted, side="right") - 1
        for block in numpy.unique(blocks):
            mask = blocks == block
            result[mask] = self._blocks[block][wanted[mask] - self._starts[block]]
        return result

    def identity(self, number: int) -> str:
        """What changes with the result of a picture: the key of its block, and its place there."""
        block = int(numpy.searchsorted(self._starts, number, side="right")) - 1
        return f"{self._keys[block]}#{number - self._starts[block]}"

    def extract(self, path: Path, where: object = None) -> numpy.ndarray:
        """The result of a file as it is now, not cached, (*shape): bit for bit what the cache holds of it.

        Raises:
            DataError: it cannot be used.
        """
        pixels, conversions = self.preprocessing.read(path, where)
        self._say(dict.fromkeys(conversions, path.name))
        with self.extractor.context():
            return self.extractor.compute(pixels[None]).astype(self.extractor.dtype)[0]

    def _add_block(self, paths: Sequence[Path], advance: Callable[[int], None]) -> None:
        # A later Pillow may read what this one does not.
        reader = import_optional("PIL", "vision").__version__
        key = hashlib.sha256(
            f"{FORMAT} {reader} {self.preprocessing.pixel_key} {self.extractor.key}".encode()
        )
        for content in map_ahead(_digest, paths):
            key.update(content)
        done = 0

        def write(folder: Path) -> None:
            nonlocal done
            done = len(paths)
            with self.extractor.context():
                self._write(folder, paths, advance)

        folder = cached_folder(KIND, key.hexdigest()[:32], write)
        self._keys.append(key.hexdigest()[:32])
        if not done:
            advance(len(paths))
        usable = numpy.load(folder / USABLE)
        start = self._starts[-1]
        self._blocks.append(numpy.load(folder / VALUES, mmap_mode="r"))
        self._starts.append(start + len(paths))
        for row, path in enumerate(paths):
            self._numbers[str(path)] = start + row if usable[row] else -1
        lines = (folder / NOTES).read_text(encoding="utf-8").splitlines()
        self._say({said: paths[int(row)].name for row, _, said in (line.partition(" ") for line in lines)})

    def _write(self, folder: Path, paths: Sequence[Path], advance: Callable[[int], None]) -> None:
        """Compute the results of these files: decoding and computing in threads, a batch each."""
        shape, size = (len(paths), *self.extractor.shape), self.extractor.batch_size
        values = numpy.lib.format.open_memmap(folder / VALUES, "w+", self.extractor.dtype, shape)
        usable, notes = numpy.zeros(len(paths), dtype=bool), {}
        starts = range(0, len(paths), size)
        results = map_ahead(self._compute, (paths[start : start + size] for start in starts))
        for start, (rows, result, conversions) in zip(starts, results, strict=True):
            if len(rows):
                values[start + rows] = result
                usable[start + rows] = True
            for row, said in conversions:
                notes.setdefault(said, start + row)
            advance(len(paths[start : start + size]))
        values.flush()
        numpy.save(folder / USABLE, usable)
        lines = "".join(f"{row} {said}\n" for said, row in notes.items())
        (folder / NOTES).write_text(lines, encoding="utf-8")

    def _compute(self, paths: Sequence[Path]) -> tuple[numpy.ndarray, numpy.ndarray, list[tuple[int, str]]]:
        """The rows of usable pictures, their results, and how some were converted."""
        pixels, rows, notes = [], [], []
        for row, path in enumerate(paths):
            try:
                picture, conversions = self.preprocessing.read(path)
            except DataError:  # `number` says why
                continue
            pixels.append(picture)
            rows.append(row)
            notes += [(row, said) for said in conversions]
        result = self.extractor.compute(numpy.stack(pixels)) if rows else numpy.empty(0)
        return numpy.array(rows, dtype=int), result, notes

    def _say(self, conversions: dict[str, str]) -> None:
        """Log each kind of conversion once."""
        for said, name in conversions.items():
            if said not in self._said:
                self._said.add(said)
                log.warning("%s", f"pictures: {said} (first in {name}; not repeated for other files)")


def _digest(path: Path) -> bytes:
    """A hash of a picture's content; of one that cannot be read, of its name."""
    container, number = split_reference(path)
    try:
        if number is not None:
            return hashlib.sha256(read_idx_picture(container, number).tobytes()).digest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except (OSError, DataError):
        return hashlib.sha256(f"unreadable {path}".encode(errors="surrogateescape")).digest()
