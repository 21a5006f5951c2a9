"""Two processes that train together learn what one does, whatever the task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from seqloom.data.batching import Batching, Shard
from seqloom.errors import DataError
from seqloom.training import checkpoint

from ..attacks.faults import run_in_two_processes
from ..attacks.test_faults import make_training, read_records
from ..data.test_bucketing import make_buckets, make_items, numbers

SAME = {"training.precision": "float32", "training.batch_size": 4, "training.tensorboard": False}
SAME |= {"model.dropout": 0.0}
"""No random number, of which each process draws its own"""
KINDS: dict[str, dict[str, Any]] = {
    "generate": {},
    "classify": {},
    "tag": {"model.rare_word_dropout": 0.0},
    "translate": {},
    "transcribe": {"data.spec_augment": False},
    "caption": {"data.mirrored_images": False},
    "compose": {},
    "frames": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_two_processes_learn_what_one_does(name: str, tmp_path: Path) -> None:
    for folder in ("source", "one", "two"):
        (tmp_path / folder).mkdir()
    work = make_training(name, tmp_path / "source", {**SAME, **KINDS[name]})
    work(tmp_path / "one")
    run_in_two_processes(work, tmp_path / "two")
    one, two = (checkpoint.load(tmp_path / folder / "run") for folder in ("one", "two"))
    assert (len(one.processes), len(two.processes)) == (1, 2)
    for key, tensor in one.model.items():
        torch.testing.assert_close(two.model[key], tensor, rtol=0, atol=1e-5)
    assert read_records(tmp_path / "one" / "run") == read_records(tmp_path / "two" / "run")


def test_of_one_held_out_row_the_second_process_has_none() -> None:
    def rows(rank: int) -> list[list[int]]:
        batching = Batching(4, shard=Shard(rank, 2), training=False)
        source = make_buckets(make_items(1), batching)
        assert len(list(source.spans())) == len(list(source.batches(0)))
        return [list(batch) for batch in numbers(source)]

    assert (rows(0), rows(1)) == ([[0]], [])


def test_one_row_to_learn_from_is_not_enough_for_two_processes() -> None:
    with pytest.raises(DataError, match=r"at least one row for each of 2 processes\. Got 1\."):
        make_buckets(make_items(1), Batching(4, shard=Shard(0, 2)))
