"""Which kernel runs, and why."""

from __future__ import annotations

import pytest

from seqloom.errors import ConfigError
from seqloom.kernels.choose import VARIABLE, Choice, Wish, choose, wish

AUTO = Wish("auto", "")


def test_torch_runs_where_nothing_asks_for_more() -> None:
    assert choose("GRU", AUTO) == Choice("torch", "nothing asks for more than torch's own kernel can do")


def test_reference_runs_where_an_option_needs_it() -> None:
    assert choose("GRU", AUTO, ["zoneout"]) == Choice("reference", "zoneout needs the reference kernel")
    both = Choice("reference", "layer_norm and zoneout need the reference kernel")
    assert choose("GRU", AUTO, ["layer_norm", "zoneout"]) == both


def test_auto_never_takes_native() -> None:
    assert choose("RNN", AUTO, [], None).kernel == "torch"


@pytest.mark.parametrize("kernel", ["reference", "torch", "native"])
def test_a_kernel_that_is_asked_for_runs(kernel: str) -> None:
    assert choose("RNN", Wish(kernel, f"kernel={kernel!r}")) == Choice(kernel, f"kernel={kernel!r}")


def test_reference_can_do_everything() -> None:
    assert choose("RNN", Wish("reference", "kernel='reference'"), ["zoneout"], "no").kernel == "reference"


def test_a_kernel_that_cannot_is_refused_with_the_reason() -> None:
    message = (
        r"^LSTM: kernel='torch' cannot do this: zoneout needs the reference kernel\. Leave kernel=\"auto\"\.$"
    )
    with pytest.raises(ConfigError, match=message):
        choose("LSTM", Wish("torch", "kernel='torch'"), ["zoneout"])
    with pytest.raises(ConfigError, match=r"^LSTM: SEQLOOM_KERNEL=native cannot do this: it has no LSTM\."):
        choose("LSTM", Wish("native", "SEQLOOM_KERNEL=native"), [], "it has no LSTM")


def test_the_layer_asks_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert wish("GRU", "auto") == AUTO
    monkeypatch.setenv(VARIABLE, "reference")
    assert wish("GRU", "auto") == Wish("reference", "SEQLOOM_KERNEL=reference")
    assert wish("GRU", "torch") == Wish("torch", "kernel='torch'")
    monkeypatch.setenv(VARIABLE, "auto")
    assert wish("GRU", "auto") == AUTO
    monkeypatch.setenv(VARIABLE, "")
    assert wish("GRU", "auto") == AUTO


def test_an_unknown_kernel_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "refrence")
    message = r"^GRU: SEQLOOM_KERNEL must name a kernel\. Got refrence\. Did you mean `reference`\?$"
    with pytest.raises(ConfigError, match=message):
        wish("GRU", "auto")
