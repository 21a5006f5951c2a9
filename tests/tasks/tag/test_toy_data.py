"""The toy data of the task `tag`, which needs both directions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.evaluation.measure import measure
from seqloom.tasks.tag.preparation import DataConfig

from .sentences import TASK, context


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


@pytest.mark.slow
def test_both_directions_learn_what_one_direction_cannot(tmp_path: Path) -> None:
    TASK.write_toy_data(tmp_path, 0)
    sentences = (tmp_path / "train.conll").read_text().split("\n\n")
    (tmp_path / "train.conll").write_text("\n\n".join(sentences[:2600]) + "\n")  # enough to learn it
    data = read(tmp_path)
    preparation = TASK.prepare(data, DataConfig())  # type: ignore[arg-type]
    test = preparation.source(data, "test", Batching(64, training=False))  # type: ignore[arg-type]
    scores, epochs = {}, 8
    for bidirectional in (True, False):
        sizes = {"hidden_size": 48, "embedding_size": 32, "spelling_size": 8}
        settings = context(preparation, **sizes, dropout=0.1, bidirectional=bidirectional)
        model = TASK.build(preparation, settings.model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        source = preparation.source(data, "train", Batching(32))  # type: ignore[arg-type]
        for epoch in range(epochs):
            for batch in source.batches(epoch):
                loss = TASK.loss(model.train(), batch, None, settings)  # type: ignore[arg-type]
                (loss.nats.sum() / loss.units.sum()).backward()
                optimizer.step()
                optimizer.zero_grad()
            rows = measure(TASK, model, test, torch.device("cpu"), settings)
            scores[bidirectional] = TASK.score(rows, "token")
            if scores[bidirectional]["f1"] >= 0.995:
                epochs = epoch + 1  # as many for one direction
                break
    assert min(scores[True]["accuracy"], scores[True]["f1"]) >= 0.99
    assert scores[False]["accuracy"] < 0.95
    assert scores[False]["f1"] < 0.6
