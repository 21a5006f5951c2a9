"""`toy-data`, `predict` and `evaluate` of a classifier: texts, pipes, tables, unusable rows, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import seqloom, settings_options

FAST = [
    "model.hidden_size=16",
    "training.max_steps=40",
    "training.validate_every=20",
    "training.warmup_steps=5",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up reviews, and a classifier of them."""
    folder = tmp_path_factory.mktemp("place")
    assert seqloom("toy-data", "classify", "reviews", cwd=folder).returncode == 0
    done = seqloom("train", "reviews", "--out", "run", *settings_options(*FAST), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "task: classify (many-to-one)" in done.stderr
    assert "next: seqloom predict run 'a text'" in done.stderr
    return folder


def test_toy_data_says_that_it_is_made_up(place: Path) -> None:
    code, output, errors = seqloom("toy-data", "classify", "made", "--seed", 1, cwd=place)
    assert (code, output) == (0, "")
    assert "made-up data for classify" in errors
    assert "next: seqloom train made" in errors
    code, output, _ = seqloom("toy-data", "generate", "text", "--json", cwd=place)
    assert json.loads(output)["made_up"] is True


def test_toy_data_overwrites_nothing(place: Path) -> None:
    code, _, errors = seqloom("toy-data", "classify", "reviews", cwd=place)
    assert code == 2
    assert errors.startswith("seqloom: reviews: expected a new folder. Got one that holds something.")
    code, _, errors = seqloom("toy-data", "clasify", "elsewhere", cwd=place)
    assert code == 2
    assert "unknown task `clasify`. Did you mean `classify`?" in errors


def test_each_text_gets_a_line(place: Path) -> None:
    code, output, errors = seqloom("predict", "run", "a fine film", "a dull film", cwd=place)
    assert code == 0, errors
    assert len(output.splitlines()) == 2


def test_a_pipe_a_text_file_and_a_table_get_the_same_answers(place: Path) -> None:
    texts = ["a fine film", "a dull film", "the cast is bad"]
    piped = seqloom("predict", "run", stdin="".join(f"{text}\n" for text in texts), cwd=place)[1]
    (place / "lines.txt").write_text("\n".join(texts))
    (place / "table.csv").write_text("other,text\n" + "".join(f"x,{text}\n" for text in texts))
    assert seqloom("predict", "run", "lines.txt", cwd=place)[1] == piped
    assert seqloom("predict", "run", "table.csv", cwd=place)[1] == piped
    assert len(piped.splitlines()) == 3


def test_json_has_inputs_and_probabilities(place: Path) -> None:
    output = json.loads(seqloom("predict", "run", "a fine film", "--json", cwd=place)[1])
    (answer,) = output["outputs"]
    assert answer["input"] == "a fine film"
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_a_text_that_looks_like_a_path_needs_an_option(place: Path) -> None:
    code, output, errors = seqloom("predict", "run", "missing.txt", cwd=place)
    assert (code, output) == (2, "")
    assert errors == (
        "seqloom: missing.txt: expected a file. Got no such file. If it is a text, say so with --text.\n"
    )
    code, output, _ = seqloom("predict", "run", "--text", "missing.txt", "a fine film", cwd=place)
    assert code == 0
    assert len(output.splitlines()) == 2


def test_an_unusable_line_gets_an_empty_line_unless_strict(place: Path) -> None:
    code, output, errors = seqloom("predict", "run", stdin="a fine film\n\na dull film\n", cwd=place)
    assert code == 0
    assert [bool(line) for line in output.splitlines()] == [True, False, True]
    assert "skipped: " in errors
    code, output, errors = seqloom("predict", "run", "--strict", stdin="a fine film\n\n", cwd=place)
    assert code == 2
    assert output == ""


def test_evaluation_counts_unusable_rows_unless_strict(place: Path) -> None:
    lines = (place / "reviews" / "test.tsv").read_text().splitlines()
    (place / "test.tsv").write_text(
        "\n".join([*lines[:30], "one column", "a film\tunheard of", *lines[30:40]])
    )
    report = json.loads(seqloom("evaluate", "run", "test.tsv", "--json", cwd=place)[1])
    assert report["skipped"]["rows"] == 2
    assert "test.tsv, line 31" in report["skipped"]["first"][0]
    assert "all: 2 rows skipped, the first: " in seqloom("evaluate", "run", "test.tsv", cwd=place)[2]
    code, _, errors = seqloom("evaluate", "run", "test.tsv", "--strict", cwd=place)
    assert code == 2
    assert errors.startswith("seqloom: test.tsv, line 31: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict nowhere text", "nowhere: expected a run folder. Got no such folder."),
        ("predict run missing.csv", "missing.csv: expected a file. Got no such file."),
        ("predict run missing.txt", "missing.txt: expected a file. Got no such file."),
        ("predict run labels.csv", "labels.csv, line 2: expected a column text. Got label."),
        ("predict run x --set decoding.num_beam=3", "unknown key `decoding.num_beam`"),
        ("predict run x --set data.unit=word", "can be set for a trained model. Got data.unit."),
        ("predict run x --set model.dropout=0", "can be set for a trained model. Got model."),
        ("train labels.csv", "labels.csv: expected data that a task takes. Got columns label."),
        ("train both.csv", "expected data that one task fits. Got classify, translate. Name the task with"),
        ("train reviews --task translate", "expected columns source, target. Got text, label."),
        ("translate run", "expected a model of the task translate. Got classify."),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(place: Path, arguments: str, message: str) -> None:
    (place / "labels.csv").write_text("label\nx\ny\n")
    (place / "both.csv").write_text("text,label,source,target\na,b,c,d\ne,f,g,h\n")
    code, _, errors = seqloom(*arguments.split(), cwd=place)
    assert code == 2
    assert message in errors
    assert "Traceback" not in errors
