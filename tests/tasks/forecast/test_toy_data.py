"""The made-up shops: promotions that are known ahead, and the rows after the end."""

from __future__ import annotations

from pathlib import Path

import pytest

import seqloom
from seqloom.data.read import read
from seqloom.inference.predictor import load
from seqloom.runs.config import resolve
from seqloom.tasks import task_named
from seqloom.tasks.forecast import toy_data
from seqloom.training.train import train

TASK = task_named("forecast")
SMALL = {"model.hidden_size": 8, "training.max_steps": 2, "training.validate_every": 2}
KNOWN = {"data.known_future": ["promotion"]}


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three of them."""
    folder = tmp_path_factory.mktemp("toy") / "shops"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy_data, "SHOPS", 3)
        seqloom.toy_data("forecast", folder)
    return folder


def test_the_files_go_on_from_one_another(shops: Path) -> None:
    rows = {
        name: [line.split(",") for line in (shops / f"{name}.csv").read_text().splitlines()]
        for name in ("train", "validation", "test", "future")
    }
    for name in ("train", "validation", "test"):
        assert rows[name][0] == ["unique_id", "ds", "y", "promotion"]
    assert rows["future"][0] == ["unique_id", "ds", "promotion"]
    assert [len(part) - 1 for part in rows.values()] == [3 * 224, 3 * 28, 3 * 28, 3 * 28]
    days = sorted(row[1] for part in rows.values() for row in part[1:] if row[0] == "shop-01")
    assert (len(set(days)), days[0], days[-1]) == (308, "2023-01-02", "2023-11-05")


def test_promotions_after_the_end_are_known(shops: Path, tmp_path: Path) -> None:
    train(shops, settings={**SMALL, **KNOWN}, out=tmp_path / "run")
    model = load(tmp_path / "run")
    assert model.preparation.columns.future == ("promotion",)
    forecast = model.forecast(h=28)
    assert len(forecast.ds) == 3 * 28
    assert (forecast.ds[0], forecast.ds[27]) == ("2023-10-09", "2023-11-05")


def test_without_them_the_rows_after_the_end_are_passed_over(shops: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    train(shops, settings=SMALL, out=tmp_path / "run", log=lines.append)
    (line,) = (line for line in lines if line.startswith("data: "))
    assert "84 rows of future passed over, as no column is known ahead" in line
    assert line.endswith("horizon 28, season 7, 1 historic column, 3 calendar columns")
    forecast = load(tmp_path / "run").forecast()
    assert (len(forecast.ds), forecast.ds[0]) == (3 * 28, "2023-10-09")


def test_columns_are_counted(shops: Path) -> None:
    for names, kind in (["promotion"], "known-future"), ([], "historic"):
        config = resolve(TASK, [{"data": {"known_future": names}}]).data
        assert f", 1 {kind} column, 3 calendar columns" in TASK.prepare(read(shops), config).describe()
