"""What was saved is what was measured: the run folder holds the model, and nothing of it is elsewhere."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seqloom.errors import SeqloomError
from seqloom.inspection.checks.finding import Finding, NotApplicableError, figure
from seqloom.inspection.checks.sampling.subject import Subject
from seqloom.runs import run_folder, weights


def check_save_and_load(subject: Subject) -> Finding:
    """The model against its run folder, and against itself written and read."""
    if subject.is_random:
        raise NotApplicableError("the same batch does not give the same twice (see repeats)")
    changed = _changed_since_saved(subject)
    if changed:
        names = ", ".join(changed[:3])
        evidence = f"{len(changed)} tensors are not those of {run_folder.MODEL}: {names}"
        return Finding(False, evidence, {"changed_tensors": changed})
    try:
        model, preparation = _write_and_read(subject)
    except (SeqloomError, RuntimeError) as error:
        return Finding(False, f"written and read again, it cannot be used: {_first_line(error)}")
    if preparation.files() != subject.predictor.preparation.files():
        return Finding(False, "the preparation read again writes other files")
    expected, actual = (
        subject.evaluate_by(each, subject.sample.batch) for each in (subject.model, model.to(subject.device))
    )
    gap = float((expected.nats - actual.nats).abs().nan_to_num().max())
    is_same = torch.equal(expected.nats.nan_to_num(), actual.nats.nan_to_num())
    rows = subject.sample.size
    evidence = f"{rows} rows by the model and by itself read again: {figure(gap)} nats at most; allowed 0"
    return Finding(is_same, evidence, {"largest_difference": gap, "changed_tensors": []})


def _changed_since_saved(subject: Subject) -> list[str]:
    path = subject.predictor.folder / run_folder.MODEL
    if not path.exists():
        return []
    saved, _ = weights.read(path)
    current = weights.unique_state(subject.model)
    names = sorted(saved.keys() | current.keys())
    return [name for name in names if not _is_equal(saved.get(name), current.get(name))]


def _is_equal(saved: Any, current: Any) -> bool:
    if saved is None or current is None or saved.shape != current.shape:
        return False
    return torch.equal(saved, current.cpu())


def _write_and_read(subject: Subject) -> tuple[nn.Module, Any]:
    config = subject.predictor.config
    with tempfile.TemporaryDirectory(prefix="seqloom-check-") as name:
        folder = Path(name)
        for file, text in subject.predictor.preparation.files().items():
            (folder / file).write_text(text, encoding="utf-8")
        run_folder.save_model(folder, subject.model)
        preparation = config.task.restore(folder, config.data)
        model = run_folder.build_model(config, preparation)
        run_folder.load_model(folder, model)
    return model.eval(), preparation


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].removesuffix(".")
