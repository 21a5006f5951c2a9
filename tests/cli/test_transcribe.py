"""`seqloom transcribe`: files, tables, and a stream that is transcribed while it is said."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy
import pytest
import soundfile

from seqloom.cli import main
from seqloom.inspection.training import train
from seqloom.tasks.transcribe.toy_data import RATE_HZ, synthesize

SETTINGS = (
    "model.hidden_size=24",
    "model.num_layers=1",
    "model.bidirectional=false",
    "model.cell_type=gru",
    "model.dropout=0.0",
    "training.max_steps=120",
    "training.learning_rate=1e-2",
    "training.warmup_steps=0",
)
TEXTS = ("go", "stop", "go on", "go left", "on", "left")


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Seqloom(Protocol):
    def __call__(self, *arguments: object, stdin: bytes = b"") -> Done: ...


@pytest.fixture
def seqloom(place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Seqloom:
    """The command line, in this process: that is much faster."""

    def run(*arguments: object, stdin: bytes = b"") -> Done:
        capfd.readouterr()
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["seqloom", "transcribe", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings and a run that learnt from them."""
    folder = tmp_path_factory.mktemp("place")
    generator = numpy.random.default_rng(0)
    for split, count in {"train": 24, "validation": 6}.items():
        (folder / "data" / split).mkdir(parents=True)
        lines = ["file_name,transcription"]
        for number in range(count):
            text = TEXTS[number % len(TEXTS)]
            path = folder / "data" / split / f"{number}.wav"
            soundfile.write(path, synthesize(text, 1.0, generator), RATE_HZ, subtype="PCM_16")
            lines.append(f"{path.name},{text}")
        (folder / "data" / split / "metadata.csv").write_text("\n".join(lines) + "\n")
    train(folder / "data", settings=SETTINGS, out=folder / "run")
    for number in range(3):
        shutil.copy(folder / "data" / "validation" / f"{number}.wav", folder / f"{number}.wav")
    return folder


def pcm(path: Path) -> bytes:
    """The samples of a file, as a microphone would give them."""
    return soundfile.read(path, dtype="int16")[0].astype("<i2").tobytes()


def test_a_line_for_each_file(seqloom: Seqloom, place: Path) -> None:
    done = seqloom("run", "0.wav", "1.wav", "2.wav")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert any(lines)
    for number, line in enumerate(lines):
        assert seqloom("run", f"{number}.wav").stdout == f"{line}\n"


def test_a_table_names_files(seqloom: Seqloom, place: Path) -> None:
    done = seqloom("run", "data/validation/metadata.csv")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert lines[:2] == seqloom("run", "0.wav", "1.wav").stdout.splitlines()


def test_json_is_alone_on_standard_output(seqloom: Seqloom, place: Path) -> None:
    done = seqloom("run", "0.wav", "1.wav", "--num-beams", 4, "--json")
    found = json.loads(done.stdout)
    assert found["run"] == "run"
    assert [row["file"] for row in found["transcripts"]] == ["0.wav", "1.wav"]
    assert all(isinstance(row["transcription"], str) for row in found["transcripts"])
    stream = seqloom("run", "--stream", "--json", stdin=pcm(place / "0.wav"))
    whole = seqloom("run", "0.wav").stdout
    assert json.loads(stream.stdout) == {"run": "run", "transcription": whole.rstrip("\n")}


def test_a_search_may_ask_a_language_model(seqloom: Seqloom, place: Path) -> None:
    model = ("--set", "decoding.language_model=ngram", "--set", "decoding.lm_weight=3.0")
    done = seqloom("run", "0.wav", "--num-beams", 8, *model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in TEXTS  # with so much weight, only what was learnt can be said


def test_a_bad_file_leaves_its_line_empty_and_says_why(seqloom: Seqloom, place: Path) -> None:
    (place / "text.wav").write_text("no sound")
    done = seqloom("run", "text.wav", "0.wav")
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert first == ""
    assert second
    assert done.stderr.splitlines() == [
        "skipped: text.wav: expected audio, such as wav, flac or ogg. Got 8 bytes in no known audio format."
    ]
    rows = json.loads(seqloom("run", "text.wav", "--json").stdout)["transcripts"]
    assert rows[0]["transcription"] == ""
    assert rows[0]["error"].startswith("text.wav: expected audio")
    strict = seqloom("run", "text.wav", "0.wav", "--strict")
    assert (strict.returncode, strict.stdout) == (2, "")


def test_a_stream_gives_what_the_file_gives(seqloom: Seqloom, place: Path) -> None:
    for number in range(3):
        whole = seqloom("run", f"{number}.wav").stdout
        done = seqloom("run", "--stream", stdin=pcm(place / f"{number}.wav"))
        assert done.returncode == 0, done.stderr
        assert done.stdout == whole


def test_a_stream_is_printed_as_it_comes(place: Path) -> None:
    """Its beginning can be read before its end was given."""
    content = pcm(place / "2.wav") + bytes(2 * RATE_HZ)
    running = subprocess.Popen(
        [sys.executable, "-m", "seqloom.cli", "transcribe", "run", "--stream"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=place,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(content)
    running.stdin.flush()
    first = os.read(running.stdout.fileno(), 1)  # it would wait for ever if this came at the end
    running.stdin.close()
    rest = running.stdout.read()
    assert running.wait(60) == 0
    running.stdout.close()
    assert first.strip()
    assert (first + rest).endswith(b"\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        ("run", b"", "transcribe: expected recordings, or --stream and nothing else. Got neither."),
        (
            "run 0.wav --stream",
            b"",
            "transcribe: expected recordings, or --stream and nothing else. Got both.",
        ),
        ("run nowhere.wav", b"", "nowhere.wav: expected a file. Got no such file."),
        ("run --stream", b"abc", "standard input: expected 16-bit samples. Got an odd number of bytes."),
        ("run --stream --num-beams 3", b"ab", "a stream is transcribed greedily, with num_beams 1"),
        ("run 0.wav --num-beams 0", b"", "decoding.num_beams: input should be greater than or equal to 1."),
        ("run 0.wav --set model.dropout=0.1", b"", "data.names can be set for a trained model. Got model."),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    seqloom: Seqloom, arguments: str, stdin: bytes, message: str
) -> None:
    done = seqloom(*arguments.split(), stdin=stdin)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("seqloom: ")
    assert message in line
