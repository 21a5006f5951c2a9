"""Small tagged sentences, and a small tagger of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.models.sequence_tagger import SequenceTagger
from seqloom.tasks.base import Context
from seqloom.tasks.tag.config import ModelConfig
from seqloom.tasks.tag.preparation import Preparation, SentenceBatch
from seqloom.tasks.tag.task import Tag

TASK = Tag()
TRAIN = [
    ("Anna Berg sang", "B-PER I-PER O"),
    ("Anna saw Oslo", "B-PER O B-LOC"),
    ("in Oslo Anna sang and sang", "O B-LOC B-PER O O O"),
    ("so it was", "O O O"),
]
OTHERS = [("Oslo sang", "B-LOC O"), ("Bob saw Anna Berg in rain", "B-PER O B-PER I-PER O O"), ("Anna", "O")]


def write_rows(folder: Path, **splits: list[tuple[Any, Any]]) -> Records:
    """Rows as JSON lines, a text standing for the list of its words, read again."""
    for split, rows in splits.items():
        lists = [[value.split() if isinstance(value, str) else value for value in row] for row in rows]
        lines = [json.dumps(dict(zip(("tokens", "tags"), row, strict=True))) for row in lists]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    data = read(folder)
    assert isinstance(data, Records)
    return data


def context(preparation: Preparation, **model: Any) -> Context:
    return Context(preparation, ModelConfig(**model))


def build(preparation: Preparation, **model: Any) -> SequenceTagger:
    """A small tagger with random parameters, so that tags differ."""
    config = ModelConfig(**{"hidden_size": 8, "embedding_size": 6, "spelling_size": 3, **model})
    tagger = TASK.build(preparation, config)
    for parameter in tagger.parameters():
        torch.nn.init.normal_(parameter)
    return tagger.double().eval()


def batch_of(preparation: Preparation, data: Records, split: str = "train") -> SentenceBatch:
    batches = list(preparation.source(data, split, Batching(64, training=False)).batches(0))
    assert len(batches) == 1
    return batches[0]  # type: ignore[return-value]
