"""Small tagged sentences, read and prepared."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.data.tables.records import Records
from seqloom.tasks.tag.config import DataConfig
from seqloom.tasks.tag.preparation import Preparation

from .sentences import OTHERS, TASK, TRAIN, write_rows


@pytest.fixture
def data(tmp_path: Path) -> Records:
    return write_rows(tmp_path, train=TRAIN, validation=OTHERS)


@pytest.fixture
def preparation(data: Records) -> Preparation:
    return TASK.prepare(data, DataConfig())
