"""`seqloom caption`: a line a picture, JSON, a page of attention, and pictures that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from .conftest import seqloom, settings_options

FAST = settings_options(
    "model.hidden_size=8", "model.embedding_size=8", "training.max_steps=2", "data.min_count=1"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures and a run that learnt from them."""
    folder = tmp_path_factory.mktemp("place")
    pictures = folder / "pictures"
    pictures.mkdir()
    lines = ["file_name,text"]
    for number in range(10):
        Image.new("RGB", (16, 16), (25 * number, 0, 90)).save(pictures / f"{number}.png")
        lines.append(f"{number}.png,a plain wall")
    (pictures / "metadata.csv").write_text("\n".join(lines) + "\n")
    done = seqloom("train", "pictures", "--out", "run", *FAST, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "task: caption (one-to-many)" in done.stderr
    return folder


def test_each_picture_has_a_line_and_a_bad_one_an_empty_line(place: Path) -> None:
    (place / "empty.jpg").write_bytes(b"")
    done = seqloom("caption", "run", "pictures/1.png", "empty.jpg", "pictures/1.png", cwd=place)
    assert done.returncode == 0, done.stderr
    first, empty, again, end = done.stdout.split("\n")
    assert (empty, end) == ("", "")
    assert first == again
    assert done.stderr == "skipped: empty.jpg: expected a picture. Got an empty file.\n"
    done = seqloom("caption", "run", "empty.jpg", "--strict", cwd=place)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_table_stands_for_its_pictures(place: Path) -> None:
    done = seqloom("caption", "run", "pictures/metadata.csv", "--num-beams", 2, cwd=place)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 10


def test_json_and_a_page_that_is_replaced_only_when_asked(place: Path) -> None:
    command = ("caption", "run", "pictures/2.png", "--attention", "page.html")
    done = seqloom(*command, "--json", cwd=place)
    answer = json.loads(done.stdout)
    assert answer["captions"][0]["file"] == "pictures/2.png"
    assert answer["attention"] == "page.html"
    assert "2.png" in (place / "page.html").read_text()
    done = seqloom(*command, cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith("seqloom: page.html: ")
    assert seqloom(*command, "--overwrite", cwd=place).returncode == 0


def test_a_page_has_a_name_of_a_page(place: Path) -> None:
    done = seqloom("caption", "run", "pictures/2.png", "--attention", "page.png", cwd=place)
    assert done.returncode == 2
    assert done.stderr == "seqloom: --attention: expected a name that ends in .html. Got page.png.\n"


def test_attention_is_asked_for_by_its_page(place: Path) -> None:
    done = seqloom("caption", "run", "pictures/2.png", "--set", "decoding.attention=true", cwd=place)
    assert done.returncode == 2
    assert "decoding.attention: must be the page --attention PAGE.html. Got a setting." in done.stderr
