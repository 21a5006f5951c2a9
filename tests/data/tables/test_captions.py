"""Files of captions: Karpathy's JSON, Flickr's lines, and tables beside pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import seqloom
from seqloom.data.read import read
from seqloom.data.tables.records import Records


def make_pictures(folder: Path, count: int = 8) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(b"no picture is read here")


def sizes(data: object) -> dict[str, int]:
    assert isinstance(data, Records)
    return {split: len(rows) for split, rows in data.splits.items()}


def karpathy(count: int = 8) -> dict[str, object]:
    splits = ("train", "restval", "val", "test")
    images = [
        {
            "filename": f"{number}.jpg",
            "split": splits[number % 4],
            "sentences": [
                {"raw": f"a dog {number}", "tokens": []},
                {"raw": f"dog no {number}", "tokens": []},
            ],
        }
        for number in range(count)
    ]
    return {"images": images, "dataset": "some"}


def test_karpathy_says_the_split_of_each_picture(tmp_path: Path) -> None:
    make_pictures(tmp_path / "Images")
    content = karpathy()
    content["images"].append({"split": "train"})  # type: ignore[attr-defined]
    (tmp_path / "dataset_some.json").write_text(json.dumps(content))
    data = read(tmp_path)
    assert isinstance(data, Records)
    assert sizes(data) == {"train": 8, "validation": 4, "test": 4}
    row = data.examples("test")[0]
    assert row.fields == {"file": tmp_path.resolve() / "Images" / "3.jpg", "caption": "a dog 3"}
    (message,) = data.skipped["train"]
    assert message.endswith(
        "image 9: expected an object with filename and sentences. Got none of 'filename'."
    )


def test_the_json_file_itself_can_be_named(tmp_path: Path) -> None:
    make_pictures(tmp_path / "Images")
    (tmp_path / "dataset_some.json").write_text(json.dumps(karpathy()))
    data = read(tmp_path / "dataset_some.json")
    assert sizes(data) == {"train": 8, "validation": 4, "test": 4}


def test_lines_of_flickr_with_lists_of_pictures(tmp_path: Path) -> None:
    make_pictures(tmp_path / "Flicker8k_Dataset")
    lines = [f"{number}.jpg#{place}\tA dog {number} {place} ." for number in range(8) for place in range(3)]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join([*lines, "no caption"]))
    (tmp_path / "Flickr8k.lemma.token.txt").write_text("0.jpg#0\tdog")
    for name, pictures in {"train": (0, 1, 2, 3), "dev": (4, 5), "test": (6, 9)}.items():
        names = "\n".join(f"{number}.jpg" for number in pictures)
        (tmp_path / f"Flickr_8k.{name}Images.txt").write_text(names)
    data = read(tmp_path)
    assert sizes(data) == {"train": 12, "validation": 6, "test": 3}
    assert isinstance(data, Records)
    assert "without a caption: 1 of the pictures that Flickr_8k.testImages.txt names" in data.remarks
    assert data.skipped["train"][0].endswith(
        "line 25: expected NAME#NUMBER, a tab and a caption. Got no caption."
    )


@pytest.mark.parametrize("name", ["captions.txt", "results.token"])
def test_without_lists_pictures_are_held_out_whole(tmp_path: Path, name: str) -> None:
    make_pictures(tmp_path / "Images", 20)
    if name == "captions.txt":
        lines = [f'{number}.jpg,"A dog, {place}"' for number in range(20) for place in range(5)]
        lines.insert(0, "image,caption")
    else:
        lines = [f"{number}.jpg#{place}\tA dog, {place}" for number in range(20) for place in range(5)]
    (tmp_path / name).write_text("\n".join(lines))
    data = read(tmp_path)
    assert sizes(data) == {"train": 90, "validation": 10}
    assert isinstance(data, Records)
    assert data.examples("train")[0].fields["caption"] == "A dog, 0"
    files = [{row.fields["file"] for row in data.examples(split)} for split in ("train", "validation")]
    assert not files[0] & files[1]


def test_a_picture_is_found_by_its_path_else_by_a_name_that_one_has(tmp_path: Path) -> None:
    for folder in "ab":
        make_pictures(tmp_path / folder, 2)
    make_pictures(tmp_path / "c", 3)
    (tmp_path / "c/1.jpg").unlink()
    lines = ["image,caption", "a/1.jpg,one", "b/1.jpg,two", "2.jpg,three", "1.jpg,four"]
    (tmp_path / "captions.txt").write_text("\n".join(lines))
    data = read(tmp_path)
    assert isinstance(data, Records)
    rows = [row.fields for split in data.splits for row in data.examples(split)]
    files = {row["caption"]: row["file"].relative_to(tmp_path.resolve()).as_posix() for row in rows}
    assert files == {"one": "a/1.jpg", "two": "b/1.jpg", "three": "c/2.jpg"}
    (message,) = [message for messages in data.skipped.values() for message in messages]
    assert message.endswith(
        "line 5: expected the path of one picture. Got 1.jpg, which 2 folders have. "
        "Write its folder too, as a/1.jpg."
    )


def test_karpathy_says_the_folder_of_a_picture(tmp_path: Path) -> None:
    for folder in ("train2014", "val2014"):
        make_pictures(tmp_path / folder)
    content = karpathy()
    for image in content["images"]:  # type: ignore[attr-defined]
        image["filepath"] = "train2014"
    (tmp_path / "dataset_some.json").write_text(json.dumps(content))
    data = read(tmp_path)
    assert isinstance(data, Records)
    assert data.examples("test")[0].fields["file"] == tmp_path.resolve() / "train2014" / "3.jpg"


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    make_pictures(tmp_path / "Images")
    content = karpathy()
    content["images"][0]["split"] = "training"  # type: ignore[index]
    del content["images"][4]["split"]  # type: ignore[index]
    (tmp_path / "dataset_some.json").write_text(json.dumps(content))
    (tmp_path / "dataset_z.json").write_text(json.dumps(karpathy()))
    (tmp_path / "captions.txt").write_text("image,caption\n1.jpg,A dog")
    data = read(tmp_path)
    assert isinstance(data, Records)
    assert sizes(data) == {"train": 4, "validation": 4, "test": 4}
    assert (
        data.remarks.count("left out: 2 images of dataset_some.json whose split is missing or unknown") == 1
    )
    passed_over = "not read: 2 other files of captions, dataset_z.json, captions.txt; dataset_some.json is"
    assert passed_over in data.remarks


def test_a_text_beside_a_picture_is_its_caption_beside_a_recording_its_transcription(tmp_path: Path) -> None:
    for suffix, column in {"jpg": "caption", "wav": "transcription"}.items():
        folder = tmp_path / suffix
        folder.mkdir()
        rows = "".join(f"{number}.{suffix},words {number}\n" for number in range(4))
        (folder / "metadata.csv").write_text("file_name,text\n" + rows)
        data = read(folder)
        assert isinstance(data, Records)
        assert set(data.columns) == {"file", column}


def test_a_damaged_file_of_captions_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "dataset_some.json"
    path.write_text('{"images": [{"sentences": [{"raw": "a", "split": "train"')
    with pytest.raises(
        seqloom.DataError, match=r"^.*dataset_some.json: expected JSON with a list `images`\. "
    ):
        read(path)
