"""Kernel selection: which kernel runs, and the reason."""

from __future__ import annotations

import pytest

from seqloom.errors import ConfigError
from seqloom.kernels.native import library
from seqloom.kernels.native.library import KERNEL_VARIABLE
from seqloom.kernels.selection import KernelChoice, KernelRequest, choose, native_is_faster, requested_kernel

AUTO = KernelRequest("auto", "")


def test_native_is_preferred() -> None:
    assert choose("GRU", AUTO) == KernelChoice("native", "the compiled kernel is the fastest here")
    slower = choose("GRU", AUTO, faster=False)
    assert slower == KernelChoice("torch", "torch's own kernel is faster at this size")


def test_torch_runs_if_native_cannot() -> None:
    assert choose("GRU", AUTO, [], "native has no projection") == KernelChoice(
        "torch", "native has no projection"
    )


def test_reference_runs_if_neither_native_nor_torch_can() -> None:
    chosen = choose("Recurrent", AUTO, [], "native has no mgu", torch_refusal="torch has no mgu")
    assert chosen == KernelChoice("reference", "native has no mgu, and torch has no mgu")


def test_native_runs_a_tiny_input_if_torch_cannot() -> None:
    chosen = choose("GRU", AUTO, faster=False, torch_refusal="torch's LSTM does not run in torch.bfloat16")
    assert chosen == KernelChoice("native", "the compiled kernel is the fastest here")


def faster(
    cell: str, steps: int, batch: int, hidden: int, *, lengths: bool = False, training: bool = False,
    avx512: bool = True,
) -> bool:  # fmt: skip
    return native_is_faster(cell, steps, batch, hidden, lengths=lengths, training=training, avx512=avx512)


def test_native_is_not_faster_for_empty_inputs() -> None:
    assert not faster("gru", 0, 3, 5)
    assert not faster("lstm", 3, 0, 5, lengths=True)


def test_torch_is_preferred_for_single_training_steps_where_it_is_faster() -> None:
    assert not faster("rnn_tanh", 1, 64, 256, training=True)
    assert faster("rnn_tanh", 2, 64, 256, training=True)
    assert not faster("gru", 1, 15, 512, training=True)
    assert faster("gru", 1, 16, 512, training=True)
    assert faster("gru", 1, 15, 511, training=True)
    assert faster("lstm", 1, 64, 512, training=True)
    assert faster("gru", 1, 64, 512)


def test_torch_is_preferred_for_tiny_inputs() -> None:
    assert not faster("rnn_relu", 1, 1, 127)
    assert faster("rnn_relu", 1, 1, 128)
    assert faster("rnn_relu", 2, 1, 64)
    assert faster("rnn_relu", 1, 1, 8, lengths=True)


def test_without_avx512_torch_is_preferred_for_more_single_steps() -> None:
    for hidden in (64, 256, 1024):
        assert faster("rnn_tanh", 1, 1, hidden) == (hidden >= 128)
        assert not faster("rnn_tanh", 1, 1, hidden, avx512=False)
        assert faster("rnn_tanh", 2, 1, hidden, avx512=False)
    assert faster("gru", 1, 1, 256, training=True)
    assert not faster("gru", 1, 1, 256, training=True, avx512=False)
    assert faster("gru", 1, 64, 127, training=True, avx512=False)
    assert not faster("gru", 1, 64, 128, training=True, avx512=False)
    assert faster("gru", 2, 64, 128, training=True, avx512=False)
    assert faster("gru", 1, 1, 256, avx512=False)


def test_reference_runs_for_options_that_only_it_has() -> None:
    assert choose("GRU", AUTO, ["zoneout"]) == KernelChoice("reference", "zoneout needs the reference kernel")
    both = KernelChoice("reference", "layer_norm and zoneout need the reference kernel")
    assert choose("GRU", AUTO, ["layer_norm", "zoneout"]) == both


@pytest.mark.parametrize("kernel", ["reference", "torch", "native"])
def test_requested_kernel_runs(kernel: str) -> None:
    assert choose("RNN", KernelRequest(kernel, f"kernel={kernel!r}")) == KernelChoice(
        kernel, f"kernel={kernel!r}"
    )


