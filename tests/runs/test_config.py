"""Configuration: defaults, a file, settings, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.errors import ConfigError
from seqloom.runs.config import parse_settings, read_options, read_yaml, resolve
from seqloom.tasks import task_named

GENERATE = task_named("generate")


def test_settings_lie_over_the_file_and_that_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "task: generate\ntraining:\n  learning_rate: 3e-4\n  batch_size: 8\nmodel:\n  cell_type: gru\n"
    )
    config = resolve(GENERATE, [read_yaml(file), parse_settings(["training.batch_size=16"])])
    assert config.training.batch_size == 16
    assert config.training.learning_rate == 3e-4
    assert config.model.cell_type == "gru"
    assert config.training.window == 64


def test_what_is_resolved_can_be_resolved_again() -> None:
    config = resolve(GENERATE, [parse_settings(["training.max_steps=7", "data.unit=word"])])
    saved = config.to_dict()
    assert resolve(GENERATE, [saved]).to_dict() == saved


def test_how_data_is_read_is_known_before_the_task(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("data:\n  columns: {text: body, label: 3}\n  unit: word\n  header: false\n")
    layers = [read_yaml(file), parse_settings(["data.columns.text=review", "data.separator=|"])]
    options = read_options(layers)
    assert options.columns == {"text": "review", "label": 3}
    assert (options.separator, options.header, options.encoding) == ("|", False, None)
    config = resolve(GENERATE, layers)
    assert (config.reading, config.data.unit) == (options, "word")
    assert resolve(GENERATE, [config.to_dict()]) == config


@pytest.mark.parametrize(
    ("setting", "value"), [(";", ";"), ("|", "|"), (",", ","), (r"\t", "\t"), ("tab", "\t"), ("null", None)]
)
def test_separators_are_written_as_a_shell_has_them(setting: str, value: str | None) -> None:
    assert read_options([parse_settings([f"data.separator={setting}"])]).separator == value


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.separator=xy", r"data\.separator: must be one character, or one of tab, .*\. Got \"xy\"\."),
        (
            "data.encoding=klingon",
            r"data\.encoding: must be the name of an encoding\. Got \"klingon\"\. For example",
        ),
        ("data.encoding=base64", r"data\.encoding: must be the name of an encoding"),
        ("data.header=maybe", r"data\.header: input should be a valid boolean"),
        ("data.columns=text", r"data\.columns: input should be a valid dictionary"),
        ("data.names.label=[no, yes]", r"data\.names\.label: input should be a valid string\. Got false\."),
        ("data.column.text=a", r"unknown key `data\.column`\. Did you mean `data\.columns`\?"),
    ],
)
def test_how_data_is_read_is_checked(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(GENERATE, [parse_settings([setting])])


def test_without_a_limit_a_training_has_20_epochs() -> None:
    assert resolve(GENERATE, []).training.max_epochs == 20
    assert resolve(GENERATE, [parse_settings(["training.max_minutes=5"])]).training.max_epochs is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "training.learning_rat=1",
            r"unknown key `training\.learning_rat`\. Did you mean `training\.learning_rate`\?",
        ),
        ("modle.hidden_size=1", r"unknown key `modle`\. Did you mean `model`\?"),
        (
            "training.batch_size=0",
            r"training\.batch_size: input should be greater than or equal to 1\. Got 0\.",
        ),
        (
            "training.batch_size=many",
            r"training\.batch_size: input should be a valid integer\. Got \"many\"\.",
        ),
        ("training.batch_size=1.5", r"training\.batch_size: input should be a valid integer\. Got 1\.5\."),
        (
            "model.cell_type=xlstm",
            r"model\.cell_type: must be the name of a cell\. Got \"xlstm\"\. Did you mean `lstm`\?",
        ),
        ("model.dropout=1", r"model\.dropout: input should be less than 1\. Got 1\."),
        ("training.learning_rate=.nan", r"training\.learning_rate: input should be"),
    ],
)
def test_settings_that_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(GENERATE, [parse_settings([setting])])


@pytest.mark.parametrize(
    "setting", ["batch_size=3", "training.batch_size", "training.=3", "=", "training.a=[1"]
)
def test_settings_of_the_wrong_form(setting: str) -> None:
    with pytest.raises(ConfigError, match=r"^--set: "):
        parse_settings([setting])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("training: [", r"c\.yaml, line 1: must be YAML"),
        ("- a\n", r"c\.yaml: must hold keys such as `training:`\. Got list\."),
        ("training: 3\n", r"`training` must hold keys of its own\. Got 3\."),
    ],
)
def test_files_that_are_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        resolve(GENERATE, [read_yaml(file)])


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: expected a YAML file\. Got No such file"):
        read_yaml(tmp_path / "no.yaml")
