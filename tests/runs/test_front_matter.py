"""The front matter of a model card: huggingface_hub reads it, and finds the results in it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, metadata_load

import seqloom
from seqloom.cli import VERBS
from seqloom.tasks import TASKS

PIPELINE_TAGS = {
    "generate": "text-generation",
    "classify": "text-classification",
    "tag": "token-classification",
    "translate": "translation",
    "transcribe": "automatic-speech-recognition",
    "caption": "image-to-text",
    "compose": None,  # hubs have no name for it
    "forecast": "time-series-forecasting",
}


@pytest.fixture(scope="module", params=TASKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    seqloom.toy_data(request.param, folder / "my data")
    settings = {"training.max_steps": 1, "model.hidden_size": 4, "training.license": "cc-by-4.0"}
    if request.param == "forecast":
        settings["data.exogenous"] = []  # a list of numbers has no promotions beside it
    return seqloom.train(folder / "my data", settings=settings, out=folder / "my run").folder


def metrics_of(run: Path) -> dict[str, float]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {name: value for name, value in records[-1].items() if isinstance(value, float)}


def test_the_hub_reads_it(run: Path) -> None:
    metadata: Any = metadata_load(run / "README.md")
    task = seqloom.load(run).config.task.name
    assert metadata.get("pipeline_tag") == PIPELINE_TAGS[task]
    assert metadata["license"] == "cc-by-4.0"
    assert metadata["datasets"] == ["my data"]
    assert metadata["library_name"] == "seqloom"
    card = ModelCard.load(run / "README.md")
    assert card.data.to_dict()["model-index"] == metadata["model-index"]
    results = {result.metric_type: result for result in card.data.eval_results or []}
    assert list(results) == metadata["metrics"]
    measured = metrics_of(run)
    for name, result in results.items():
        assert result.metric_value == pytest.approx(measured[name])
        assert (result.dataset_name, result.dataset_split) == ("my data", "test")
        assert result.task_type == (PIPELINE_TAGS[task] or task)


def test_its_example_is_of_the_data_with_the_answer_of_the_model(run: Path) -> None:
    card = (run / "README.md").read_text()
    call = card.split("print(")[1].split(")\n```")[0]
    answer = card.split("```text\n")[1].split("\n```")[0]
    predictor = seqloom.load(run)
    if predictor.preparation.column == "file":
        value = re.findall(r"'(.+)'", call)[0]
        (path,) = (run.parent / "my data" / "test").rglob(value)
        assert predictor.predict([path])[0].text == answer
        return
    assert "a text" not in call
    assert eval(call, {"model": predictor}).replace("\n", "\\n") == answer
    verb = card.split("```bash\n")[1].split("seqloom ")[1].split()[0]
    assert verb in VERBS


def test_without_a_license_it_says_that_none_is_stated(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the quick brown fox.\n" * 60)
    settings = {"training.max_steps": 1, "model.hidden_size": 4, "training.batch_size": 2}
    settings["training.window"] = 16
    run = seqloom.train(tmp_path / "text.txt", settings=settings, out=tmp_path / "run").folder
    metadata: Any = metadata_load(run / "README.md")
    assert "license" not in metadata
    assert "No license is stated." in (run / "README.md").read_text()
    shutil.rmtree(run / "resume")


def test_names_that_yaml_or_markdown_would_misread(tmp_path: Path) -> None:
    data = tmp_path / "a: [b] `c` \n#d\udcff.csv"
    data.write_text("text,label\n" + "a fine film,good\na dull film,bad\n" * 20)
    settings = {"training.max_steps": 1, "model.hidden_size": 4}
    run = seqloom.train(data, settings=settings, out=tmp_path / "--- run\n").folder
    metadata: Any = metadata_load(run / "README.md")
    assert metadata["datasets"] == ["a: [b] `c` \\n#d\\udcff.csv"]
    assert metadata["model-index"][0]["name"] == "--- run\\n"
