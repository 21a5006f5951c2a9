"""Verbs of the command line in this process on made-up files, and the small models that they use."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings

from seqloom.cli import main
from seqloom.evaluation import bootstrap

EXAMPLES = int(os.environ.get("SEQLOOM_FUZZ", "0"))
"""Examples of each verb; 0: the few of the usual suite."""
MAX_SECONDS = 20.0
"""Of processor time, for the files of a few kilobytes that are made up here."""
MAX_GIB = 2.0
SMALL = ("training.max_steps=1", "training.batch_size=2", "training.window=8", "training.warmup_steps=0")
SMALL_MODEL = ("model.hidden_size=2", "model.num_layers=1")

CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


def examples(few: int) -> settings:
    """So many examples in the usual suite, `SEQLOOM_FUZZ` if that is set; the same ones every time."""
    phases = [Phase.explicit, Phase.generate]  # to shrink an example would take minutes
    return settings(max_examples=EXAMPLES or few, deadline=None, suppress_health_check=CHECKS, phases=phases)


class Done(NamedTuple):
    code: int
    stdout: str
    stderr: str


def run_verb(folder: Path, *arguments: str, stdin: bytes = b"", encoding: str = "utf-8") -> Done:
    """What `seqloom ARGUMENTS` does in `folder`, on a terminal of this encoding; exceptions come through."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    code = 0
    with (
        contextlib.chdir(folder),
        mock.patch.object(sys, "argv", ["seqloom", *arguments]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding=encoding)),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    texts = []
    for stream in streams:
        stream.flush()
        texts.append(stream.buffer.getvalue().decode(encoding))  # type: ignore[attr-defined]
    return Done(code, *texts)


def check_verb(
    folder: Path, *arguments: str, stdin: bytes = b"", encoding: str = "utf-8", may_fail: bool = False
) -> Done:
    """`run_verb` within its time and memory, with exit code 0, or 2 and one line that says why; or 1 for a
    check that may fail."""
    started = time.process_time()
    done = run_verb(folder, *arguments, stdin=stdin, encoding=encoding)
    seconds = time.process_time() - started
    assert seconds < MAX_SECONDS, f"{seconds:.0f} s of processor time"
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    assert gib < MAX_GIB, f"{gib:.1f} GiB"
    assert done.code in ((0, 1, 2) if may_fail else (0, 2)), done
    if done.code == 2:
        lines = done.stderr.rstrip("\n").split("\n")
        assert lines[-1].startswith("seqloom: "), done.stderr
        assert len(lines[-1]) < 20_000
        assert sum(line.startswith("seqloom: ") for line in lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done


@contextlib.contextmanager
def new_folder() -> Iterator[Path]:
    """A folder for one example."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Intervals are tested elsewhere, and would take most of the time."""
    monkeypatch.setattr(bootstrap, "RESAMPLES", 10)
    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path / "cache"))
    yield
    gc.collect()


def options(*values: str) -> list[str]:
    """`--set` for every setting."""
    return [word for value in values for word in ("--set", value)]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small run folder of each task, and of a classifier of series and of recordings."""
    from .files import SEEDS, write_pictures, write_recordings, write_tunes

    folder = tmp_path_factory.mktemp("runs")
    data = {
        "generate": "text.txt",
        "classify": "reviews.csv",
        "series": "series.jsonl",
        "tag": "tags.conll",
        "forecast": "sales.csv",
        "translate": "pairs.tsv",
    }
    for name, file in data.items():
        (folder / file).write_bytes(SEEDS[file])
        done = run_verb(folder, "train", file, "--out", name, *options(*SMALL, *SMALL_MODEL))
        assert done.code == 0, done.stderr
    for name, column in (("transcribe", "transcription"), ("audio", "label")):
        write_recordings(folder / f"{name}-data", column)
        settings_of_task = [
            *SMALL,
            *SMALL_MODEL,
            *(["model.bidirectional=false"] if name == "transcribe" else []),
        ]
        done = run_verb(folder, "train", f"{name}-data", "--out", name, *options(*settings_of_task))
        assert done.code == 0, done.stderr
    write_pictures(folder / "pictures")
    of_pictures = options(*SMALL, *SMALL_MODEL, "data.min_count=1", "model.embedding_size=2")
    done = run_verb(folder, "train", "pictures", "--task", "caption", "--out", "caption", *of_pictures)
    assert done.code == 0, done.stderr
    write_tunes(folder / "tunes")
    settings_of_tunes = options(*SMALL, *SMALL_MODEL, "decoding.bars=1", "decoding.report_tunes=2")
    done = run_verb(folder, "train", "tunes", "--out", "compose", *settings_of_tunes)
    assert done.code == 0, done.stderr
    return folder
