"""What is computed of pictures: once, by content, the same for one picture as for many."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy
import pytest

from seqloom.data.images import feature_cache
from seqloom.data.images.feature_cache import Extractor, FeatureCache, pixel_extractor
from seqloom.data.images.preprocessing import Preprocessing
from seqloom.errors import DataError

Image: Any = pytest.importorskip("PIL.Image")
SMALL = Preprocessing(size=(4, 4), mean=(0.5,), deviation=(0.5,))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(feature_cache, "MIN_BLOCK", 4)
    monkeypatch.setattr(feature_cache, "BLOCK_BYTES", 1)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    (tmp_path / "data").mkdir()
    paths = [tmp_path / "data" / f"{number}.png" for number in range(10)]
    for number, path in enumerate(paths):
        Image.new("L", (5, 6), 20 * number).save(path)
    paths[3].write_bytes(b"no picture")
    return paths


def test_pictures_are_computed_once(paths: list[Path]) -> None:
    computed: list[int] = []

    def double(pixels: numpy.ndarray) -> numpy.ndarray:
        computed.append(len(pixels))
        return pixels[:, 0, 0].astype(numpy.float32) * 2

    extractor = Extractor("double", (4,), "float32", double, batch_size=3)
    cache = FeatureCache(SMALL, extractor)
    cache.add([*paths, *paths])
    assert sum(computed) == 9
    numbers = [cache.number(path) for path in paths if path != paths[3]]
    expected = [40.0 * number for number in range(10) if number != 3]
    assert cache.rows(numbers)[:, 0].tolist() == expected
    assert cache.rows(numbers[::-1])[:, 3].tolist() == expected[::-1]
    assert cache.extract(paths[9]).tolist() == cache.rows([numbers[-1]])[0].tolist()
    computed.clear()
    again = FeatureCache(SMALL, extractor)
    again.add(paths)
    assert again.rows([again.number(paths[5])])[0, 0] == 200
    assert not computed
    Image.new("L", (5, 6), 1).save(paths[9])
    changed = FeatureCache(SMALL, extractor)
    changed.add(paths)
    assert sum(computed) == 2  # the block that it is in
    assert changed.rows([changed.number(paths[9])])[0, 0] == 2


def test_a_bad_picture_is_one_line_and_the_others_stay(paths: list[Path]) -> None:
    cache = FeatureCache(SMALL, pixel_extractor(SMALL))
    cache.add(paths)
    with pytest.raises(DataError, match=r"^metadata\.csv, line 5, 3\.png: expected a picture, such as JPEG"):
        cache.number(paths[3], "metadata.csv, line 5")
    assert cache.rows([cache.number(paths[4])])[0].max() == 80


def test_a_conversion_is_said_once(paths: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    for path in paths[5:7]:
        Image.fromarray(numpy.full((6, 8), 40000, numpy.uint16)).save(path)
    with caplog.at_level(logging.WARNING, "seqloom"):
        for _ in range(2):  # computed, and from the cache
            FeatureCache(SMALL, pixel_extractor(SMALL)).add(paths)
    said = "pictures: 16 bits a channel reduced to 8 (first in 5.png; not repeated for other files)"
    assert caplog.messages == [said, said]
