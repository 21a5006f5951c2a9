"""What a run may open beside its own files: a run inside its folder, or one that its user names."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from seqloom.errors import RunError
from seqloom.runs.run_folder import load_run
from seqloom.tasks.base import LoadedRun


class OtherRuns(NamedTuple):
    """Loads other runs for a run, whose configuration a stranger may have written.

    Fields:
        folder: of the run.
        named: the paths that the user has named, as they were written.
    """

    folder: Path
    named: frozenset[str]

    def __call__(self, path: Path) -> LoadedRun:
        """The run that a setting names: by the user as it is, else from the run folder on.

        Raises:
            RunError: only the run's configuration names it, and it is not in the run folder; or it is no run.
        """
        if str(path) in self.named:
            return load_run(path)
        inside = self.folder / path
        if not inside.resolve().is_relative_to(self.folder.resolve()):
            expected = f"must be in {self.folder}, whose configuration names it"
            setting = shlex.quote(f"decoding.language_model={path}")
            hint = f"If you trust it, name it yourself, as by --set {setting}"
            raise RunError(path, expected, hint=hint)
        return load_run(inside)
