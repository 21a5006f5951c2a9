"""Files of a run folder that a stranger wrote or a disk damaged: an answer or one line, in little memory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from seqloom.inspection.diagnosis.history import read_history
from seqloom.runs.checksums import sign
from seqloom.runs.model_card import read_verdict
from seqloom.runs.run_folder import training_seconds

from .damage import DEEP, EXAMPLES, answer, attacks, changed, forget_checksums, json_files, time_limit
from .runs import SmallRun

OPTIONAL = ("input.json", "subwords.json", "vectors.json")
"""Files that a run may lack"""


def check(run: SmallRun, name: str) -> str:
    """What a changed run answers; a problem is named after the change."""
    try:
        return answer(run)
    except BaseException as error:
        error.add_note(f"after {name}")
        raise


@pytest.mark.usefixtures("little_memory")
def test_any_value_at_any_place(small_run: SmallRun, tmp_path: Path) -> None:
    copy = small_run.copy(tmp_path / "run")
    forget_checksums(copy.folder)
    expected = answer(copy)
    assert not expected.startswith("error: ")
    for file, content, name in attacks(copy, EXAMPLES or 4):
        before = file.read_text()
        file.write_text(content)
        check(copy, name)
        file.write_text(before)
    assert answer(copy) == expected


@pytest.mark.usefixtures("little_memory")
def test_a_file_that_is_none(small_run: SmallRun, tmp_path: Path) -> None:
    copy = small_run.copy(tmp_path / "run")
    forget_checksums(copy.folder)
    for file in json_files(copy.folder):
        before = file.read_bytes()
        for content in (b"\xff\xfe", b"null", DEEP.encode()):
            file.write_bytes(content)
            assert check(copy, f"{content[:9]!r} in {file.name}").startswith("error: "), file.name
        file.unlink()
        assert file.name in OPTIONAL or check(copy, file.name).startswith("error: ")
        os.mkfifo(file)
        assert check(copy, f"a pipe at {file.name}").startswith("error: ")
        file.unlink()
        file.write_bytes(before)


@pytest.mark.parametrize(
    ("kind", "file", "place", "value", "message"),
    [
        ("audio", "features.json", ("options", "frame_shift_ms"), 0, "options.frame_shift_ms: "),
        ("audio", "features.json", ("options", "frame_shift_ms"), 1e-9, "must be at least one sample"),
        ("audio", "features.json", ("options", "num_mels"), 10**9, "options.num_mels: "),
        ("audio", "features.json", ("options", "stacked_frames"), 10**9, "options.stacked_frames: "),
        ("audio", "features.json", ("options", "sample_rate_hz"), 10**9, "options.sample_rate_hz: "),
        ("generate", "tokenizer.json", ("padding",), {"pad_id": 0}, "settings that no vocabulary"),
        ("generate", "tokenizer.json", ("pre_tokenizer", "pattern", "Regex"), "(a|a)*$", "settings that no"),
        ("generate", "tokenizer.json", ("model", "vocab", " "), 10**9, "numbers of"),
        ("translate", "tokens.json", ("source", 0), 10**9, "expected tokens of source-tokenizer.json"),
        ("classify", "labels.json", ("names", 0), "good", "the same value twice"),
        ("series", "normalizer.json", ("overall", 1, 0), 0.0, "a deviation that is not above 0"),
        ("video", "clips.json", ("options", "height"), 10**5, "options.height: "),
        ("caption", "pictures.json", ("preprocessing", "size", 0), 10**9, "preprocessing.size.0: "),
        ("compose", "events.json", ("max_bar_tokens",), 10**9, "max_bar_tokens: "),
        ("compose", "tokenizer.json", ("config", "num_velocities"), 10**9, "not as this package makes them"),
        ("frames", "frames.json", ("stop_key",), 0, "stop_key: "),
        ("forecast", "series.json", ("horizon",), 10**9, "horizon: "),
        ("transcribe", "transcripts.json", ("no",), 10**12, "transcripts of more than"),
        ("tag", "words.json", ("words", "Anna", "B-PER"), -1, "words.Anna.B-PER: "),
    ],
)
def test_known_attacks_say_what_is_wrong(
    runs: Any, tmp_path: Path, kind: str, file: str, place: tuple[Any, ...], value: Any, message: str
) -> None:
    copy = runs(kind).copy(tmp_path / "run")
    forget_checksums(copy.folder)
    path = copy.folder / file
    path.write_text(json.dumps(changed(json.loads(path.read_text()), place, value)))
    result = answer(copy)
    assert result.startswith(f"error: {path}: expected ")
    assert message in result


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "..", "", "a/b"])
def test_checksums_of_files_that_there_cannot_be(runs: Any, tmp_path: Path, name: str) -> None:
    copy = runs("classify").copy(tmp_path / "run")
    path = copy.folder / "config.json"
    content = json.loads(path.read_text())
    del content["checksums"]
    path.write_text(json.dumps(sign(content, {name: ["0"]})))
    assert answer(copy).startswith(f"error: {copy.folder}")


@pytest.mark.parametrize(
    "record",
    [
        '{"split": "train", "step": "x", "loss_nats_per_row": 1}',
        '{"split": "train", "step": 1e400, "loss_nats_per_row": 1}',
        '{"split": "train", "step": 1, "gradient_norms": [1]}',
        '{"split": "train", "step": 1, "gradient_norms": {"a": "x"}}',
        '{"split": "train", "step": 1, "clipped_share": "x"}',
        f'{{"split": "train", "step": 1, "gradient_norm": {"9" * 400}}}',
        DEEP,
    ],
)
def test_damaged_records_are_passed_over(tmp_path: Path, record: str) -> None:
    good = '{"split": "train", "step": 2, "loss_nats_per_row": 0.5, "clipped_share": 0.25}'
    (tmp_path / "metrics.jsonl").write_text(f"{record}\n{good}\n")
    history = read_history(tmp_path)
    assert history.train == ((2,), (0.5,))
    assert (history.norms, dict(history.by_parameter), history.clipped_share) == (((), ()), {}, 0.25)
    assert training_seconds(tmp_path) is None


def test_pipes_for_records_and_card_are_as_if_there_were_none(tmp_path: Path) -> None:
    for name in ("metrics.jsonl", "README.md"):
        os.mkfifo(tmp_path / name)
    with time_limit(5):
        assert read_history(tmp_path) == read_history(tmp_path / "none")
        assert (read_verdict(tmp_path), training_seconds(tmp_path)) == (None, None)
