"""`seqloom diagnose`: text, JSON and page; and what a user may get wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import seqloom
from seqloom.cli.inspection.diagnose import KEYS
from seqloom.errors import RunError
from seqloom.inference.predictor import Predictor
from seqloom.inspection.diagnosis.history import read_history
from seqloom.inspection.diagnosis.verdicts import NAMES

from .conftest import seqloom as run

SETTINGS = ["model.hidden_size=12", "training.max_steps=40", "training.log_every=5", "data.subwords=false"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("diagnosed")
    seqloom.toy_data("classify", folder / "data")
    return seqloom.train(folder / "data", settings=SETTINGS, out=folder / "run")


def test_the_text_begins_with_verdicts_and_fits_80_columns(trained: Predictor) -> None:
    done = run("diagnose", trained.folder, cwd=trained.folder.parent)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].lower() in NAMES
    assert "UNDERTRAINED" in lines  # forty steps
    for title in ("gradient by lag, of 8 batches", "gates", "units", "training", "median norm"):
        assert any(line.startswith(title) for line in lines), title
    assert re.search(r"layers\.0\.reverse\.update +0\.\d\d +\d+ % +\d+ %", done.stdout)
    assert f"data: {trained.folder.parent / 'data'}" in done.stderr


def test_json_has_the_documented_keys(trained: Predictor) -> None:
    data = trained.folder.parent / "data"
    done = run("diagnose", trained.folder, data, "--json", "--layers", "*.reverse", cwd=trained.folder.parent)
    assert done.returncode == 0, done.stderr
    diagnosis = json.loads(done.stdout)
    assert list(diagnosis) == [name for name in re.split(r", | and | \(by name\)", KEYS) if name]
    assert list(diagnosis["layers"]) == ["layers.0.reverse"]
    layer = diagnosis["layers"]["layers.0.reverse"]
    assert layer["gradient_by_lag"]["share"][0] == 1.0
    assert set(layer["gates"]) == {"reset", "update"}
    assert layer["recurrent_weights"]["reset"]["radius"] > 0
    assert diagnosis["sample"] == {"batches": 8, "rows": 256}
    assert diagnosis["history"]["clipped_share"] is not None
    assert set(diagnosis["verdicts"][0]) == {"name", "evidence", "advice"}


def test_a_page_is_one_file_with_charts(trained: Predictor, tmp_path: Path) -> None:
    done = run("diagnose", trained.folder, "--out", "page.html", "--batches", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert (
        f"{trained.folder.parent / 'data'} --layers &#x27;*&#x27; --batches 3 --seed 0 --out page.html"
        in page
    )
    assert page.count("<svg") >= 5
    name = next(line.split()[0] for line in done.stdout.splitlines() if ".reset" in line or ".forget" in line)
    assert f">{name}<" in page  # as the terminal says it
    assert "1 % 0.0100" not in page
    assert 'href="http' not in page
    assert len(page) < 500_000
    again = run("diagnose", trained.folder, "--out", "page.html", cwd=tmp_path)
    assert again.returncode == 2
    assert "page.html" in again.stderr
    assert run("diagnose", trained.folder, "--out", "page.html", "--overwrite", cwd=tmp_path).returncode == 0


def test_it_leaves_the_model_as_it_was(trained: Predictor) -> None:
    before = {name: weight.clone() for name, weight in trained.model.state_dict().items()}
    answer = trained.predict(["a fine film"])
    diagnosis = seqloom.diagnose(trained)
    assert diagnosis.places["layers.0"].gradient is not None
    assert all(bool((before[name] == weight).all()) for name, weight in trained.model.state_dict().items())
    assert all(parameter.grad is None for parameter in trained.model.parameters())
    assert trained.predict(["a fine film"]) == answer


def test_records_of_another_kind_are_passed_over(tmp_path: Path) -> None:
    record = {"split": "train", "step": 1, "loss_nats_per_row": 0.5}
    damaged: list[object] = [{**record, "step": "x"}, {**record, "gradient_norms": [1]}, [], {"step": 2}]
    damaged += [{**record, "step": 2, "loss_nats_per_row": 10**400, "gradient_norms": {"a": "b"}}]
    lines = ["[" * 100_000, *map(json.dumps, [*damaged, {**record, "step": 3, "clipped_share": None}])]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines))
    history = read_history(tmp_path)
    assert history.train.steps == (1, 3)
    assert history.by_parameter == {}
    assert history.clipped_share is None


def test_the_same_seed_gives_the_same_numbers(trained: Predictor) -> None:
    assert seqloom.diagnose(trained).as_json() == seqloom.diagnose(trained).as_json()


def test_mistakes_are_one_line(trained: Predictor, tmp_path: Path) -> None:
    def error(*arguments: object) -> str:
        done = run("diagnose", *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        return done.stderr.strip().splitlines()[-1]

    assert error("nowhere") == "seqloom: nowhere: expected a run folder. Got no such folder."
    unknown = error(trained.folder, "--layers", "layers.7")
    assert "diagnose: expected the name of a recurrent layer. Got layers.7. Did you mean" in unknown
    seqloom.toy_data("generate", tmp_path / "text")
    other = error(trained.folder, tmp_path / "text")
    assert "the task classify takes a table with columns text and label" in other
    assert "only data.* can be set" in error(trained.folder, "--set", "decoding.threshold=0.4")
    content = json.loads((trained.folder / "config.json").read_text())
    newer = tmp_path / "newer"
    newer.mkdir()
    (newer / "config.json").write_text(json.dumps({**content, "format": 99}))
    assert "expected format 2. Got format 99" in error(newer)


def test_weights_that_are_no_numbers_are_named(trained: Predictor) -> None:
    bias = trained.model.get_parameter("output.bias")
    before = bias.detach().clone()
    try:
        bias.data[0] = float("nan")
        with pytest.raises(RunError, match=r"the weights output\.bias must be finite numbers\. Got NaN"):
            seqloom.diagnose(trained)
    finally:
        bias.data.copy_(before)
