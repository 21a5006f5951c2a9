"""Which files of a folder count: hidden ones, links, endings, and what was passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.data.folders import list_files
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.data.text.corpus import TextCorpus
from seqloom.errors import DataError


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"text,label\n{name},x\nagain {name},y\n")


def listed(folder: Path) -> tuple[list[str], list[str]]:
    """The files that count, and what was left out."""
    data_files = list_files(folder)
    return tuple([str(path.relative_to(folder)) for path in paths] for paths in data_files[1:])  # type: ignore


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    data = tmp_path / ".cache" / "data"  # only what is hidden within the folder
    write(data, "a.csv", "b/c.csv", "._a.csv", ".ipynb_checkpoints/a-checkpoint.csv", "b/.git/c.csv")
    assert listed(data) == (["a.csv", "b/c.csv"], ["._a.csv", ".ipynb_checkpoints", "b/.git"])


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/sub/a.csv", "elsewhere/b.csv", "data/c.csv")
    (tmp_path / "data" / "sub").symlink_to(tmp_path / "elsewhere" / "sub")
    (tmp_path / "data" / "b.csv").symlink_to("../elsewhere/b.csv")
    assert listed(tmp_path / "data") == (["b.csv", "c.csv", "sub/a.csv"], [])
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert listed(tmp_path / "link") == (["b.csv", "c.csv", "sub/a.csv"], [])


def test_links_never_double_the_data_and_never_hang(tmp_path: Path) -> None:
    write(tmp_path, "v1/a.csv", "v1/b.csv")
    (tmp_path / "latest").symlink_to("v1")
    (tmp_path / "a.csv").symlink_to("v1/a.csv")
    (tmp_path / "v1" / "up").symlink_to("..")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "nowhere").symlink_to("missing.csv")
    assert listed(tmp_path) == (["v1/a.csv", "v1/b.csv"], ["a.csv", "itself", "latest", "nowhere", "v1/up"])


def test_a_file_may_be_linked_into_two_splits(tmp_path: Path) -> None:
    write(tmp_path, "data/train.csv", "shared.csv")
    for split in ("validation", "test"):
        (tmp_path / "data" / f"{split}.csv").symlink_to("../shared.csv")
    assert listed(tmp_path / "data")[0] == ["test.csv", "train.csv", "validation.csv"]


def test_a_pipe_among_the_files_is_left_out(tmp_path: Path) -> None:
    import os

    write(tmp_path, "a.csv")
    os.mkfifo(tmp_path / "b.csv")
    assert listed(tmp_path) == (["a.csv"], ["b.csv"])


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match=r"expected a folder that can be read\. Got Permission denied\.$"):
        list_files(tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.TXT", TextCorpus), ("a.CSV", Records), ("a.Jsonl", Records), ("b/a.WAV", Records)]
)
def test_the_case_of_endings_does_not_matter(tmp_path: Path, name: str, kind: type) -> None:
    write(tmp_path, name, name.replace("a.", "b."))
    if name.endswith("Jsonl"):
        (tmp_path / name).write_text('{"text": "a"}\n' * 2)
        (tmp_path / "b.Jsonl").unlink()
    assert isinstance(read(tmp_path), kind)


def test_every_reader_says_what_it_passed_over(tmp_path: Path) -> None:
    extra = ("README.md", ".git/config", "c.m4a")
    write(tmp_path, *(f"text/{name}" for name in ("a.txt", *extra)))
    write(tmp_path, *(f"table/{name}" for name in ("a.csv", "d.txt", *extra)))
    write(tmp_path, *(f"sound/{name}" for name in ("yes/1.wav", "no/2.m4a", "no/3.wav", *extra)))
    assert read(tmp_path / "text").describe().endswith("; passed over 3: README.md, c.m4a, .git")
    assert read(tmp_path / "table").describe().endswith("; passed over 4: README.md, c.m4a, d.txt, .git")
    assert read(tmp_path / "sound").describe().endswith("; passed over 4: README.md, c.m4a, no/2.m4a, .git")


def test_recordings_that_a_table_names_are_not_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "metadata.csv", "a.wav", "b.sph", "c.wav")
    (tmp_path / "metadata.csv").write_text("file_name,label\na.wav,x\nb.sph,y\n")
    assert read(tmp_path).describe() == "train 1 rows, validation 1 rows; passed over 1: c.wav"


def test_many_files_that_were_passed_over_are_one_line(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", *(f"{number}.md" for number in range(2000)))
    (tmp_path / "0\n.md").touch()
    assert (
        read(tmp_path)
        .describe()
        .endswith("passed over 2,001: '0\\n.md', 0.md, 1.md, 10.md, 100.md and 1,996 more")
    )


def test_tables_without_the_name_of_a_split_are_said_to_be_ignored(tmp_path: Path) -> None:
    write(tmp_path, "Train.csv", "extra.csv")
    assert (
        read(tmp_path).describe()
        == "train 1 rows, validation 1 rows; ignored, since others are named train: extra.csv"
    )


def test_rows_that_are_in_train_too_are_counted(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a", "v": [1.0, {"k": []}]}\n' * 2 + '{"text": "b"}\n')
    (tmp_path / "validation.jsonl").write_text(
        '{"v": [1.0, {"k": []}], "text": "a"}\n' * 3 + '{"text": "c"}\n'
    )
    (tmp_path / "test.jsonl").write_text('{"text": "c"}\n{"text": "a", "v": [1.0, {"k": [0]}]}\n')
    assert read(tmp_path).describe().endswith("; 3 of 4 rows of validation are in train too")


def test_text_files_that_are_in_train_too_are_named(tmp_path: Path) -> None:
    for name, text in {"train/a": "one", "train/b": "two", "test/c": "two", "dev/d": "six"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_text(text)
    assert read(tmp_path).describe().endswith("; test has files that train has too: c.txt")
