"""A run folder from a stranger opens nothing outside itself."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import seqloom
from seqloom.errors import RunError
from seqloom.runs.other_runs import OtherRuns


def test_a_run_in_the_folder_is_opened_and_one_outside_it_only_if_the_user_names_it(
    trained: Path, copied: Path
) -> None:
    shutil.copytree(trained, copied / "language")
    model = seqloom.load(copied)
    load_run = model.context().load_run
    assert load_run is not None
    assert load_run(Path("language")).task.name == "generate"

    for outside in (trained, Path("..") / copied.name / ".." / "elsewhere", Path("/")):
        message = re.escape(f"{outside}: must be in {copied}, whose configuration names it. ")
        with pytest.raises(RunError, match=message):
            load_run(outside)
    (copied / "link").symlink_to(trained)
    with pytest.raises(RunError, match="link: must be in"):
        load_run(Path("link"))

    named = OtherRuns(copied, frozenset({str(trained)}))
    assert named(trained).task.name == "generate"
