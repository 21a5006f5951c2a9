"""Compose, from a folder of MIDI files to a tune: training, primers, seeds, reports, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest

import seqloom
from seqloom.data.music.midi import midi_bytes, read_midi
from seqloom.data.music.tune import TimeSignature, make_tune
from seqloom.data.read import read
from seqloom.errors import ConfigError, DataError, RunError
from seqloom.inference.predictor import Predictor
from seqloom.tasks import task_named
from seqloom.tasks.compose.comparison import is_sound
from seqloom.tasks.compose.toy_data import SIZES
from seqloom.training.train import train


def test_it_learns_more_than_a_bigram_model_knows(trained: Predictor, tunes: Path) -> None:
    report = trained.evaluate(tunes)
    assert report.split == "test"
    assert report.baseline_name == "bigram (Kneser-Ney)"
    assert report.metrics["loss_nats_per_event"] < report.baseline["loss_nats_per_event"]


def test_a_report_compares_what_is_written_with_the_data(trained: Predictor, tunes: Path) -> None:
    details = trained.evaluate(tunes).details
    assert json.loads(json.dumps(details)) == details
    assert details["compared"] == (
        "6 model, 6 held out, 6 bigram, their first 4 bars, with 160 training tunes"
    )
    names = {"pitch-class entropy", "scale consistency", "polyphony", "groove consistency"}
    assert set(details["statistics"]) == set(details["overlapping_area"]) == {*names, "notes per quarter"}
    for row in details["overlapping_area"].values():
        assert set(row) == {"model", "held out", "bigram"}
        assert all(0 <= area <= 1 for area in row.values())
    assert details["statistics"]["scale consistency"]["training"] == 1
    assert details["overlapping_area"]["scale consistency"]["held out"] == 1
    assert details["copied"]["longest run in bars, longest"]["held out"] >= 1
    assert set(details["metres"]) == {"3/4", "4/4", "6/8", "one metre throughout"}
    assert details["metres"]["one metre throughout"]["training"] == 1
    assert sum(details["metres"][metre]["held out"] for metre in ("3/4", "4/4", "6/8")) == pytest.approx(1)
    assert details["sound_files"] == "6 of 6"


@pytest.mark.parametrize(
    ("change", "bars"),
    [
        ({}, 3),  # another number of bars
        ({"notes": numpy.zeros((0, 4), dtype=numpy.int64)}, 1),  # no notes
        ({"notes": numpy.array([[0, 96, 60, 80]])}, 1),  # a note that rings on
        ({"time_signatures": (TimeSignature(0, 3, 4), TimeSignature(24, 2, 4))}, 2),  # a bar that is cut
    ],
)
def test_files_that_are_not_sound(change: dict[str, object], bars: int) -> None:
    tune = make_tune([(0, 24, 60)], 24, (TimeSignature(0, 3, 4),), length=72)
    assert is_sound(tune, 1)
    assert not is_sound(tune._replace(**change), bars)


def test_a_report_writes_no_longer_tunes_than_those_of_the_data(trained: Predictor, tunes: Path) -> None:
    assert "their first 4 bars" in trained.evaluate(tunes, bars=9).details["compared"]


def test_tunes_of_one_bar_have_no_groove(trained: Predictor, tunes: Path) -> None:
    details = trained.evaluate(tunes, bars=1).details
    assert details["statistics"]["groove consistency"] == {}
    assert set(details["statistics"]["polyphony"]) == {"training", "model", "held out", "bigram"}
    assert "NaN" not in json.dumps(details)


def test_no_tunes_are_written_for_a_report_without_them(trained: Predictor, tunes: Path) -> None:
    assert trained.evaluate(tunes, report_tunes=0).details == {}
    assert trained.evaluate(tunes, "all").details == {}


def test_the_same_seed_writes_the_same_file(trained: Predictor) -> None:
    first, again, other = (midi_bytes(trained.compose(seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_bars_are_added_to_a_primer(trained: Predictor, tunes: Path) -> None:
    path = tunes / "test/000.mid"
    primer = read_midi(path)
    tune = trained.compose(path, bars=3)
    assert tune.num_bars == 4 + 3
    scale = tune.ticks_per_quarter // primer.ticks_per_quarter
    kept = tune.notes[: len(primer.notes)]
    assert numpy.array_equal(kept // [scale, scale, 1, 1], primer.notes)
    assert tune.primer_end == kept[-1, 0] + 1
    assert midi_bytes(trained.compose(primer, bars=3)) == midi_bytes(tune)


def test_a_loaded_model_writes_the_same(trained: Predictor) -> None:
    loaded = seqloom.load(trained.folder)
    assert midi_bytes(loaded.compose(seed=5)) == midi_bytes(trained.compose(seed=5))


def test_decoding_options_change_the_tune(trained: Predictor) -> None:
    plain = midi_bytes(trained.compose(seed=5))
    for options in ({"temperature": 0.0}, {"top_k": 2}, {"top_p": 0.2}):
        assert midi_bytes(trained.compose(seed=5, **options)) != plain
    greedy = [midi_bytes(trained.compose(seed=seed, temperature=0.0)) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"bars": 0}, r"^decoding\.bars: input should be greater than or equal to 1\. Got 0\.$"),
        ({"time_signature": "fast"}, r"^decoding\.time_signature: string should match pattern"),
        ({"tempo": 90}, r"^configuration: unknown key `decoding\.tempo`"),
    ],
)
def test_options_that_are_refused(trained: Predictor, options: dict[str, object], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        trained.compose(**options)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"primer\.mid: expected a MIDI file\. Got an empty file\."),
        (
            midi_bytes(make_tune([(0, 24, 60)], 24, (TimeSignature(0, 13, 8),))),
            r"primer\.mid: expected time signatures .* Got 13/8\.",
        ),
        (
            midi_bytes(make_tune([(0, 24, 60), (960_000, 24, 60)], 24)),
            r"primer\.mid: expected at most 2,000 bars\. Got 10,001\. Set data\.max_bars higher",
        ),
    ],
)
def test_primers_that_are_refused(trained: Predictor, tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "primer.mid").write_bytes(content)
    with pytest.raises(DataError, match=expected):
        trained.compose(tmp_path / "primer.mid")
    with pytest.raises(DataError, match=r"^compose: the primer must be a MIDI file or a tune\. Got int\.$"):
        trained.compose(7)  # type: ignore[arg-type]


def test_another_model_does_not_compose(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("a text of some words. " * 40)
    settings = {"training.max_steps": 1, "training.batch_size": 2, "model.hidden_size": 4}
    model = seqloom.train(tmp_path / "text.txt", settings=settings, out=tmp_path / "run")
    with pytest.raises(RunError, match=r"expected a model that composes music\. Got the task generate\."):
        model.compose()


def bad_files(folder: Path) -> None:
    """One file of each kind that cannot be used."""
    good = midi_bytes(make_tune([(0, 24, 60), (24, 24, 64)], 24))
    (folder / "train").mkdir(parents=True)
    contents = {"empty": b"", "text": b"a text", "cut": good[:-9], "wrong header": b"MThx" + good[4:]}
    contents["long"] = midi_bytes(make_tune([(0, 24, 60), (960_000, 24, 60)], 24))
    contents["silent"] = good.replace(b"\x90", b"\xb0").replace(b"\x80", b"\xb0")
    for name, content in contents.items():
        (folder / "train" / f"{name}.mid").write_bytes(content)


def test_bad_files_are_skipped_and_counted(tmp_path: Path, tunes: Path) -> None:
    bad_files(tmp_path)
    (tmp_path / "train/good.mid").write_bytes((tunes / "train/000.mid").read_bytes())
    (tmp_path / "validation").mkdir()
    (tmp_path / "validation/good.mid").write_bytes((tunes / "train/001.mid").read_bytes())
    lines: list[str] = []
    settings = {"training.max_steps": 2, "model.hidden_size": 4, "decoding.report_tunes": 0}
    train(tmp_path, settings=settings, out=tmp_path / "run", log=lines.append)
    (line,) = (line for line in lines if "rows skipped" in line)
    assert line.startswith("train: 6 rows skipped, the first: ")
    assert line.endswith("cut.mid: expected a MIDI file. Got a file that is cut off: 9 bytes are missing.")
    with pytest.raises(DataError, match=r"cut\.mid: expected a MIDI file"):
        train(tmp_path, settings=settings, out=tmp_path / "strict", strict=True)


def test_a_folder_without_a_good_file_is_one_line(tmp_path: Path) -> None:
    bad_files(tmp_path)
    data, task = read(tmp_path), task_named("compose")
    with pytest.raises(
        DataError, match=r"expected a good MIDI file in train\. Got .*\.mid: expected .*[^.]\.$"
    ):
        task.prepare(data, task.DataConfig())


def test_tokens_of_many_files_are_kept_in_the_cache(
    tunes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from seqloom.tasks.compose.events import preparation as module

    monkeypatch.setenv("SEQLOOM_CACHE", str(tmp_path))
    monkeypatch.setattr(module, "CACHED_FILES", 100)
    task, data = task_named("compose"), read(tunes)
    first = task.prepare(data, task.DataConfig()).tokens(data, "train")
    assert len(list((tmp_path / "tunes").iterdir())) == 1
    monkeypatch.setattr(module, "read_midi", None)  # nothing is read again
    tokenizer = module.TuneTokenizer.make(12, 16, has_velocities=False)
    again = module.Preparation(tokenizer, module.Facts()).tokens(data, "train")
    assert again.rows.digest() == first.rows.digest()
    assert again.files == first.files
    assert len(first.files) == SIZES["train"]
