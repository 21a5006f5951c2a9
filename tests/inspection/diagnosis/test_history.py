"""The records of a training are read whatever a stranger wrote into them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqloom.inspection.diagnosis import History
from seqloom.inspection.diagnosis.history import Curve, read_history
from seqloom.runs.run_folder import METRICS

GOOD = '{"split":"train","step":1,"loss_nats_per_token":2.5,"gradient_norms":{"w":1},"clipped_share":0.5}'
HOSTILE = [
    "[" * 100_000,
    "\x00",
    "[]",
    '{"split":"train"}',
    '{"split":"train","step":"one","loss_nats_per_token":1}',
    '{"split":"train","step":1e400,"loss_nats_per_token":1}',
    '{"split":"train","step":2,"loss_nats_per_token":"much","clipped_share":"all"}',
    '{"split":"train","step":2,"loss_nats_per_token":1' + "0" * 400 + "}",
    '{"split":"train","step":2,"gradient_norms":[1]}',
    '{"split":"train","step":2,"gradient_norms":{"w":[1],"v":"1"}}',
]


@pytest.mark.parametrize("line", HOSTILE, ids=lambda line: line[-40:])
def test_a_damaged_record_is_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / METRICS).write_text(f"{GOOD}\n{line}\n")
    assert read_history(tmp_path) == History(Curve((1,), (2.5,)), by_parameter={"w": 1.0}, clipped_share=0.5)


def test_what_is_no_file_has_no_history(tmp_path: Path) -> None:
    assert read_history(tmp_path) == History()
    os.mkfifo(tmp_path / METRICS)
    assert read_history(tmp_path) == History()
