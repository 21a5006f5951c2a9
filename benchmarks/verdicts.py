"""What `diagnose` and `check` say of healthy runs of every task, and of real runs with a planted fault.

Made-up data of `seqloom toy-data`, ordinary trainings of a minute or so on one thread. A run that is in the
folder already is not trained again, so that the benchmark goes on where it was stopped.

    python benchmarks/verdicts.py [folder]     a temporary one unless told
"""

from __future__ import annotations

import csv
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from results import save, write_section

import seqloom
from seqloom.errors import RunError
from seqloom.tasks.toy_data import toy_data

CELLS = ("lstm", "gru")
SETTINGS: dict[str, Any] = {"training.patience": None, "training.log_every": 10}


class Kind(NamedTuple):
    """What is learnt, and how: the task, the kind of its toy data, and settings."""

    task: str
    settings: Mapping[str, Any]
    input: str | None = None


CLASSIFY = {"model.num_layers": 1, "model.hidden_size": 48, "model.embedding_size": 32, "model.dropout": 0.1}
CLASSIFY |= {"training.batch_size": 32, "training.learning_rate": 5e-3, "training.max_steps": 300}
GENERATE = {"model.num_layers": 1, "model.hidden_size": 64, "model.ngram_context": 5, "model.dropout": 0.1}
GENERATE |= {"training.learning_rate": 0.01, "training.max_steps": 400}
TRANSLATE = {"model.num_layers": 1, "model.hidden_size": 96, "model.embedding_size": 96, "data.unit": "word"}
TRANSLATE |= {"training.batch_size": 16, "training.learning_rate": 5e-3, "training.max_steps": 300}
CAPTION = {"model.hidden_size": 128, "model.embedding_size": 64, "model.dropout": 0.2}
CAPTION |= {"training.learning_rate": 1e-3, "training.max_epochs": 20}
KINDS = {
    "text": Kind("generate", GENERATE),
    "reviews": Kind("classify", CLASSIFY),
    "pictures, row by row": Kind(
        "classify", {"data.image_as": "rows", "training.max_steps": 400}, input="image"
    ),
    "clips": Kind("classify", {"training.max_steps": 200}, input="video"),
    "names": Kind("tag", {"training.max_steps": 400}),
    "sentence pairs": Kind("translate", TRANSLATE),
    "chords": Kind("transcribe", {"model.hidden_size": 64, "training.max_steps": 300}),
    "tunes": Kind("compose", {"data.transpose": 0, "decoding.report_tunes": 0, "training.max_steps": 400}),
    "drawings": Kind("caption", CAPTION),
    "sales": Kind("forecast", {"data.known_future": ["promotion"], "training.max_steps": 200}),
}


class Fault(NamedTuple):
    """A fault that is planted in a run, and the words by which it may be named."""

    kind: str
    settings: Mapping[str, Any]
    names: tuple[str, ...]
    damage: Callable[[Path], None] | None = None


