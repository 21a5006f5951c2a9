"""Whatever a disk does, at whatever call: one line, and nothing that was there is lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import seqloom
from seqloom.data.cache import cached_folder
from seqloom.errors import RunError
from seqloom.files import write_atomically
from seqloom.runs import run_folder, weights
from seqloom.runs.lock import RunLock, remove_abandoned
from seqloom.training import checkpoint
from seqloom.training.checkpoint import Checkpoint
from seqloom.training.monitoring.callbacks import MetricsFile
from seqloom.training.monitoring.records import Record
from seqloom.training.state import TrainingState
from seqloom.training.train import train

from .damage import EXAMPLES, time_limit
from .faults import (
    BROKEN,
    FULL,
    HOW,
    KILL,
    STOP,
    count_calls,
    run_beside,
    run_in_two_processes,
    run_with_fault,
)
from .runs import KINDS, SMALL, SmallRun

IS_WHOLE = EXAMPLES >= 1000
"""Every call fails in every way, which takes an hour."""
POINTS = 3
CASES = [*product(KINDS, HOW if IS_WHOLE else ("any",))]


def numbered(step: int) -> Checkpoint:
    """A checkpoint of that step, and weights that say so."""
    model = {"weight": torch.full((3,), float(step))}
    state = TrainingState(step=step)
    return Checkpoint(state, "data", "digest", model, {}, [[torch.get_rng_state()]], {})


def weights_of(step: int) -> nn.Module:
    model = nn.Linear(3, 1, bias=False)
    nn.init.constant_(model.weight, step)
    return model


@cache
def restored(source: Path) -> tuple[Any, str, Any]:
    """The configuration of a run folder, the digest of its data, and its preparation."""
    config, digest = run_folder.read_config(source)
    return config, digest, run_folder.restore_preparation(source, config)


def keep_a_run(source: Path, done: list[str]) -> Callable[[Path], None]:
    """All that a training does to a run folder, without the training; what is done is added to `done`."""
    config, digest, preparation = restored(source)

    def work(folder: Path) -> None:
        run = folder / "run"
        lock = run_folder.create(
            run, config, digest, preparation, lambda new: checkpoint.save(new, numbered(0))
        )
        done.append("checkpoint 0")
        records = None
        try:
            records = MetricsFile(run / run_folder.METRICS)
            for step in (1, 2):
                records.on_record(Record(step, 0, 1.0, "train", "word", {"loss_nats_per_word": 1.0}, "loss"))
                records.written_bytes()
                run_folder.save_model(run, weights_of(step))
                done.append(f"model {step}")
                checkpoint.save(run, numbered(step))
                done.append(f"checkpoint {step}")
            run_folder.save_preparation(run, preparation)
            run_folder.reopen(run, config, digest)
            write_atomically(run / run_folder.CARD, "card")
            done.append("card")
        finally:
            if records is not None:
                records.close()
            lock.release()

    return work


class Diary(list[str]):
    """Lines that outlive the process which adds them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.read_text().splitlines() if path.exists() else ())
        self._path = path

    def append(self, line: str) -> None:
        super().append(line)
        with self._path.open("a") as file:
            file.write(f"{line}\n")


def last(done: list[str], name: str) -> int:
    """The last step of which something was kept; -1: none."""
    return max((int(line.split()[1]) for line in done if line.startswith(name)), default=-1)


def check_run(folder: Path, done: list[str]) -> None:
    """A run folder is not there, or has all that was done, whole."""
    run = folder / "run"
    if not run.exists():
        assert not done
        assert all(path.name.startswith(".run.") for path in folder.iterdir())
        for path in folder.iterdir():
            if not (path / "resume" / "lock").exists():
                os.utime(path, (0, 0))
        remove_abandoned(run)
        assert not list(folder.iterdir())
        return
    RunLock(run).release()
    assert not [path for path in run.rglob("*") if "partial" in path.name]
    config, _ = run_folder.read_config(run)
    run_folder.restore_preparation(run, config)
    step = checkpoint.load(run).state.step
    assert step in (last(done, "checkpoint"), last(done, "checkpoint") + 1)
    assert checkpoint.load(run).model["weight"].tolist() == [step] * 3
    kept = last(done, "model")
    if kept > 0 or (run / run_folder.MODEL).exists():
        model = weights_of(9)
        run_folder.load_model(run, model)
        assert model.weight.tolist()[0] in ([kept] * 3, [max(kept, 0) + 1] * 3)
    if (run / run_folder.CARD).exists():
        assert (run / run_folder.CARD).read_text() == "card"


