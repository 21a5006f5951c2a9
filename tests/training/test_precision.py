"""What `training.precision=auto` means on each kind of machine."""

from __future__ import annotations

import pytest
import torch

from seqloom.runs.config import parse_settings, resolve
from seqloom.tasks import task_named
from seqloom.training.precision import best_precision, with_precision


def on_cpu(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.delenv("SEQLOOM_CPU", raising=False)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx2": True}, "float32"),
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, "float32"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"avx512_bf16": False, "amx_bf16": True}, "bfloat16"),
    ],
)
def test_a_cpu_trains_in_bfloat16_where_it_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], precision: str
) -> None:
    on_cpu(monkeypatch, **capabilities)
    assert best_precision() == precision


@pytest.mark.parametrize(
    ("limit", "precision"),
    [("portable", "float32"), ("avx512", "float32"), ("avx512_bf16", "bfloat16"), ("none", "bfloat16")],
)
def test_a_cpu_that_is_capped_trains_as_one_that_has_no_more(
    monkeypatch: pytest.MonkeyPatch, limit: str, precision: str
) -> None:
    on_cpu(monkeypatch, avx512_bf16=True)
    monkeypatch.setenv("SEQLOOM_CPU", limit)
    assert best_precision() == precision


@pytest.mark.parametrize(("supported", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_trains_in_bfloat16_where_it_does_not_emulate_it(
    monkeypatch: pytest.MonkeyPatch, supported: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: supported or including_emulation
    )
    assert best_precision() == precision


def test_auto_is_resolved_and_a_precision_that_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    on_cpu(monkeypatch, amx_bf16=True)
    task = task_named("generate")
    assert with_precision(resolve(task, [])).training.precision == "bfloat16"
    asked = resolve(task, [parse_settings(["training.precision=float32"])])
    assert with_precision(asked).training.precision == "float32"