def test_reference_runs_every_case() -> None:
    assert (
        choose("RNN", KernelRequest("reference", "kernel='reference'"), ["zoneout"], "no").kernel
        == "reference"
    )


def test_requested_kernel_that_cannot_run_is_refused_with_the_reason() -> None:
    message = (
        r"^LSTM: kernel='torch' cannot do this: zoneout needs the reference kernel\. Leave kernel=\"auto\"\.$"
    )
    with pytest.raises(ConfigError, match=message):
        choose("LSTM", KernelRequest("torch", "kernel='torch'"), ["zoneout"])
    with pytest.raises(ConfigError, match=r"^LSTM: kernel='torch' cannot do this: torch has no mgu\."):
        choose("LSTM", KernelRequest("torch", "kernel='torch'"), torch_refusal="torch has no mgu")
    with pytest.raises(ConfigError, match=r"^LSTM: SEQLOOM_KERNEL=native cannot do this: it has no LSTM\."):
        choose("LSTM", KernelRequest("native", "SEQLOOM_KERNEL=native"), [], "it has no LSTM")


def test_layer_option_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KERNEL_VARIABLE, raising=False)
    assert requested_kernel("GRU", "auto") == AUTO
    monkeypatch.setenv(KERNEL_VARIABLE, "reference")
    assert requested_kernel("GRU", "auto") == KernelRequest("reference", "SEQLOOM_KERNEL=reference")
    assert requested_kernel("GRU", "torch") == KernelRequest("torch", "kernel='torch'")
    monkeypatch.setenv(KERNEL_VARIABLE, "auto")
    assert requested_kernel("GRU", "auto") == AUTO
    monkeypatch.setenv(KERNEL_VARIABLE, "")
    assert requested_kernel("GRU", "auto") == AUTO


def test_unknown_kernel_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KERNEL_VARIABLE, "refrence")
    message = r"^GRU: SEQLOOM_KERNEL must name a kernel\. Got refrence\. Did you mean `reference`\?$"
    with pytest.raises(ConfigError, match=message):
        requested_kernel("GRU", "auto")


def test_environment_may_name_an_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "load", lambda: library.Library(lambda _: 0, lambda _: 0, 1, 2))
    monkeypatch.setenv(KERNEL_VARIABLE, "native:avx2")
    assert requested_kernel("GRU", "auto") == KernelRequest("native", "SEQLOOM_KERNEL=native:avx2")
    assert requested_kernel("GRU", "torch") == KernelRequest("torch", "kernel='torch'")
    monkeypatch.setenv(KERNEL_VARIABLE, "native:avx512_bf16")
    message = (
        r"^GRU: SEQLOOM_KERNEL=native:avx512_bf16 cannot be had: of what is compiled, this processor has "
        r"avx512 at most\. "
        r'Set SEQLOOM_KERNEL="native"\.$'
    )
    with pytest.raises(ConfigError, match=message):
        requested_kernel("GRU", "auto")
    monkeypatch.setenv(KERNEL_VARIABLE, "native:portable")
    with pytest.raises(ConfigError, match=r"cannot be had: the compiled kernels have been loaded with avx2"):
        requested_kernel("GRU", "auto")
    monkeypatch.setenv(KERNEL_VARIABLE, "native:avx3")
    message = r"^GRU: SEQLOOM_KERNEL must name a kernel\. Got native:avx3\. Did you mean `native:avx2`\?$"
    with pytest.raises(ConfigError, match=message):
        requested_kernel("GRU", "auto")
    monkeypatch.setenv(KERNEL_VARIABLE, "native:avx2")
    monkeypatch.setattr(library, "load", lambda: "it was not built")
    asked = requested_kernel("GRU", "auto")
    with pytest.raises(ConfigError, match=r"SEQLOOM_KERNEL=native:avx2 cannot do this: it was not built\."):
        choose("GRU", asked, [], library.why_unavailable())
