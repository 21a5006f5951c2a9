"""A training that was stopped, however, ends with the very weights of one that was not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import seqloom
from seqloom.errors import ConfigError, DataError, RunError
from seqloom.runs.lock import RunLock
from seqloom.training import checkpoint
from seqloom.training.trainer import Trainer

from .conftest import SMALL, write_small_text

LONG = (*SMALL, "training.max_steps=60", "training.checkpoint_every=7", "training.validate_every=20")
STOCHASTIC = ("model.dropout=0.3", "model.weight_dropout=0.2", "model.recurrent_dropout=0.2")
NGRAMS = ("model.ngram_context=3", "model.ngram_buckets=256")
VARIANTS = {
    "rnn": ("model.cell_type=rnn",),
    "lstm": ("model.cell_type=lstm",),
    "gru": ("model.cell_type=gru", *NGRAMS),
}


def current_weights(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder).model


def steps_of(folder: Path, split: str) -> list[int]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [record["step"] for line in lines if (record := json.loads(line))["split"] == split]


def losses_of(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss_nats_per_character"] for line in lines]


def assert_same_run(whole: Path, resumed: Path) -> None:
    for name, tensor in current_weights(whole).items():
        assert torch.equal(tensor, current_weights(resumed)[name]), name
    for name, tensor in load_file(whole / "model.safetensors").items():
        assert torch.equal(tensor, load_file(resumed / "model.safetensors")[name]), name
    assert losses_of(whole) == losses_of(resumed)


@pytest.fixture(scope="module")
def uninterrupted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and `whole`, the run folder of a training with each kind of dropout."""
    folder = tmp_path_factory.mktemp(request.param)
    settings = [*LONG, *STOCHASTIC, *VARIANTS[request.param]]
    seqloom.train(write_small_text(folder), settings=settings, out=folder / "whole")
    return folder


# Which step it is has nothing to do with the cell.
CRASHES = [*(("gru", step) for step in (1, 6, 7, 33)), ("rnn", 33), ("lstm", 33)]


@pytest.mark.parametrize(("uninterrupted", "stop_after"), CRASHES, indirect=["uninterrupted"], scope="module")
def test_a_crash_at_any_step_changes_nothing(
    uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int
) -> None:
    step, cell_type = Trainer._step, uninterrupted.name.rstrip("0123456789")

    def crash(self: Trainer, batch: object) -> None:
        if self.state.step == stop_after:
            raise OSError("the machine is gone")
        step(self, batch)  # type: ignore[arg-type]

    settings = [*LONG, *STOCHASTIC, *VARIANTS[cell_type]]
    stopped = tmp_path / "stopped"
    monkeypatch.setattr(Trainer, "_step", crash)
    with pytest.raises(OSError, match="the machine is gone"):
        seqloom.train(uninterrupted / "text.txt", settings=settings, out=stopped)
    monkeypatch.setattr(Trainer, "_step", step)
    seqloom.train(out=stopped, resume=True)
    assert_same_run(uninterrupted / "whole", stopped)
    assert steps_of(stopped, "validation") == [20, 40, 60]
    assert steps_of(stopped, "train") == list(range(5, 61, 5))