def rewrite(path: Path, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    """Change the rows of a table, without its header."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    lines = ["\t".join(row) for row in [header, *change(rows)]]
    path.write_text("\n".join(lines) + "\n")


def shuffle_labels(data: Path) -> None:
    """Of training: each row has the label of another."""

    def shuffled(rows: list[list[str]]) -> list[list[str]]:
        labels = [row[1] for row in rows]
        random.Random(0).shuffle(labels)
        return [[row[0], label] for row, label in zip(rows, labels, strict=True)]

    rewrite(data / "train.tsv", shuffled)


def keep_few(data: Path) -> None:
    """Of training, 60 rows."""
    rewrite(data / "train.tsv", lambda rows: rows[:60])


def double_test_rows(data: Path) -> None:
    """Half of the test's rows are among those of training."""
    with (data / "test.tsv").open(newline="") as file:
        _, *test = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    rewrite(data / "train.tsv", lambda rows: rows + test[::2])


FAST = ("exploding", "saturated", "dead")
WORTHLESS = ("not better than the baseline", "baseline")
FAULTS = {
    "learning rate x 100, reviews": Fault("reviews", {"training.learning_rate": 0.5}, FAST),
    "learning rate x 100, names": Fault("names", {"training.learning_rate": 0.2}, FAST),
    "learning rate x 100, text": Fault("text", {"training.learning_rate": 1.0}, FAST),
    "no clipping, tanh RNN by SGD": Fault(
        "text",
        {
            "model.cell_type": "rnn",
            "training.gradient_clip": None,
            "training.optimizer": "sgd",
            "training.learning_rate": 20.0,
        },
        FAST,
    ),
    "shuffled labels": Fault("reviews", {}, WORTHLESS, shuffle_labels),
    "60 training rows": Fault("reviews", {}, ("overfit",), keep_few),
    "half of the test rows in training": Fault(
        "reviews", {}, ("leaking", "shared-examples", "near-duplicates"), double_test_rows
    ),
    "20 steps of training": Fault("sentence pairs", {"training.max_steps": 20}, ("undertrained",)),
    "windows of 4 steps": Fault("text", {"training.window": 4}, ("short-sighted",)),
}


def examine(folder: Path, kind: Kind, settings: Mapping[str, Any], damage: Any = None) -> dict[str, Any]:
    """Train, if that was not done before, and say what is said of the run."""
    data, run = folder / "data", folder / "run"
    if not data.exists():
        toy_data(kind.task, data, kind=kind.input)
        if damage is not None:
            damage(data)
    try:
        if not run.exists():
            every = {**SETTINGS, **kind.settings, **settings}
            seqloom.train(data, task=kind.task, settings=every, out=run)
        elif not (run / "README.md").exists():
            seqloom.train(out=run, resume=True)
        diagnosis = seqloom.diagnose(run)
        report = seqloom.check(run, data)
    except RunError as error:
        return {"error": str(error), "verdicts": [], "failed": []}
    return {
        "verdicts": [f"{verdict.name}: {verdict.evidence}" for verdict in diagnosis.verdicts],
        "failed": [f"{check.name}: {check.evidence}" for check in report.checks if check.result == "fail"],
        "baseline": report["baseline"].evidence,
    }


def names(texts: list[str]) -> str:
    return ", ".join(text.partition(":")[0] for text in texts) or "none"


def main() -> None:
    """Train and examine all, and write both tables."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1] if sys.argv[1:] else temporary)
        healthy, planted = [], []
        for name, kind in KINDS.items():
            for cell in CELLS:
                place = folder / f"{name} {cell}".replace(",", "").replace(" ", "-")
                said = examine(place, kind, {"model.cell_type": cell})
                healthy.append({"kind": name, "task": kind.task, "cell": cell, **said})
                print(healthy[-1], file=sys.stderr, flush=True)
        for name, fault in FAULTS.items():
            place = folder / name.replace(",", "").replace(" ", "-")
            said = examine(place, KINDS[fault.kind], fault.settings, fault.damage)
            planted.append({"fault": name, "names": fault.names, **said})
            print(planted[-1], file=sys.stderr, flush=True)
    write(healthy, planted)
    save(Path(__file__), {"healthy": healthy, "planted": planted})


def write(healthy: list[dict[str, Any]], planted: list[dict[str, Any]]) -> None:
    """Both tables, and how many rows of each are as they should be."""
    clean = sum(names(run["verdicts"]) == "healthy" and not run["failed"] for run in healthy)
    named = sum(is_named(run) for run in planted)
    lines = [
        f"Healthy runs: {clean} of {len(healthy)} without a fault that is named.",
        "",
        "| data | task | cell | diagnose | checks that failed | against the baseline |",
        "|---|---|---|---|---|---|",
    ]
    for run in healthy:
        said = f"{run.get('error') or names(run['verdicts'])} | {names(run['failed'])}"
        baseline = run.get("baseline", "")
        lines.append(f"| {run['kind']} | {run['task']} | {run['cell'].upper()} | {said} | {baseline} |")
    lines += [
        "",
        f"Planted faults: {named} of {len(planted)} named.",
        "",
        "| fault | diagnose | checks that failed | named |",
        "|---|---|---|---|",
    ]
    for run in planted:
        words = (run.get("error") or "; ".join(run["verdicts"])).replace("|", "\\|")
        said = f"{words} | {names(run['failed'])}"
        lines.append(f"| {run['fault']} | {said} | {'yes' if is_named(run) else '**no**'} |")
    write_section("Verdicts on real runs", Path(__file__), lines)


def is_named(run: dict[str, Any]) -> bool:
    said = {text.partition(":")[0] for text in (*run["verdicts"], *run["failed"])}
    return bool(said & set(run["names"]))


if __name__ == "__main__":
    main()
