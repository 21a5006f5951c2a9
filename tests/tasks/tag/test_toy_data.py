"""The toy data of the task `tag`, which needs both directions."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.read import read
from seqloom.data.tables.records import Records

from .sentences import TASK


def test_toy_data_depends_on_its_seed_and_says_that_it_is_made_up(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "same", "other")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        folder.mkdir()
        assert "harbor" in TASK.write_toy_data(folder, seed)
    one, same, other = ((folder / "train.conll").read_text() for folder in folders)
    assert one == same != other
    assert one.startswith("# Made up by `seqloom toy-data tag`")


def test_a_toy_tag_needs_the_words_before_and_after_it(tmp_path: Path) -> None:
    """Neither half of a sentence tells a name's tag, both together always do."""
    TASK.write_toy_data(tmp_path, 0)
    data = read(tmp_path)
    assert isinstance(data, Records)
    assert {split: len(rows) for split, rows in data.splits.items()} == {
        "train": 4000,
        "validation": 500,
        "test": 500,
    }
    types: dict[tuple[str, str], set[str]] = {}
    for example in data.examples("all"):
        tokens, tags = example.fields["tokens"], example.fields["tags"]
        title = ""
        for place, (token, tag) in enumerate(zip(tokens, tags, strict=True)):
            if token in ("captain", "steamer", "pilot"):
                title = token
            if token[0].isupper():
                verb = next(t for t in tokens[place:] if t in ("arrives", "departs", "waits"))
                types.setdefault((title, verb), set()).add(tag.partition("-")[2])
            else:
                assert tag == "O"
    assert types == {
        ("captain", "arrives"): {"GUEST"},
        ("captain", "departs"): {"TRAVELLER"},
        ("steamer", "arrives"): {"ARRIVAL"},
        ("steamer", "departs"): {"DEPARTURE"},
        **{pair: {""} for pair in types if "pilot" in pair or "waits" in pair},
    }
    assert len(types) == 9