def start_and_signal(text: Path, folder: Path, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Train in another process and send it `number` in the middle of an epoch, between two checkpoints."""
    settings = [word for setting in SIGNALLED for word in ("--set", setting)]
    command = [sys.executable, "-m", "seqloom.cli", "train", str(text), "--out", str(folder), *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 60
    metrics = folder / "metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("\n") < 6:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, errors)


SIGNALLED = (*SMALL, *STOCHASTIC, "training.max_steps=150", "training.checkpoint_every=7")


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    seqloom.train(write_small_text(folder), settings=SIGNALLED, out=folder / "run")
    return folder


@pytest.mark.slow  # each imports torch in a process of its own
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment_changes_nothing(
    whole_run: Path, tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "stopped"
    stopped = start_and_signal(whole_run / "text.txt", folder, number)
    reached = checkpoint.load(folder).state.step
    assert 0 < reached < 150
    if number == signal.SIGKILL:
        assert stopped.returncode == -signal.SIGKILL
        assert reached % 7 == 0
    else:
        assert stopped.returncode == 130, stopped.stderr
        assert f"saved; go on with: seqloom train --out {folder} --resume" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        assert reached >= steps_of(folder, "train")[-1]
    seqloom.train(out=folder, resume=True)
    assert_same_run(whole_run / "run", folder)


def test_a_training_that_is_over_goes_on_when_its_limit_is_raised(small_text: Path, tmp_path: Path) -> None:
    settings = [*SMALL, "training.schedule=constant", "training.warmup_steps=0"]
    seqloom.train(small_text, settings=[*settings, "training.max_steps=30"], out=tmp_path / "long")
    seqloom.train(small_text, settings=[*settings, "training.max_steps=17"], out=tmp_path / "short")
    with pytest.raises(
        RunError, match=r"expected a training that is not over\. Got .*max_steps=17\. Raise the limit"
    ):
        seqloom.train(out=tmp_path / "short", resume=True)
    seqloom.train(out=tmp_path / "short", resume=True, settings=["training.max_steps=30"])
    for name, tensor in current_weights(tmp_path / "long").items():
        assert torch.equal(tensor, current_weights(tmp_path / "short")[name]), name


PLATEAU = ("training.schedule=plateau", "training.optimizer=sgd", "training.learning_rate=4.0")
OFTEN = (
    "training.validate_every=5",
    "training.patience=4",
    "training.checkpoint_every=5",
    "training.max_steps=50",
)


@pytest.fixture(scope="module")
def validated_often(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and `whole`, a training whose validations lower the rate and end it."""
    folder = tmp_path_factory.mktemp("validated")
    settings = [*SMALL, *PLATEAU, *OFTEN, "training.log_every=1"]
    seqloom.train(write_small_text(folder), settings=settings, out=folder / "whole")
    return folder


@pytest.mark.parametrize("stop_after", [5, 20, 37])
@pytest.mark.parametrize("by", ["crash", "interrupt"])
def test_validations_count_the_same_whenever_a_training_stops(
    validated_often: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_after: int, by: str
) -> None:
    settings = [*SMALL, *PLATEAU, *OFTEN, "training.log_every=1"]
    small_text = validated_often / "text.txt"
    step = Trainer._step

    def stop(self: Trainer, batch: object) -> None:
        if by == "crash" and self.state.step == stop_after:
            raise OSError("the machine is gone")
        step(self, batch)  # type: ignore[arg-type]
        if by == "interrupt" and self.state.step == stop_after:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "_step", stop)
    with pytest.raises((OSError, KeyboardInterrupt)):
        seqloom.train(small_text, settings=settings, out=tmp_path / "stopped")
    monkeypatch.setattr(Trainer, "_step", step)
    seqloom.train(out=tmp_path / "stopped", resume=True)
    assert_same_run(validated_often / "whole", tmp_path / "stopped")
    assert steps_of(validated_often / "whole", "validation") == steps_of(tmp_path / "stopped", "validation")


