"""`seqloom compose`: files from nothing or from a primer, and mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import seqloom, settings_options

FAST = settings_options(
    "model.hidden_size=8",
    "training.max_steps=3",
    "training.window=16",
    "decoding.bars=2",
    "decoding.report_tunes=2",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up tunes and a run that learnt from them."""
    folder = tmp_path_factory.mktemp("place")
    assert seqloom("toy-data", "compose", "tunes", cwd=folder).returncode == 0
    done = seqloom("train", "tunes", "--out", "run", *FAST, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" or "overlapping_area" in done.stdout
    assert "next: seqloom compose run --out tune.mid" in done.stderr + done.stdout
    return folder


def test_a_tune_is_written_with_its_sound_and_picture(place: Path) -> None:
    done = seqloom("compose", "run", "--seed", 1, "--wav", "--plot", cwd=place)
    assert (done.returncode, done.stdout) == (0, "tune.mid\ntune.wav\ntune.svg\n")
    assert done.stderr.startswith("2 bars in ")
    contents = {suffix: (place / f"tune.{suffix}").read_bytes() for suffix in ("mid", "wav", "svg")}
    assert [contents[suffix][:4] for suffix in ("mid", "wav", "svg")] == [b"MThd", b"RIFF", b"<svg"]
    done = seqloom("compose", "run", "--seed", 1, "--out", "again.mid", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / "again.mid").read_bytes() == contents["mid"]
    done = seqloom("compose", "run", "--seed", 2, "--overwrite", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / "tune.mid").read_bytes() != contents["mid"]


def test_json_says_what_was_written(place: Path) -> None:
    arguments = ["--primer", "tunes/test/000.mid", "--bars", 3, "--time-signature", "6/8", "--seed", 4]
    done = seqloom("compose", "run", *arguments, "--out", "long.mid", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["run"], facts["files"], facts["bars"], facts["seed"]) == ("run", ["long.mid"], 7, 4)
    assert facts["time_signatures"][-1] == "6/8"
    assert facts["notes"] >= 16


def test_what_a_tune_does_not_keep_of_a_primer_is_said(place: Path) -> None:
    import symusic

    score = symusic.Score(24)
    score.tempos.extend([symusic.Tempo(0, 90), symusic.Tempo(48, 200)])
    flute, drums = symusic.Track("", 73, False), symusic.Track("", 0, True)
    flute.notes.extend([symusic.Note(24 * beat, 24, 60 + beat, 90) for beat in range(4)])
    drums.notes.append(symusic.Note(0, 24, 36, 90))
    score.tracks.extend([flute, drums])
    (place / "flute.mid").write_bytes(bytes(score.dumps_midi()))
    done = seqloom("compose", "run", "--primer", "flute.mid", "--out", "on.mid", cwd=place)
    assert done.returncode == 0, done.stderr
    unkept = "tempo changes: 1, tracks of other instruments than a piano: 1, notes of drums: 1"
    assert f"not kept of flute.mid: {unkept}" in done.stderr
    done = seqloom("compose", "run", "--primer", "flute.mid", "--out", "as.mid", "--json", cwd=place)
    assert f"not kept of flute.mid: {unkept}" in done.stderr
    done = seqloom("compose", "run", "--primer", "on.mid", "--out", "further.mid", cwd=place)
    assert "not kept" not in done.stderr


def test_predict_writes_notes_by_name(place: Path) -> None:
    done = seqloom("predict", "run", "tunes/test/000.mid", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("|") >= 4 + 2 + 1
    assert done.stdout[1] == "/"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--out", "taken.mid"],
            "taken.mid: expected a new file. Got one that exists. Name another",
        ),
        (["--out", "tune.wav"], "--out: expected a name that ends in .mid. Got tune.wav."),
        (["--soundfont", "a.sf2"], "--soundfont: is for sound. Got no --wav. Add --wav."),
        (["--out", "a/b.mid"], "a/b.mid: expected a folder that exists. Got a, which does not."),
        (["--primer", "nothing.mid"], "nothing.mid: expected a file that can be read. Got No such file or "),
        (["--bars", 0], "decoding.bars: input should be greater than or equal to 1. Got 0."),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    place: Path, arguments: list[object], message: str
) -> None:
    (place / "taken.mid").write_text("precious")
    before = {file.name for file in place.iterdir()}
    if "--out" not in arguments:
        arguments = [*arguments, "--out", "new.mid"]
    done = seqloom("compose", "run", *arguments, cwd=place)
    assert done.returncode == 2
    assert done.stderr.startswith(f"seqloom: {message}")
    assert done.stderr.count("\n") == 1
    assert {file.name for file in place.iterdir()} == before
    assert (place / "taken.mid").read_text() == "precious"
