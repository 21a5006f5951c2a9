"""What is trained, on what: data that looks like another task's."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.errors import ConfigError, DataError
from seqloom.inference.inputs import inputs_of
from seqloom.training.job import new_job

ROWS = '{"text": "a fine film", "label": "good"}\n{"text": "a dull film", "label": "bad"}\n' * 10


@pytest.mark.parametrize("name", ["rows.json", "rows.ndjson", "rows.txt"])
def test_markup_is_a_text_only_if_the_task_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(ROWS)
    lines: list[str] = []
    if name.endswith(".txt"):
        with pytest.raises(
            DataError, match=rf"{name}: expected plain text\. Got JSON lines\. .* --task generate\.$"
        ):
            new_job(tmp_path / name, None, [], lines.append)
    else:
        assert new_job(tmp_path / name, None, [], lines.append).config.task.name == "classify"
    job = new_job(tmp_path / name, "generate", [], lines.append)
    assert job.config.task.name == "generate"
    job = new_job(tmp_path / name, None, [{"task": "generate"}], lines.append)
    assert job.config.task.name == "generate"


@pytest.mark.parametrize("task", ["classify", "tag", "translate", "transcribe"])
def test_a_text_is_refused_by_a_task_for_tables(task: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A text of some words.\n" * 20)
    with pytest.raises(DataError, match=rf"a\.txt: the task {task} takes .*\. Got plain text\.$"):
        new_job(tmp_path / "a.txt", task, [], str)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_table_is_refused_by_a_task_for_texts(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("text,label\na,b\nc,d\n".replace(",", {"a.tsv": "\t"}.get(name, ",")))
    message = r"the task generate takes plain text\. Got a table with columns text, label\.$"
    with pytest.raises(DataError, match=message):
        new_job(tmp_path / name, "generate", [], str)


def test_a_run_keeps_how_its_data_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("v1;v2\n" + "ham;see you\nspam;buy now\n" * 9)
    lines: list[str] = []
    job = new_job(tmp_path / "a.csv", None, [{"data": {"encoding": "cp1252"}}], lines.append)
    saved = job.config.to_dict()["data"]
    assert (saved["columns"], saved["separator"]) == ({"text": "v2", "label": "v1"}, None)
    assert (saved["encoding"], saved["unit"]) == ("cp1252", "word")
    (tmp_path / "b.csv").write_text("v2;text\nsee you;http://a\n")
    options, expected = job.config.read_options({})
    assert options.encoding == "cp1252"
    assert inputs_of(str(tmp_path / "b.csv"), "text", options, expected) == ["see you"]
    options, expected = job.config.read_options({"columns": {"text": "text"}})
    assert inputs_of(str(tmp_path / "b.csv"), "text", options, expected) == ["http://a"]
    with pytest.raises(ConfigError, match=r"data: unknown key `column`\. Did you mean `columns`\?"):
        job.config.read_options({"column": {}})
