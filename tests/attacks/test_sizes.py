"""A run folder from a stranger asks for no more memory than its files have: attacks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import seqloom
from seqloom.errors import RunError


def change(folder: Path, part: str, key: str, value: Any) -> None:
    """Edit config.json as an attacker does, who takes the checksums away."""
    config = json.loads((folder / "config.json").read_text())
    config[part][key] = value
    del config["checksums"]
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("model", "embedding_size", 100_000_000, "must hold the parameters that config.json describes"),
        ("model", "embedding_size", 10**18, "must describe a model that can be built"),
        ("model", "embedding_size", 10**30, "must describe a model that can be built"),
        ("model", "hidden_size", 1_000_000, "must hold the parameters that config.json describes"),
        ("model", "hidden_size", 1_000_000_000, "must describe a model that can be built"),
        ("model", "num_layers", 90, "must hold the parameters that config.json describes"),
        ("model", "num_layers", 1_000_000_000, "model.num_layers: input should be less than"),
        ("decoding", "max_new_tokens", 10**12, "decoding.max_new_tokens: input should be less than"),
        ("decoding", "num_beams", 1_000_000, "decoding.num_beams: input should be less than"),
    ],
)
def test_what_config_describes_is_compared_before_it_is_built(
    copied: Path, part: str, key: str, value: int, message: str
) -> None:
    change(copied, part, key, value)
    with pytest.raises(RunError, match=re.escape(message)) as raised:
        seqloom.load(copied)
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("little_memory")
def test_a_table_of_ngram_features_is_compared_too(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    config["model"] |= {"ngram_context": 4, "ngram_buckets": 1 << 23}
    del config["checksums"]
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"must hold the parameters that config\.json describes"):
        seqloom.load(copied)
