"""Parallel texts: which files belong together, their splits and languages, and unequal lengths."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from seqloom.data.options import ReadOptions
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.data.text.corpus import TextCorpus
from seqloom.errors import DataError
from seqloom.training.job import new_job

LINES = "".join(f"line {number} of {{0}}\n" for number in range(20))


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(LINES.format(Path(name).name))
    return folder


def records(path: Path, **options: Any) -> Records:
    data = read(path, options=ReadOptions(**options))
    assert isinstance(data, Records)
    return data


def files(data: Records) -> dict[str, tuple[str, str]]:
    """The names of the files from which the source and the target of each split come."""
    firsts = {split: data.examples(split)[0].fields for split in data.splits}
    return {split: (row["source"].split()[-1], row["target"].split()[-1]) for split, row in firsts.items()}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train.de", "train.en"), {"train": ("train.de", "train.en")}),
        (("train.en", "train.de", "val.de", "val.en", "test.de", "test.en"), {
            "train": ("train.de", "train.en"),
            "validation": ("val.de", "val.en"),
            "test": ("test.de", "test.en"),
        }),
        (("train.lc.norm.tok.de", "train.lc.norm.tok.en", "test_2016_flickr.lc.norm.tok.de",
          "test_2016_flickr.lc.norm.tok.en"), {
            "train": ("train.lc.norm.tok.de", "train.lc.norm.tok.en"),
            "test": ("test_2016_flickr.lc.norm.tok.de", "test_2016_flickr.lc.norm.tok.en"),
        }),
        (("src-train.txt", "tgt-train.txt", "src-valid.txt", "tgt-valid.txt"), {
            "train": ("src-train.txt", "tgt-train.txt"),
            "validation": ("src-valid.txt", "tgt-valid.txt"),
        }),
        (("train.src", "train.tgt"), {"train": ("train.src", "train.tgt")}),
        (("train.source", "train.target"), {"train": ("train.source", "train.target")}),
        (("train/source.en.txt", "train/target.de.txt"), {"train": ("source.en.txt", "target.de.txt")}),
        (("Books.de-en.de", "Books.de-en.en"), {"train": ("Books.de-en.de", "Books.de-en.en")}),
        (("train.de.txt", "train.en.txt"), {"train": ("train.de.txt", "train.en.txt")}),
        (("train.en", "train.src"), {"train": ("train.src", "train.en")}),
        (("train.kab", "train.zgh"), {"train": ("train.kab", "train.zgh")}),
        (("train/a.fr", "train/a.en", "dev/a.fr", "dev/a.en"), {
            "train": ("a.en", "a.fr"),
            "validation": ("a.en", "a.fr"),
        }),
    ],
)  # fmt: skip
def test_files_that_differ_by_language_belong_together(
    tmp_path: Path, names: tuple[str, ...], expected: dict[str, tuple[str, str]]
) -> None:
    data = records(write(tmp_path, *names))
    assert {split: pair for split, pair in files(data).items() if split in expected} == expected
    assert set(data.splits) == {"train", "validation", *expected}
    assert new_job(tmp_path, None, [], str).config.task.name == "translate"


@pytest.mark.parametrize(
    "names",
    [
        ("train.txt", "train.en"),
        ("train.txt", "notes.de.txt"),
        ("a.txt", "train.wav.txt"),
        ("a.txt", "train.c", "train.h"),
        ("a.txt", "train.md", "train.py"),
        ("a.txt", "lesson.kab", "lesson.zgh"),  # neither languages that are known nor a split
        ("src-train.txt", "tgt-news.txt"),
    ],
)
def test_other_files_are_no_pair(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert isinstance(read(write(tmp_path, *names)), TextCorpus)


def test_binary_files_are_no_pair(tmp_path: Path) -> None:
    for name in ("train.xx", "train.yy"):
        (tmp_path / name).write_bytes(b"\0\1\2" * 99)
    with pytest.raises(DataError, match=r"expected at least one \.txt file"):
        read(tmp_path)


def test_the_source_can_be_chosen(tmp_path: Path) -> None:
    write(tmp_path, "train.de", "train.en")
    data = records(tmp_path)
    assert data.remarks == (
        "source is the column de, target is the column en "
        "(the other way round by --set data.columns.source=en)",
    )
    data = records(tmp_path, columns={"source": "en"})
    assert files(data)["train"] == ("train.en", "train.de")
    assert data.mapping == {"source": "en", "target": "de"}
    write(tmp_path / "x", "train.kab", "train.zgh")
    assert files(records(tmp_path / "x", columns={"source": "zgh"}))["train"] == ("train.zgh", "train.kab")


def test_two_of_several_languages_are_chosen(tmp_path: Path) -> None:
    write(tmp_path, "train.de", "train.en", "train.fr")
    message = r"expected texts in two languages\. Got de, en, fr\. .* --set data\.columns\.source=de "
    with pytest.raises(DataError, match=message):
        read(tmp_path)
    data = records(tmp_path, columns={"source": "fr", "target": "de"})
    assert files(data)["train"] == ("train.fr", "train.de")


def test_different_numbers_of_lines_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, "train.de", "train.en")
    with (tmp_path / "train.en").open("a") as file:
        file.write("one more\n")
    with pytest.raises(
        DataError, match=r"train\.de: expected as many lines as train\.en has, 21\. Got 20\.$"
    ):
        read(tmp_path)


def test_lines_end_at_lf_and_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_bytes("eins\u2028zwei\r\n\r\ndrei\n".encode())
    (tmp_path / "train.en").write_bytes(b"one two\n\nthree")
    data = records(tmp_path)
    rows = {example.place: dict(example.fields) for example in data.examples("all")}
    place = f"{tmp_path / 'train.de'} and train.en, line"
    assert rows == {
        f"{place} 1": {"source": "eins\u2028zwei", "target": "one two"},
        f"{place} 2": {"source": "", "target": ""},
        f"{place} 3": {"source": "drei", "target": "three"},
    }


def test_compressed_and_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "train.de.gz").write_bytes(gzip.compress("für\nüber\n".encode("cp1252")))
    (tmp_path / "train.en.gz").write_bytes(gzip.compress(b"for\nover\n"))
    data = records(tmp_path, encoding="cp1252")
    pairs = sorted(tuple(example.fields.values()) for example in data.examples("all"))
    assert pairs == [("für", "for"), ("über", "over")]
    with pytest.raises(
        DataError, match=r"train\.de\.gz and train\.en\.gz: the texts must be UTF-8\. Got 'utf-8'"
    ):
        read(tmp_path)


def test_parallel_texts_are_a_text_where_a_language_model_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "src-train.txt", "tgt-train.txt")
    assert isinstance(new_job(tmp_path, "generate", [], str).data, TextCorpus)
