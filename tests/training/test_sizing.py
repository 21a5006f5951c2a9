"""How large a model the demo trains: by the speed of the machine and the time that there is."""

from __future__ import annotations

import pytest
import torch

from seqloom.runs.config import parse_settings, resolve
from seqloom.tasks import task_named
from seqloom.training import sizing
from seqloom.training.sizing import HIDDEN_SIZES, PASSES, choose_size, measure_speed


def test_a_faster_machine_and_more_time_give_a_larger_model() -> None:
    sizes = [choose_size(400_000, 60, speed).hidden_size for speed in (1e3, 1e4, 4e4, 8e4, 1e7)]
    assert sizes == sorted(sizes)
    assert sizes[0] == HIDDEN_SIZES[0]
    assert sizes[-1] == HIDDEN_SIZES[-1]
    assert choose_size(400_000, 120, 4e4)[0] == choose_size(400_000, 60, 8e4)[0] > sizes[2]
    assert choose_size(800_000, 120, 4e4)[0] == sizes[2]


@pytest.mark.parametrize("speed", [5e4, 1e5])
def test_the_model_is_the_largest_that_reads_its_text_often_enough(speed: float) -> None:
    chosen = choose_size(400_000, 60, speed)
    assert chosen.passes >= PASSES
    larger = sizing._weights(chosen.hidden_size + 32) / sizing._weights(chosen.hidden_size)
    assert chosen.passes / larger < PASSES


def test_measuring_leaves_the_random_state_and_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    assert measure_speed(0.01) > 0
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_speed_is_characters_by_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 10.2, 10.5, 12.0])
    monkeypatch.setattr(sizing.time, "monotonic", lambda: next(clock))
    # Two steps are over when the second has passed.
    assert measure_speed(1.0) == 2 * sizing.BATCH_SIZE * sizing.WINDOW / 2.0


def test_its_settings_are_those_of_a_training() -> None:
    chosen = choose_size(400_000, 60, 5e4)
    config = resolve(task_named("generate"), [parse_settings(chosen.settings())])
    assert config.model.hidden_size == chosen.hidden_size
    assert config.model.cell_type == "gru"
    assert f"a GRU with {chosen.hidden_size} units and n-gram features" in str(chosen)
    assert "with 128, this machine learns from 50,000 characters a second" in str(chosen)
