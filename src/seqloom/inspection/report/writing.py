"""Write `report.html` into the run folder of a training that has just ended."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from seqloom.errors import RunError, one_line
from seqloom.files import write_atomically
from seqloom.inspection.report.page import draw_report
from seqloom.runs.run_folder import REPORT
from seqloom.training.monitoring.finished import Finished


def write_report(finished: Finished, log: Callable[[str], object] = str) -> None:
    """Write the page. Whatever goes wrong with it is one line: the training is not lost.

    Args:
        finished: a training that is over.
        log: called with the line.
    """
    path = finished.folder / REPORT
    try:
        write_atomically(path, draw_report(finished))
    except RunError as error:
        again = f"seqloom train --out {shlex.quote(str(finished.folder))} --resume"
        log(one_line(f"{error} The model is trained and saved; for its page: {again}"))
    except Exception as error:
        log(one_line(f"{path} was not written: {type(error).__name__}: {error}"))