@pytest.mark.parametrize(
    "place", ["seqloom.training.trainer.Trainer._validate", "seqloom.training.train.write_card"]
)
def test_resume_finishes_a_training_that_failed_after_its_last_step(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    settings = [*SMALL, "training.max_steps=14", "training.checkpoint_every=7"]
    seqloom.train(small_text, settings=settings, out=tmp_path / "whole")
    with monkeypatch.context() as broken:
        broken.setattr(place, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            seqloom.train(small_text, settings=settings, out=tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "README.md").exists()
    seqloom.train(out=tmp_path / "stopped", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "stopped")
    assert (tmp_path / "stopped" / "README.md").exists()


def test_settings_changed_by_resume_are_saved(small_text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    seqloom.train(small_text, settings=[*SMALL, "training.max_steps=5"], out=folder)
    seqloom.train(out=folder, resume=True, settings=["training.max_steps=9", "training.learning_rate=0.001"])
    training = json.loads((folder / "config.json").read_text())["training"]
    assert (training["max_steps"], training["learning_rate"]) == (9, 0.001)
    with pytest.raises(RunError, match=r"stopped at training\.max_steps=9"):
        seqloom.train(out=folder, resume=True, settings=["training.tensorboard=true"])


def test_data_that_has_moved_can_be_named_again(finished_run: Path, tmp_path: Path) -> None:
    moved = (tmp_path / "text.txt").rename(tmp_path / "moved.txt")
    with pytest.raises(
        DataError, match=r"text\.txt: expected the data .*seqloom train NEW --out .* --resume"
    ):
        seqloom.train(out=finished_run, resume=True, settings=["training.max_steps=9"])
    seqloom.train(moved, out=finished_run, resume=True, settings=["training.max_steps=9"])
    assert checkpoint.load(finished_run).state.step == 9


@pytest.fixture
def finished_run(small_text: Path, tmp_path: Path) -> Path:
    seqloom.train(small_text, settings=[*SMALL, "training.max_steps=5"], out=tmp_path / "run")
    return tmp_path / "run"


def test_other_data_is_refused(finished_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("the quick brown dog jumps over the lazy fox, and then it sleeps.\n" * 40)
    with pytest.raises(
        RunError, match=r"the training data must be what it was \(.*text\.txt\)\. Got other data"
    ):
        seqloom.train(other, out=finished_run, resume=True, settings=["training.max_steps=9"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out": None}, r"--resume: expected --out RUN"),
        (
            {"settings": ["training.batch_size=8"]},
            r"--resume: only these may change: .* Got training\.batch_size=8\.",
        ),
        ({"settings": ["model.hidden_size=8"]}, r"--resume: only these may change"),
        ({"settings": ["training.max_step=8"]}, r"unknown key `training\.max_step`\. Did you mean"),
        ({"task": "classify"}, r"--resume: the task must be generate, as before\. Got classify\."),
    ],
)
def test_resume_refuses_other_settings(
    finished_run: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        seqloom.train(**{"out": finished_run, "resume": True, **arguments})  # type: ignore[arg-type]


def test_the_same_command_with_resume_goes_on(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that are named again, in a file or not, are no change; nor must the run folder be named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("task: generate\nmodel: {hidden_size: 16}\n")
    settings = [*SMALL, "training.max_steps=5", "training.seed=3", "training.precision=auto"]
    command = {"data": small_text, "config": "c.yaml", "task": "generate"}
    seqloom.train(**command, settings=settings)  # type: ignore[arg-type]
    settings[settings.index("training.max_steps=5")] = "training.max_steps=9"
    lines: list[str] = []
    run = seqloom.train(**command, settings=settings, resume=True, log=lines.append)  # type: ignore[arg-type]
    assert run.folder == Path("runs") / small_text.stem
    assert f"resuming {run.folder} from step 5" in lines
    assert checkpoint.load(run.folder).state.step == 9
    with pytest.raises(ConfigError, match=r"expected --out RUN, .* there is no run named after other\.txt"):
        seqloom.train("other.txt", resume=True)


def test_a_run_that_is_being_trained_is_not_resumed(finished_run: Path) -> None:
    lock = RunLock(finished_run)
    with pytest.raises(RunError, match=f"is being trained by another process. Got process {os.getpid()} on"):
        seqloom.train(out=finished_run, resume=True, settings=["training.max_steps=9"])
    lock.release()
    seqloom.train(out=finished_run, resume=True, settings=["training.max_steps=9"])


@pytest.mark.parametrize("uninterrupted", ["gru"], indirect=True, scope="module")
def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(uninterrupted: Path, tmp_path: Path) -> None:
    """The training goes on from there, to the same weights."""
    folder = Path(shutil.copytree(uninterrupted / "whole", tmp_path / "run"))
    file = folder / checkpoint.FILE
    content = bytearray(file.read_bytes())
    content[-5] ^= 8
    file.write_bytes(content)
    (folder / "README.md").unlink()
    lines: list[str] = []
    seqloom.train(out=folder, resume=True, log=lines.append)
    damage = f"{file}: must be as it was written. Got other content. The file was damaged on its way"
    (line,) = [line for line in lines if line.startswith(damage)]
    assert line.endswith(" Going on from the checkpoint before it.")
    assert f"resuming {folder} from step 56" in lines
    assert_same_run(uninterrupted / "whole", folder)


def test_a_checkpoint_is_written_after_some_minutes_too(
    small_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save = checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda folder, new: (saved.append(new.state.step), save(folder, new))
    )
    settings = [*SMALL, "training.max_steps=4", "training.checkpoint_minutes=1e-9"]
    seqloom.train(small_text, settings=settings, out=tmp_path / "run")
    assert saved[:5] == [0, 1, 2, 3, 4]


def test_a_damaged_checkpoint_is_refused_and_nothing_written(finished_run: Path) -> None:
    for name in ("checkpoint.safetensors", "previous.safetensors"):
        file = finished_run / "resume" / name
        file.write_bytes(file.read_bytes()[:1000])
    before = {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: expected a safetensors file"):
        seqloom.train(out=finished_run, resume=True, settings=["training.max_steps=9"])
    assert {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()} == before
