"""What checksums cost: a checkpoint of 50 MB against one without, and loading a run of 50 MB.

python benchmarks/run_folders.py
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from measuring import processor_seconds
from results import save, verdict, write_section
from safetensors.torch import save as to_bytes

import seqloom
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.runs import run_folder, weights
from seqloom.runs.config import resolve
from seqloom.tasks import task_named
from seqloom.tasks.generate.preparation import Preparation
from seqloom.training import checkpoint
from seqloom.training.state import TrainingState

PAIRS = 15
SLOWER, LONGER_MS = 1.05, 50.0
WORDS, UNITS = 49_990, 120


def measure_pairs(ours: Callable[[], object], theirs: Callable[[], object]) -> list[tuple[float, float]]:
    """Seconds of ours and of theirs, after one of each."""
    ours(), theirs()
    return [(processor_seconds(ours), processor_seconds(theirs)) for _ in range(PAIRS)]


def write_run(folder: Path) -> None:
    """A language model of 50,000 words, untrained."""
    task = task_named("generate")
    config = resolve(task, [{"data": {"unit": "word"}, "model": {"hidden_size": UNITS, "num_layers": 1}}])
    words = " ".join(f"w{number}" for number in range(WORDS))
    preparation = Preparation("word", Vocabulary.fit("word", [words]))
    folder.mkdir()
    run_folder.write_config(folder, config, "digest")
    run_folder.save_preparation(folder, preparation)
    run_folder.save_model(folder, run_folder.build_model(config, preparation))


def write_plainly(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """As without checksums: the bytes of a safetensors file, written, synced and renamed."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(to_bytes(tensors))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def main() -> None:
    """Measure both and write the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "resume").mkdir()
        model = {f"weight{place}": torch.randn(1024, 3052) for place in range(4)}
        state = checkpoint.Checkpoint(
            TrainingState(step=1), "data", "digest", model, {}, [[torch.get_rng_state()]], {}
        )
        megabytes = sum(tensor.nbytes for tensor in model.values()) / 1e6
        writing = measure_pairs(
            lambda: checkpoint.save(folder, state),
            lambda: write_plainly(folder / "resume" / "plain.safetensors", model),
        )
        run = folder / "run"
        write_run(run)
        size = sum(path.stat().st_size for path in run.iterdir()) / 1e6

        def load_unverified() -> None:
            with mock.patch.object(weights, "_verify"):
                seqloom.load(run)

        loading = measure_pairs(lambda: seqloom.load(run), load_unverified)
    ratio = statistics.median(ours / theirs for ours, theirs in writing)
    longer = 1000 * statistics.median(ours - theirs for ours, theirs in loading)
    medians = [
        [1000 * statistics.median(column) for column in zip(*pairs, strict=True)]
        for pairs in (writing, loading)
    ]
    rows = [
        (f"a checkpoint of {megabytes:.0f} MB", medians[0], f"{ratio:.2f} times", ratio, SLOWER),
        (f"loading a run of {size:.0f} MB", medians[1], f"{longer:.0f} ms longer", longer, LONGER_MS),
    ]
    lines = ["| what | with a checksum, ms | without, ms | | at most | |", "|---|---|---|---|---|---|"]
    for what, (ours, theirs), difference, value, most in rows:
        met = verdict(value, most, at_most=True)
        lines.append(f"| {what} | {ours:.0f} | {theirs:.0f} | {difference} | {most:g} | {met} |")
    lines += [
        "",
        f"Processor time, the median of {PAIRS} pairs in turn. Without: the bytes that safetensors makes,",
        f"written, synced and renamed; and loading a language model of {WORDS:,} words whose checksum nobody",
        "looks at.",
    ]
    write_section("Checksums of run folders", Path(__file__), lines)
    save(Path(__file__), {"writing": writing, "loading": loading})


if __name__ == "__main__":
    main()
