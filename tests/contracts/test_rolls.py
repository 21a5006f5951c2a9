"""Compose keeps the contract of a task on piano rolls too, which are not its toy data."""

from __future__ import annotations

import json
import random

import pytest

from seqloom.data.read import read
from seqloom.runs.config import resolve
from seqloom.tasks import task_named

from .test_tasks import (  # noqa: F401  they are collected here again, with the last fixture below
    Case,
    baseline,
    hasty_baseline,
    rows,
    test_batches_have_little_padding,
    test_it_has_the_recurrent_settings_of_every_task,
    test_its_baseline_has_the_primary_metric,
    test_its_preparation_is_json,
    test_its_scores_start_with_the_loss_and_have_the_primary_metric,
    test_measures_do_not_depend_on_torch_default_device,
    test_metrics_do_not_depend_on_the_batch,
    test_one_batch_can_be_memorized,
    test_training_losses_can_be_scored,
    test_without_time_its_baseline_is_fitted_on_less_and_says_so,
)


@pytest.fixture(scope="module", params=["one state a frame", "one state a key"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    generator = random.Random(0)
    chords = [[48, 64, 67], [53, 65, 69], [55, 62, 71]]
    splits = {
        name: [generator.choices(chords, k=generator.randint(3, 24)) for _ in range(count)]
        for name, count in {"train": 40, "validation": 8, "test": 70}.items()
    }
    path = tmp_path_factory.mktemp("rolls") / "rolls.json"
    path.write_text(json.dumps(splits))
    task = task_named("compose")
    sizes = {"hidden_size": 48, "key_hidden_size": 16, "key_output_size": 16, "num_layers": 1, "dropout": 0.0}
    model = {**sizes, "tied_keys": request.param == "one state a key"}
    config = resolve(task, [{"model": model, "data": {"frames_per_bar": 8, "max_frames": 16}}])
    data = read(path, strict=True)
    return Case(task, config, data, task.prepare(data, config.data), task.write_toy_data, None)
