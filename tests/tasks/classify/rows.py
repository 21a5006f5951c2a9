"""Small tables with labels, and their preparation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqloom.data.tables.records import Records
from seqloom.tasks.base import Context
from seqloom.tasks.classify.config import DataConfig, DecodingConfig, LossConfig, ModelConfig
from seqloom.tasks.classify.preparation import Preparation
from seqloom.tasks.classify.task import Classify

TASK = Classify()
REVIEWS = [("a fine film", "good"), ("a dull film", "bad"), ("fine , fine music", "good"), ("dull", "bad")]


def table(folder: Path, **splits: Sequence[tuple[Any, Any]]) -> Path:
    """Rows (text, label) as train.tsv, validation.tsv …"""
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
        (folder / f"{split}.tsv").write_text("\n".join(lines) + "\n")
    return folder


def objects(folder: Path, **splits: Sequence[dict[str, Any]]) -> Path:
    """Rows as train.jsonl …"""
    folder.mkdir(exist_ok=True)
    for split, rows in splits.items():
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def prepared(data: Records, **config: Any) -> Preparation:
    return TASK.prepare(data, DataConfig(**config))


PLAIN = LossConfig()


def context(preparation: Preparation, loss: LossConfig = PLAIN, **model: Any) -> Context:
    config = ModelConfig(**{"hidden_size": 6, "embedding_size": 4, **model})
    return Context(preparation, config, loss, DecodingConfig())


def skipped(preparation: Preparation, data: Records, split: str) -> tuple[str, ...]:
    return preparation.rows(data, split).skipped


def restore(preparation: Preparation, folder: Path, **config: Any) -> Preparation:
    folder.mkdir()
    for name, content in preparation.files().items():
        (folder / name).write_text(content)
    return TASK.restore(folder, DataConfig(**config))
