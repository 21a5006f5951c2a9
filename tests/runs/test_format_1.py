"""Run folders of format 1: every key has its new place, and an old folder loads and answers as a new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

import seqloom
from seqloom.runs import format_1
from seqloom.runs.config import resolve
from seqloom.tasks import task_named
from seqloom.tasks.transcribe.toy_data import RATE_HZ, synthesize
from seqloom.training.train import train

OLD = {
    "classify": {
        "data": {"num_mels": 20},
        "model": {
            "spec_augment": True,
            "class_weights": "balanced",
            "label_smoothing": 0.1,
            "hidden_size": 7,
        },
    },
    "translate": {"model": {"label_smoothing": 0.2, "scheduled_sampling": 0.3}},
    "transcribe": {
        "data": {"normalisation": "speaker"},
        "model": {
            "ctc_weight": 0.1,
            "time_masks": 1,
            "time_mask_frames": 20,
            "frequency_masks": 3,
            "frequency_mask_mels": 4,
        },
    },
    "tag": {"model": {"rare_word_dropout": 0.25}},
    "generate": {"model": {"tie_weights": True}, "decoding": {}},
}
NEW: dict[str, dict[str, dict[str, Any]]] = {
    "classify": {
        "data": {"num_mels": 20, "spec_augment": True},
        "model": {"hidden_size": 7},
        "loss": {"class_weights": "balanced", "label_smoothing": 0.1},
    },
    "translate": {"loss": {"label_smoothing": 0.2, "scheduled_sampling": 0.3}},
    "transcribe": {
        "data": {
            "normalization": "speaker",
            "spec_augment": True,
            "time_masks": 1,
            "time_mask_frames": 20,
            "frequency_masks": 3,
            "frequency_mask_mels": 4,
        },
        "loss": {"ctc_weight": 0.1},
    },
    "tag": {"model": {"rare_word_dropout": 0.25, "locked_dropout": True}},
    "generate": {"model": {"tie_weights": True}},
}


@pytest.mark.parametrize("name", OLD)
def test_every_key_has_its_new_place(name: str) -> None:
    old = {"format": 1, "task": name, **OLD[name]}
    before = json.dumps(old)
    new = format_1.upgrade(old)
    assert json.dumps(old) == before
    assert new.pop("format") == 2
    resolved = resolve(task_named(name), [new]).to_dict()
    for part, values in NEW[name].items():
        assert {key: resolved[part][key] for key in values} == values


def downgrade(folder: Path) -> None:
    """Rewrite a run folder of a classifier as format 1 had it."""
    config = json.loads((folder / "config.json").read_text())
    config["format"] = 1
    del config["checksums"]
    config["model"] |= config.pop("loss")
    config["model"]["spec_augment"] = config["data"].pop("spec_augment")
    for key in [key for key in config["data"] if "mask" in key]:
        del config["data"][key]
    for key in ("recurrent_dropout", "layer_norm", "zoneout"):
        del config["model"][key]
    (folder / "config.json").write_text(json.dumps(config))
    labels = json.loads((folder / "labels.json").read_text())
    labels["several"] = labels.pop("multi_label")
    (folder / "labels.json").write_text(json.dumps(labels))
    (folder / "normalizer.json").rename(folder / "normaliser.json")


def test_an_old_classifier_loads_answers_and_resumes(tmp_path: Path) -> None:
    rows = [{"values": [n % 3, n % 2, n], "label": "even" if n % 2 == 0 else "odd"} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["model.hidden_size=4", "training.max_steps=3", "loss.class_weights=balanced"]
    folder, _ = train(tmp_path / "rows.jsonl", settings=settings, out=tmp_path / "run")
    inputs = [row["values"] for row in rows[:5]]
    expected = seqloom.load(folder).predict(inputs)
    downgrade(folder)
    loaded = seqloom.load(folder)
    assert loaded.predict(inputs) == expected
    assert loaded.config.loss.class_weights == "balanced"
    train(out=folder, resume=True, settings=["training.max_steps=5"])
    assert json.loads((folder / "config.json").read_text())["format"] == 2
    assert seqloom.load(folder).predict(inputs) != expected


def test_an_old_transcriber_loads(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    for split in ("train", "validation"):
        (tmp_path / split).mkdir()
        for n in range(2):
            samples = synthesize("go on", 1.0, numpy.random.default_rng(n))
            soundfile.write(tmp_path / split / f"{n}.wav", samples, RATE_HZ)
        (tmp_path / split / "metadata.csv").write_text("file_name,transcription\n0.wav,go on\n1.wav,go on\n")
    settings = ["model.hidden_size=4", "training.max_steps=1", "training.validate_every=1"]
    folder, _ = train(tmp_path, task="transcribe", settings=settings, out=tmp_path / "run")
    expected = seqloom.load(folder).predict([tmp_path / "train" / "0.wav"])
    config = json.loads((folder / "config.json").read_text())
    config["format"] = 1
    del config["checksums"]
    config["model"] |= config.pop("loss")
    config["model"] |= {key: config["data"].pop(key) for key in list(config["data"]) if "mask" in key}
    del config["data"]["spec_augment"]
    config["data"]["normalisation"] = config["data"].pop("normalization")
    (folder / "config.json").write_text(json.dumps(config))
    features = json.loads((folder / "features.json").read_text())
    features["normaliser"] = features.pop("normalizer")
    (folder / "features.json").write_text(json.dumps(features))
    loaded = seqloom.load(folder)
    assert loaded.predict([tmp_path / "train" / "0.wav"]) == expected
    assert loaded.config.data.spec_augment
