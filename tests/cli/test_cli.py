"""The command line as a person uses it: right, wrong, through a pipe."""

from __future__ import annotations

import dataclasses
import inspect
import json
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Context
from typer.main import get_command

from seqloom.cli import VERBS, Verbs, app, generate
from seqloom.data.text.python_help import python_help, python_help_file
from seqloom.decoding import DecodingOptions
from seqloom.tasks import task_named
from seqloom.training import checkpoint

from .conftest import seqloom, settings_options

TEXT = "the quick brown fox jumps over the lazy dog, and then it sleeps.\n" * 40
SETTINGS = ("model.hidden_size=16", "model.num_layers=1", "training.batch_size=4", "training.window=16")
FAST = settings_options(*SETTINGS, "training.max_steps=5")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a trained run."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "text.txt").write_text(TEXT)
    done = seqloom("train", "text.txt", "--out", "run", *FAST, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_training_logs_what_it_inferred_and_reports_beside_a_baseline(place: Path) -> None:
    done = seqloom("train", "text.txt", *FAST, cwd=place)
    assert "task: generate (one-to-many), because the data is plain text" in done.stderr
    assert "kernel: " in done.stderr
    assert "run folder: runs/text" in done.stderr
    assert "loss_nats_per_character" in done.stdout
    assert "6-gram" in done.stdout
    assert "The model is not better than the baseline" in done.stdout
    assert seqloom("train", "text.txt", *FAST, cwd=place).returncode == 0
    assert (place / "runs" / "text-2" / "model.safetensors").exists()


def test_json_is_alone_on_standard_output(place: Path) -> None:
    trained = json.loads(seqloom("train", "text.txt", "--json", "--seed", 3, *FAST, cwd=place).stdout)
    assert json.loads((place / trained["run"] / "config.json").read_text())["training"]["seed"] == 3
    evaluated = json.loads(seqloom("evaluate", trained["run"], "text.txt", "--json", cwd=place).stdout)
    assert {"task", "data", "metrics", "baseline", "interval"} <= set(evaluated)
    assert evaluated["metrics"] == trained["metrics"]
    generated = json.loads(seqloom("generate", "run", "--prompt", "the", "--json", cwd=place).stdout)
    assert len(generated["texts"]) == 1


def test_a_prompt_comes_from_an_option_or_a_pipe(place: Path) -> None:
    options = ("--max-new-tokens", 20, "--seed", 5)
    by_option = seqloom("generate", "run", "--prompt", "the fox", *options, cwd=place)
    by_pipe = seqloom("generate", "run", *options, cwd=place, stdin="the fox\n")
    assert by_option.returncode == 0, by_option.stderr
    assert by_option.stdout == by_pipe.stdout
    assert by_option.stdout.startswith("the fox")


def test_sequences_of_a_batch_differ(place: Path) -> None:
    options = ("--prompt", "the", "--num-sequences", 3, "--max-new-tokens", 30, "--json")
    texts = json.loads(seqloom("generate", "run", *options, cwd=place).stdout)["texts"]
    assert len(set(texts)) == 3


def test_generation_options_default_to_the_run_whose_defaults_are_those_of_decoding_options() -> None:
    command = inspect.signature(generate.command).parameters
    defaults = {field.name: field.default for field in dataclasses.fields(DecodingOptions)}
    saved = task_named("generate").DecodingConfig().model_dump()
    assert saved == {name: defaults[name] for name in saved}
    assert {command[name].default for name in saved} == {None}


def test_generation_starts_from_the_decoding_options_of_the_run(place: Path) -> None:
    config = json.loads((place / "run" / "config.json").read_text())
    del config["checksums"]
    short = config | {"decoding": config["decoding"] | {"max_new_tokens": 4, "seed": 7}}
    shutil.copytree(place / "run", place / "short")
    (place / "short" / "config.json").write_text(json.dumps(short))
    answer = json.loads(seqloom("generate", "short", "--prompt", "the", "--json", cwd=place).stdout)
    assert (len(answer["texts"][0]), answer["seed"]) == (4, 7)
    longer = ("--max-new-tokens", 9, "--json")
    assert len(json.loads(seqloom("generate", "short", *longer, cwd=place).stdout)["texts"][0]) == 9


def test_a_closed_pipe_ends_generation_quietly(place: Path) -> None:
    command = f"{sys.executable} -m seqloom.cli generate run --max-new-tokens 3000 --prompt the | head -c 10"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=place, check=False)
    assert done.stdout.startswith("the")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "train nowhere.txt",
            "of piano rolls (.mat, .npz, .json). Got no such file or folder.",
        ),
        ("train empty.txt", "empty.txt: expected a text. Got an empty file."),
        ("train latin.txt", "latin.txt, byte 8: the text must be UTF-8. Got byte 0xfc (invalid start byte)."),
        ("train short.txt", "the training text: must have at least 16 x 64 + 1 = 1,025 tokens"),
        ("train bare", "bare: expected at least one .txt file in this folder. Got none."),
        ("train", "train: expected DATA, a file or folder to learn from. Got none."),
        ("train text.txt --task genrate", "task: unknown task `genrate`. Did you mean `generate`?"),
        ("train text.txt --set training.batchsize=3", "Did you mean `training.batch_size`?"),
        (
            "train text.txt --set training.batch_size=x",
            'training.batch_size: input should be a valid integer. Got "x".',
        ),
        ("train text.txt --set training.batch_size", "--set: expected part.key=value"),
        ("train text.txt --config no.yaml", "no.yaml: expected a YAML file. Got No such file or directory."),
        (
            "train text.txt --out run",
            "run: expected a new folder. Got one that holds a run. Go on with it by --resume",
        ),
        ("train text.txt --out bare", "bare: expected a new folder. Got one that holds something else."),
        ("train text.txt --out text.txt/run", "text.txt/run: must be in a folder. Got "),
        ("train --resume", "--resume: expected --out RUN"),
        ("train --resume --out nowhere", "nowhere: expected a run folder. Got no such folder."),
        ("train --resume --out run", "run: expected a training that is not over. Got one that stopped at"),
        ("evaluate run nowhere.txt", "nowhere.txt: expected a .txt, .csv, .tsv,"),
        (
            "evaluate bare text.txt",
            "config.json: expected the config.json of a run folder. Got no config.json.",
        ),
        (
            "evaluate run text.txt --split tset",
            "text.txt: expected a split named tset. Got train, validation.",
        ),
        ("trian text.txt", "unknown verb `trian`. Did you mean `train`?"),
        ("generate run --prompt a --temperature -1", "temperature must be >= 0. Got -1"),
        ("generate nowhere --prompt a", "nowhere: expected a run folder. Got no such folder."),
        ("generate run --prompt M\udcfcller", "--prompt: the text must be UTF-8. Got byte 0xfc."),
        ("generate run --prompt a --stop M\udcfcller", "--stop: the text must be UTF-8. Got byte 0xfc."),
        ("train rows.txt", "rows.txt: expected plain text. Got JSON lines. This looks like data for"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    place: Path,
    arguments: str,
    message: str,
) -> None:
    (place / "empty.txt").touch()
    (place / "latin.txt").write_bytes("to the bürgermeister".replace("bü", " ü").encode("latin-1") * 600)
    (place / "short.txt").write_text("too short")
    (place / "rows.txt").write_text('{"text": "a", "label": "b"}\n' * 9)
    (place / "bare").mkdir(exist_ok=True)
    (place / "bare" / "notes.md").touch()
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    done = seqloom(*arguments.split(), cwd=place)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("seqloom: ")] == [lines[-1]]
    assert message in lines[-1]
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_a_full_disk_keeps_the_last_checkpoint(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files stands for a full disk: both fail in the same write."""
    save, limit = checkpoint.save, resource.getrlimit(resource.RLIMIT_FSIZE)

    def save_to_full_disk(folder: Path, saved: checkpoint.Checkpoint) -> None:
        if saved.state.step >= 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
        save(folder, saved)

    monkeypatch.setattr(checkpoint, "save", save_to_full_disk)
    run = tmp_path / "run"
    options = [*FAST, "--set", "training.checkpoint_every=1", "--out", run]
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        done = seqloom("train", "text.txt", *options, cwd=place)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert done.returncode == 2, done.stderr
    error = (
        "checkpoint.safetensors: cannot be written. Got File too large. What was there before is untouched"
    )
    assert error in done.stderr.splitlines()[-1]
    assert checkpoint.load(run).state.step == 2
    left = sorted(path.name for path in (run / "resume").iterdir())
    assert left == ["checkpoint.safetensors", "lock", "previous.safetensors"]


def test_help_has_every_verb_with_the_first_line_of_its_own_help(capsys: pytest.CaptureFixture[str]) -> None:
    group = get_command(app)
    assert isinstance(group, Verbs)
    context = Context(group)
    assert group.list_commands(context) == list(VERBS)
    for name, summary in VERBS.items():
        command = group.get_command(context, name)
        assert command.help.splitlines()[0] == summary, name
        assert command.name == name
    help_text = " ".join(group.get_help(context).split())
    assert all(f"{name} {summary}" in help_text for name, summary in VERBS.items())


def test_the_demo_trains_reports_and_generates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tmp_path / "python-help.txt"
    text.write_text(python_help()[:40_000])  # a tenth: the baseline counts all of it
    monkeypatch.setattr("seqloom.data.text.python_help.python_help_file", lambda: text)
    done = seqloom("demo", "--minutes", 0.05, "--out", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6-gram" in done.stdout
    assert "It writes:" in done.stdout
    assert "seqloom generate demo" in done.stderr


def test_the_demo_has_the_help_texts_of_python() -> None:
    text = python_help_file().read_text()
    assert text == python_help()
    assert len(text) > 300_000
