"""A verb writes its page under the name of a page only, and over nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seqloom.cli.terminal.output import require_new_page
from seqloom.errors import ConfigError, RunError

from ..conftest import seqloom as run

VERBS = (
    ("diagnose", "runs/a", "--out"),
    ("inspect", "runs/a", "a text", "--out"),
    ("check", "runs/a", "data", "--out"),
    ("caption", "runs/a", "photo.jpg", "--attention"),
    ("forecast", "runs/a", "--plot"),
    ("claims", "17", "--out"),
)


@pytest.mark.parametrize("words", VERBS, ids=[words[0] for words in VERBS])
def test_a_page_has_the_name_of_a_page(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*words, "model.safetensors", "--overwrite", cwd=tmp_path)
    assert done.returncode == 2
    message = f"seqloom: {words[-1]}: expected a name that ends in .html. Got model.safetensors.\n"
    assert done.stderr == message
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_is_there_stays_unless_told_otherwise(tmp_path: Path) -> None:
    page = tmp_path / "page.HTML"
    require_new_page("--out", None, overwrite=False)
    require_new_page("--out", page, overwrite=False)
    page.touch()
    with pytest.raises(RunError, match=re.escape("Name another, or add --overwrite")):
        require_new_page("--out", page, overwrite=False)
    require_new_page("--out", page, overwrite=True)
    with pytest.raises(
        ConfigError, match=re.escape("--plot: expected a name that ends in .html. Got b.svg.")
    ):
        require_new_page("--plot", Path("b.svg"), overwrite=False)