@pytest.mark.parametrize("how", HOW)
def test_every_call_that_keeps_a_run_may_fail(
    runs: Callable[[str], SmallRun], tmp_path: Path, how: str
) -> None:
    source = runs("generate").folder
    (tmp_path / "whole").mkdir()
    calls = count_calls(keep_a_run(source, []), tmp_path / "whole")
    assert len(calls) > 110
    step = 3 if how in (FULL, BROKEN) and not IS_WHOLE else 1
    for number, call in list(enumerate(calls))[::step]:
        folder, done = tmp_path / str(number), Diary(tmp_path / f"{number}.diary")
        folder.mkdir()
        error = run_with_fault(keep_a_run(source, done), folder, number, how)
        done = Diary(tmp_path / f"{number}.diary")  # of a process that was killed, too
        try:
            assert error is None or isinstance(error, RunError), error
            assert error is None or str(error).isprintable()
            assert how == KILL or error is not None or call.startswith("link"), "it went on"
            check_run(folder, done)
        except BaseException as failure:
            failure.add_note(f"{how} at call {number}, {call}, after {done[-1:]}")
            raise


@pytest.mark.parametrize("how", HOW)
def test_every_call_that_fills_the_cache_may_fail(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(folder: Path) -> Path:
        monkeypatch.setenv("SEQLOOM_CACHE", str(folder / "cache"))
        return cached_folder("kind", "key", lambda inner: (inner / "values").write_bytes(bytes(100)))

    (tmp_path / "whole").mkdir()
    for number, call in enumerate(count_calls(fill, tmp_path / "whole")):
        folder = tmp_path / str(number)
        folder.mkdir()
        error = run_with_fault(fill, folder, number, how)
        assert error is None or isinstance(error, RunError), call
        assert how == KILL or error is not None, call
        assert (fill(folder) / "values").read_bytes() == bytes(100), call


def make_training(name: str, folder: Path, more: Mapping[str, Any] | None = None) -> Callable[[Path], None]:
    """A training of a kind, of three steps; one of them writes all that a training can write."""
    from seqloom.inspection.report.writing import write_report

    kind = KINDS[name]
    path, _ = kind.write(folder)
    settings: dict[str, Any] = {
        f"{part}.{key}": value for part, keys in kind.settings.items() for key, value in keys.items()
    }
    settings |= {f"model.{key}": value for key, value in SMALL.items()}
    settings |= {"training.max_steps": 3, "training.validate_every": 2, "training.checkpoint_every": 2}
    settings |= {"training.batch_size": 2, "training.window": 8, "training.averaging": 0.9}
    settings |= {"training.log_every": 1, "training.tensorboard": name == "generate", **(more or {})}

    def work(folder: Path) -> None:
        run = folder / "run"
        is_begun = (run / "config.json").exists()
        given = {} if is_begun else {"settings": settings, "task": kind.task}
        train(path, out=run, resume=is_begun, at_end=write_report if name == "generate" else None, **given)

    return work


def some_points(name: str, count: int) -> Iterator[tuple[int, str]]:
    """A few calls, each with a way to fail, others for every kind of training."""
    place = list(KINDS).index(name)
    for number in range(POINTS):
        how = HOW[(number + POINTS * place) % len(HOW)]
        yield int(count * (number + place / len(KINDS)) / POINTS), how


def read_records(run: Path) -> list[tuple[int, str]]:
    """Step and split of all lines of a run's records, which must be whole."""
    lines = [json.loads(line) for line in (run / run_folder.METRICS).read_text().splitlines()]
    return [(line["step"], line["split"]) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "how"), CASES)
