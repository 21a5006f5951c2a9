"""`seqloom check`: text of 80 columns, JSON, exit codes, and mistakes in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import seqloom as package
from seqloom.inspection.checks.table import CHECKS

from .conftest import seqloom


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews whose test rows training has too, in part, and a run of one step."""
    folder = tmp_path_factory.mktemp("check")
    data = folder / "reviews"
    data.mkdir()
    for name, count in {"train": 30, "validation": 10, "test": 12}.items():
        rows = [
            f"{name if row > 3 else 'a'} film of number {row} {'x ' * row}\t{'no' if row % 2 else 'yes'}"
            for row in range(count)
        ]
        (data / f"{name}.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    settings = {"model.hidden_size": 4, "model.embedding_size": 4, "training.max_steps": 1}
    package.train(data, settings=settings, out=folder / "run")
    return folder


def test_a_failure_is_told_in_80_columns_with_exit_code_1(folder: Path) -> None:
    done = seqloom("check", "run", "reviews", cwd=folder)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "run, classify, on reviews, test split"
    assert max(map(len, lines)) <= 80
    assert "FAIL  shared-examples: Training and test share no example." in lines
    assert "      4 of 12 examples of test are among 30 of training (33.3%; allowed 1%)," in lines
    assert "      Do: Take them out of training, or divide the data anew without repeated" in lines
    assert "pass  padding: A row gives the same however much padding it has." in lines
    assert "n/a   causality: No output depends on a later input." in lines
    assert lines[-2].startswith("9 passed, 2 failed, 4 not applicable")
    assert lines[-1] == "failed: shared-examples, baseline"
    assert "data: reviews (train 30 rows" in done.stderr


def test_json_has_every_check_with_its_numbers(folder: Path) -> None:
    done = seqloom("check", "run", "reviews", "--json", cwd=folder)
    report = json.loads(done.stdout)
    assert (done.returncode, report["passed"], report["task"], report["split"]) == (
        1,
        False,
        "classify",
        "test",
    )
    assert [check["name"] for check in report["checks"]] == [check.name for check in CHECKS]
    keys = {"name", "claim", "result", "evidence", "advice", "numbers"}
    assert all(check.keys() == keys for check in report["checks"])
    shared = next(check for check in report["checks"] if check["name"] == "shared-examples")
    assert shared["numbers"] == {"shared": 4, "measured": 12, "learnt": 30, "share": 4 / 12}


def test_a_page_has_what_failed_first(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "checks.html"
    done = seqloom("check", "run", "reviews", "--out", page, cwd=folder)
    assert done.returncode == 1
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert text.index("What failed") < text.index('id="shared-examples"') < text.index("What passed")
    assert "4 of 12 examples of test are among 30 of training" in text
    assert f"seqloom check run reviews --split test --seed 0 --out {page}" in text
    assert "Failed: shared-examples, baseline." in text
    done = seqloom("check", "run", "reviews", "--out", page, cwd=folder)
    assert (done.returncode, page.read_text()) == (2, text)
    assert "--overwrite" in done.stderr
    done = seqloom("check", "run", "reviews", "--out", tmp_path / "checks.txt", cwd=folder)
    assert "--out: expected a name that ends in .html. Got " in done.stderr


def test_checks_that_pass_have_exit_code_0(folder: Path) -> None:
    done = seqloom("check", "run", "reviews", "--only", "padding", "--only", "repeats", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "2 passed, 0 failed, 0 not applicable"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("run", "reviews", "--only", "causality"),
            "run: the check causality must be applicable. Got layers.0 reads both ways.",
        ),
        (("run", "reviews", "--only", "mates"), "check: unknown check `mates`. Did you mean `batch-mates`?"),
        (
            ("run", "reviews", "--split", "dev"),
            "reviews: expected a split named dev. Got train, validation, test.",
        ),
        (("run", "text.txt"), "text.txt: the task classify takes a table with columns text and label, "),
        (("nothing", "reviews"), "nothing: expected a run folder. Got no such folder."),
        (("run", "reviews", "--set", "decoding.threshold=0.4"), "--set: only data.* can be set for a check."),
    ],
)
def test_mistakes_are_one_line(folder: Path, arguments: tuple[str, ...], expected: str) -> None:
    (folder / "text.txt").write_text("no table at all. " * 30)
    done = seqloom("check", *arguments, cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"seqloom: {expected}")


def test_a_run_of_a_newer_version_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text(
        json.dumps({"format": 99, "seqloom": "9.0", "data_digest": "", "task": "classify"})
    )
    done = seqloom("check", tmp_path / "run", "reviews", cwd=folder)
    assert done.returncode == 2
    assert "expected format 2. Got format 99, written by seqloom 9.0. Update seqloom" in done.stderr
