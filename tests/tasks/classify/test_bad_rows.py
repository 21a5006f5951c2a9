"""Bad rows of a classifier: skipped with a message, or an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.errors import DataError, RunError
from seqloom.tasks.classify.config import DataConfig

from .rows import REVIEWS, TASK, objects, prepared, skipped, table


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((" ", "good"), r"train.tsv, line 2: `text` must be a text\. Got nothing\."),
        (("a film", ""), r"train.tsv, line 2: `label` must be a label\. Got nothing\."),
    ],
)
def test_a_bad_row_is_skipped_with_a_message(tmp_path: Path, row: tuple[str, str], message: str) -> None:
    data = read(table(tmp_path / "d", train=[row, *REVIEWS], validation=REVIEWS))
    preparation = prepared(data)
    source = preparation.source(data, "train", Batching(8))
    assert sum(len(batch.targets) for batch in source.batches(0)) == 4
    (skipped_row,) = source.skipped
    assert re.search(message, skipped_row)
    strict = read(table(tmp_path / "d", train=[row, *REVIEWS], validation=REVIEWS), strict=True)
    with pytest.raises(DataError, match=message):
        prepared(strict)


def test_a_label_unseen_in_training_is_skipped_with_a_message(tmp_path: Path) -> None:
    data = read(table(tmp_path / "d", train=REVIEWS, validation=[*REVIEWS, ("odd", "strange")]))
    preparation = prepared(data)
    (line,) = skipped(preparation, data, "validation")
    assert line.endswith(
        "validation.tsv, line 6: expected a label of the training rows: bad, good. Got strange."
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, float("nan"), 2], "`values` must be finite numbers. Got nan at step 2."),
        ([1, 1e39], "`values` must be finite numbers. Got 1e+39 at step 2."),
        ([[1, 2], [3, 4]], "`values` must have 1 at each step, as in training. Got 2."),
        (
            [[1, 2], [3]],
            "`values` must be a list of numbers, or of lists of as many numbers each. Got [[1, 2], [3]].",
        ),
        ([], "or of lists of as many numbers each. Got []."),
        (None, "or of lists of as many numbers each. Got nothing."),
        ("up and down", "or of lists of as many numbers each. Got 'up and down'."),
        ([[[1]]], "or of lists of as many numbers each. Got [[[1]]]."),
    ],
)
def test_a_bad_series_is_skipped_with_a_message(tmp_path: Path, values: Any, message: str) -> None:
    good = [{"values": [1, 2, 3], "label": "x"}, {"values": [3, 2], "label": "y"}]
    data = read(
        objects(tmp_path / "d", train=[*good, *good, {"values": values, "label": "x"}], validation=good)
    )
    preparation = prepared(data)
    (line,) = skipped(preparation, data, "train")
    assert "train.jsonl, line 5: `values` must " in line
    assert line.endswith(message)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "`labels` must be labels, a list or a text with | between. Got nothing."),
        ([["a"]], "`labels` must be labels, a list or a text with | between. Got [['a']]."),
        ({"a": 1}, "`labels` must be labels, a list or a text with | between. Got {'a': 1}."),
    ],
)
def test_bad_labels_are_skipped_with_a_message(tmp_path: Path, labels: Any, message: str) -> None:
    good = [{"text": "x", "labels": ["a"]}, {"text": "y", "labels": ["b"]}]
    data = read(objects(tmp_path / "d", train=[*good, {"text": "z", "labels": labels}], validation=good))
    (line,) = skipped(prepared(data), data, "train")
    assert line.endswith(message)


def test_data_that_cannot_be_used(tmp_path: Path, reviews: Records) -> None:
    rows = [("a", "same"), ("b", "same")]
    with pytest.raises(DataError, match=r"expected at least two labels to tell apart\. Got same\."):
        prepared(read(table(tmp_path / "one", train=rows, validation=rows)))
    with pytest.raises(DataError, match=r"expected columns file, label\. Got text, label\."):
        prepared(reviews, input="audio")
    with pytest.raises(DataError, match=r"expected columns text, label\. Got color, label\."):
        prepared(read(objects(tmp_path / "no", train=[{"color": "a", "label": "b"}] * 3)))
    with pytest.raises(DataError, match=r"classify: `text` must be a text\. Got 5\."):
        prepared(reviews).encode(5)
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match=r"labels\.json: expected a file of the run\. Got No such file"):
        TASK.restore(tmp_path / "run", DataConfig())
