"""`sample`, `predict` and the rest for tasks that answer: right, wrong, through a pipe, with bad rows."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqloom.cli import main

FAST = [
    "model.hidden_size=16",
    "training.max_steps=40",
    "training.validate_every=20",
    "training.warmup_steps=5",
]
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up reviews, and a classifier of them."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def seqloom(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process: exit code, standard output, standard error."""

    def run(*arguments: object, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["seqloom", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as leaving:
            main()
        return (leaving.value.code, *capfd.readouterr())  # type: ignore[return-value]

    if not (place / "run").exists():
        assert run("toy-data", "classify", "reviews")[0] == 0
        settings = [word for setting in FAST for word in ("--set", setting)]
        code, _, errors = run("train", "reviews", "--out", "run", *settings)
        assert code == 0, errors
        assert "task: classify (many-to-one)" in errors
        assert "next: seqloom predict run" in errors
    return run


def test_a_sample_says_that_it_is_made_up(seqloom: Command) -> None:
    code, output, errors = seqloom("toy-data", "classify", "made", "--seed", 1)
    assert (code, output) == (0, "")
    assert "made-up data for classify" in errors
    assert "next: seqloom train made" in errors
    code, output, _ = seqloom("toy-data", "generate", "text", "--json")
    assert json.loads(output)["made_up"] is True


def test_a_sample_is_never_written_over_something(seqloom: Command) -> None:
    code, _, errors = seqloom("toy-data", "classify", "reviews")
    assert code == 2
    assert errors.startswith("seqloom: reviews: expected a new folder. Got one that holds something.")
    code, _, errors = seqloom("toy-data", "clasify", "elsewhere")
    assert code == 2
    assert "unknown task `clasify`. Did you mean `classify`?" in errors


def test_an_answer_for_each_text(seqloom: Command) -> None:
    code, output, errors = seqloom("predict", "run", "a fine film", "a dull film")
    assert code == 0, errors
    assert len(output.splitlines()) == 2


def test_a_pipe_a_text_file_and_a_table_give_the_same(seqloom: Command, place: Path) -> None:
    texts = ["a fine film", "a dull film", "the cast is bad"]
    piped = seqloom("predict", "run", stdin="".join(f"{text}\n" for text in texts))[1]
    (place / "lines.txt").write_text("\n".join(texts))
    (place / "table.csv").write_text("other,text\n" + "".join(f"x,{text}\n" for text in texts))
    assert seqloom("predict", "run", "lines.txt")[1] == piped
    assert seqloom("predict", "run", "table.csv")[1] == piped
    assert len(piped.splitlines()) == 3


def test_json_has_the_particulars(seqloom: Command) -> None:
    output = json.loads(seqloom("predict", "run", "a fine film", "--json")[1])
    (answer,) = output["outputs"]
    assert answer["input"] == "a fine film"
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_a_text_that_looks_like_a_path_needs_an_option(seqloom: Command) -> None:
    code, output, errors = seqloom("predict", "run", "missing.txt")
    assert (code, output) == (2, "")
    assert errors == (
        "seqloom: missing.txt: expected a file. Got no such file. If it is a text, say so with --text.\n"
    )
    code, output, _ = seqloom("predict", "run", "--text", "missing.txt", "a fine film")
    assert code == 0
    assert len(output.splitlines()) == 2


def test_a_bad_line_leaves_its_line_empty(seqloom: Command) -> None:
    code, output, errors = seqloom("predict", "run", stdin="a fine film\n\na dull film\n")
    assert code == 0
    assert [bool(line) for line in output.splitlines()] == [True, False, True]
    assert "skipped: " in errors
    code, output, errors = seqloom("predict", "run", "--strict", stdin="a fine film\n\n")
    assert code == 2
    assert output == ""


def test_bad_rows_are_counted_and_strict_stops_at_one(seqloom: Command, place: Path) -> None:
    lines = (place / "reviews" / "test.tsv").read_text().splitlines()
    (place / "test.tsv").write_text(
        "\n".join([*lines[:30], "one column", "a film\tunheard of", *lines[30:40]])
    )
    report = json.loads(seqloom("evaluate", "run", "test.tsv", "--json")[1])
    assert report["skipped"]["rows"] == 2
    assert "test.tsv, line 31" in report["skipped"]["first"][0]
    assert "rows skipped, the first: " in seqloom("evaluate", "run", "test.tsv")[1]
    code, _, errors = seqloom("evaluate", "run", "test.tsv", "--strict")
    assert code == 2
    assert errors.startswith("seqloom: test.tsv, line 31: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("predict nowhere text", "nowhere: expected a run folder. Got no such folder."),
        ("predict run missing.csv", "missing.csv: expected a file. Got no such file."),
        ("predict run labels.csv", "labels.csv, line 2: expected a column text. Got label."),
        ("predict run x --set decoding.num_beam=3", "unknown key `decoding.num_beam`"),
        ("predict run x --set model.dropout=0", "only decoding.* can be set for a trained model. Got model."),
        ("train labels.csv", "labels.csv: expected data that a task takes. Got columns label."),
        ("train both.csv", "expected data that one task fits. Got classify, translate. Name the task with"),
        ("train reviews --task translate", "expected columns source, target. Got text, label."),
        ("translate run", "expected a model of the task translate. Got classify."),
    ],
)
def test_a_mistake_is_one_line(seqloom: Command, place: Path, arguments: str, message: str) -> None:
    (place / "labels.csv").write_text("label\nx\ny\n")
    (place / "both.csv").write_text("text,label,source,target\na,b,c,d\ne,f,g,h\n")
    code, _, errors = seqloom(*arguments.split())
    assert code == 2
    assert message in errors
    assert "Traceback" not in errors
