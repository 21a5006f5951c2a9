"""What is trained, on what: data that looks like another task's."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.errors import DataError
from seqloom.training.job import new_job


@pytest.mark.parametrize("name", ["rows.json", "rows.ndjson", "rows.txt"])
def test_markup_is_a_text_only_if_the_task_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text('{"text": "a fine film", "label": "good"}\n' * 20)
    lines: list[str] = []
    with pytest.raises(
        DataError, match=rf"{name}: expected plain text\. Got JSON lines\. .* --task generate\.$"
    ):
        new_job(tmp_path / name, None, [], lines.append)
    job = new_job(tmp_path / name, "generate", [], lines.append)
    assert job.config.task.name == "generate"
    job = new_job(tmp_path / name, None, [{"task": "generate"}], lines.append)
    assert job.config.task.name == "generate"