def test_a_training_goes_on_after_any_call_that_failed(name: str, how: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "whole").mkdir()
    work = make_training(name, tmp_path / "source")
    calls = count_calls(work, tmp_path / "whole")
    expected = checkpoint.load(tmp_path / "whole" / "run").model
    records = read_records(tmp_path / "whole" / "run")
    points = [(number, how) for number in range(len(calls))] if IS_WHOLE else some_points(name, len(calls))
    for number, way in points:
        folder = tmp_path / str(number)
        folder.mkdir()
        error = run_with_fault(work, folder, number, way)
        try:
            assert error is None or isinstance(error, RunError), error
            assert error is None or str(error).isprintable()
            has_page = (folder / "run" / run_folder.REPORT).exists() or name != "generate"
            if not (has_page and (folder / "run" / run_folder.CARD).exists()):
                with time_limit(60):
                    work(folder)
            model = checkpoint.load(folder / "run").model
            assert all(torch.equal(model[key], tensor) for key, tensor in expected.items())
            seqloom.load(folder / "run")
            assert read_records(folder / "run") == records
            assert (folder / "run" / run_folder.REPORT).exists() == (name == "generate")
        except BaseException as failure:
            failure.add_note(f"{way} at call {number}, {calls[number]}")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS if IS_WHOLE else ["generate"])
def test_two_processes_go_on_after_any_call_at_which_they_were_killed(name: str, tmp_path: Path) -> None:
    """A checkpoint of two, with averaged weights, a rate that validations lower, and rounding to bfloat16."""
    (tmp_path / "source").mkdir()
    (tmp_path / "whole").mkdir()
    (tmp_path / "counted").mkdir()
    more = {"training.schedule": "plateau", "training.precision": "bfloat16", "training.tensorboard": False}
    work = make_training(name, tmp_path / "source", more)
    run_in_two_processes(work, tmp_path / "whole")
    expected = checkpoint.load(tmp_path / "whole" / "run")
    assert len(expected.processes) == 2
    assert expected.average
    calls = len(count_calls(work, tmp_path / "counted"))
    for number in range(0, calls, 1 if IS_WHOLE else calls // POINTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            run_in_two_processes(work, folder, number)
            if not (folder / "run" / run_folder.CARD).exists():
                run_in_two_processes(work, folder)
            resumed = checkpoint.load(folder / "run")
            for part in ("model", "average"):
                tensors = getattr(resumed, part)
                assert all(torch.equal(tensors[key], value) for key, value in getattr(expected, part).items())
            assert read_records(folder / "run") == read_records(tmp_path / "whole" / "run")
        except BaseException as failure:
            failure.add_note(f"killed at call {number} of {calls}")
            raise


def test_a_second_trainer_is_refused_and_goes_on_when_the_first_is_killed(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "whole").mkdir()
    (tmp_path / "two").mkdir()
    work = make_training("tag", tmp_path / "source")
    calls = count_calls(work, tmp_path / "whole")
    half_a_checkpoint = max(
        number for number, call in enumerate(calls) if call == "write checkpoint.safetensors"
    )
    first = run_beside(work, tmp_path / "two", half_a_checkpoint, STOP)
    _, status = os.waitpid(first, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    try:
        with pytest.raises(RunError, match=rf"is being trained by another process\. Got process {first} "):
            work(tmp_path / "two")
    finally:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
    work(tmp_path / "two")
    assert read_records(tmp_path / "two" / "run") == read_records(tmp_path / "whole" / "run")
    for file in (run_folder.MODEL, checkpoint.FILE):
        tensors, expected = (weights.read(tmp_path / name / "run" / file)[0] for name in ("two", "whole"))
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensors[key], tensor) for key, tensor in expected.items())
