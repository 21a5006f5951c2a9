"""`seqloom translate`: a pipe of lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import seqloom, settings_options

SETTINGS = (
    "data.unit=word",
    "model.hidden_size=8",
    "model.embedding_size=8",
    "model.num_layers=1",
    "training.max_steps=3",
)
FAST = settings_options(*SETTINGS)
ROWS = "source\ttarget\n" + "ein Hund\ta dog\neine Katze\ta cat\nder Hund\tthe dog\n" * 5


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs and a run that learnt from them."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "pairs.tsv").write_text(ROWS)
    done = seqloom("train", "pairs.tsv", "--out", "run", *FAST, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_each_line_is_translated_and_an_empty_one_stays_empty(place: Path) -> None:
    done = seqloom("translate", "run", cwd=place, stdin="ein Hund\n\n  \neine Katze")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *empty, last, end = done.stdout.split("\n")
    assert empty == ["", ""]
    assert end == ""
    assert seqloom("translate", "run", cwd=place, stdin="ein Hund\n").stdout == f"{first}\n"
    assert seqloom("translate", "run", cwd=place, stdin="eine Katze\n").stdout == f"{last}\n"


def test_empty_input_gives_empty_output(place: Path) -> None:
    done = seqloom("translate", "run", cwd=place)
    assert (done.returncode, done.stdout) == (0, "")


def test_json_has_tokens_and_on_request_attention(place: Path) -> None:
    done = seqloom("translate", "run", "--json", "--num-beams", 2, cwd=place, stdin="ein Hund\n\n")
    translated, empty = json.loads(done.stdout)["translations"]
    assert empty == {"source": "", "translation": ""}
    assert translated["source_tokens"] == ["ein", "Hund", "</s>"]
    assert "attention" not in translated
    done = seqloom("translate", "run", "--json", "--attention", cwd=place, stdin="ein Hund\n")
    (translated,) = json.loads(done.stdout)["translations"]
    assert len(translated["attention"]) == len(translated["tokens"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attention"], "translate: --attention must come with --json, which shows it. Got no --json."),
        (["--num-beams", 0], "decoding.num_beams: input should be greater than or equal to 1. Got 0."),
        (
            ["--length-penalty", 11],
            "decoding.length_penalty: input should be less than or equal to 10. Got 11.0.",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(place: Path, arguments: list[object], message: str) -> None:
    done = seqloom("translate", "run", *arguments, cwd=place, stdin="ein Hund\n")
    assert (done.returncode, done.stderr) == (2, f"seqloom: {message}\n")


def test_a_run_of_another_task_is_refused(place: Path) -> None:
    (place / "text.txt").write_text("to be or not to be\n" * 50)
    settings = ("model.hidden_size=8", "training.batch_size=2", "training.window=16", "training.max_steps=2")
    assert (
        seqloom("train", "text.txt", "--out", "writer", *settings_options(*settings), cwd=place).returncode
        == 0
    )
    done = seqloom("translate", "writer", cwd=place, stdin="ein Hund\n")
    assert done.returncode == 2
    assert done.stderr == (
        "seqloom: writer: expected a model of the task translate. Got generate. Use `seqloom predict`\n"
    )
