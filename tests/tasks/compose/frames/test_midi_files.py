"""MIDI files as piano rolls: sampled at a set step, from a folder to a tune, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

import seqloom
from seqloom.data.music.midi import midi_bytes, read_midi
from seqloom.data.music.rolls.sampling import sample_music
from seqloom.data.music.tune import make_tune
from seqloom.data.read import read
from seqloom.errors import ConfigError, DataError
from seqloom.runs.config import resolve
from seqloom.tasks import task_named

from .rolls import SETTINGS, write_rolls

TASK = task_named("compose")


def _write(folder: Path, name: str, notes: list[tuple[int, int, int]]) -> Path:
    """Notes in ticks of a twenty-fourth of a quarter note."""
    file = folder / name
    file.write_bytes(midi_bytes(make_tune(notes, ticks_per_quarter=24)))
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tunes of eighth notes, and files that cannot be used."""
    folder = tmp_path_factory.mktemp("tunes")
    for number in range(12):
        scale = [60 + (number + step) % 12 for step in range(16)]
        _write(folder, f"{number:02}.mid", [(12 * step, 12, pitch) for step, pitch in enumerate(scale)])
    (folder / "empty.mid").write_bytes(b"")
    _write(folder, "low.mid", [(0, 24, 3)])
    _write(folder, "long.mid", [(0, 24, 60), (24 * 4 * 30, 24, 60)])
    return folder


def test_notes_go_to_the_nearest_step(tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid"):
        _write(tmp_path, name, [(0, 12, 60), (13, 22, 64), (24, 1, ord(name[0]))])
    music = sample_music(read(tmp_path), frames_per_quarter=2, max_bars=10)
    assert music.kind == "frames"
    (roll,) = [roll.check() for roll in music.tunes("all") if roll.place.endswith("a.mid")]
    steps, keys = roll.frames.nonzero()
    heard = list(zip(steps.tolist(), (keys + 21).tolist(), strict=True))
    assert heard == [(0, 60), (1, 64), (2, 64), (2, ord("a"))]
    assert music.remarks[-1].startswith("2 MIDI files are sampled, 2 frames a quarter note: ")
    assert sample_music(music, 4, 10) is music


def test_notes_outside_a_piano_are_counted(tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid"):
        _write(tmp_path, name, [(0, 12, ord(name[0])), (12, 12, 20), (24, 12, 109)])
    remark = sample_music(read(tmp_path), frames_per_quarter=2, max_bars=10).remarks[-1]
    assert remark.endswith("; 4 of 6 notes are outside a piano and left out")


def test_how_far_is_looked_back_has_a_bound() -> None:
    with pytest.raises(ConfigError, match=r"model\.lookback.* 4096.* Got 5000\.$"):
        resolve(TASK, [{"model": {"lookback": 5000}}])


def test_from_a_folder_to_a_tune(folder: Path, tmp_path: Path) -> None:
    settings = [*SETTINGS, "data.music=frames", "data.max_bars=20", "data.frames_per_quarter=2"]
    settings += ["data.frames_per_bar=8", "training.max_steps=4", "training.validate_every=4"]
    lines: list[str] = []
    model = seqloom.train(folder, task="compose", settings=settings, out=tmp_path / "run", log=lines.append)
    assert any("MIDI files are sampled, 2 frames a quarter note" in line for line in lines)
    report = model.evaluate(folder)
    assert report.metrics["loss_nats_per_frame"] > 0
    assert report.baseline_name == "each key given the frame before"
    skipped = model.evaluate(folder, "all").skipped
    assert len(skipped) == 3
    assert {line.split(": ")[0].rsplit("/", 1)[-1] for line in skipped} == {
        "empty.mid",
        "low.mid",
        "long.mid",
    }
    assert any("expected at most 20 bars. Got 31. Set data.max_bars higher" in line for line in skipped)
    assert any("low.mid: expected notes from 21 to 108. Got none." in line for line in skipped)
    primer = folder / "03.mid"
    tune = model.compose(primer, bars=1)
    assert numpy.array_equal(tune.notes[:5, :3], read_midi(primer).with_resolution(480).notes[:5, :3])


def test_strict_stops_at_the_first_bad_file(folder: Path) -> None:
    config = resolve(TASK, [{"data": {"music": "frames", "max_bars": 20}}])
    with pytest.raises(DataError, match=r"\.mid: expected "):
        TASK.prepare(read(folder, strict=True), config.data)


def test_piano_rolls_are_no_events(tmp_path: Path) -> None:
    path = write_rolls(tmp_path / "rolls.json")
    config = resolve(TASK, [{"data": {"music": "events"}}])
    with pytest.raises(DataError) as error:
        TASK.prepare(read(path), config.data)
    assert str(error.value) == (
        f"{path}: expected MIDI files to read as events. Got piano rolls. "
        "A model of piano rolls is trained with data.music=frames."
    )
