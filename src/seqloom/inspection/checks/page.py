"""The checks of a run as a page: what failed first, then every check with its numbers."""

from __future__ import annotations

import shlex
from collections import Counter

from seqloom.inspection.checks.finding import CheckReport, CheckResult
from seqloom.pages import Html, Tile, footer_here, paragraph, render_page, section, tiles
from seqloom.pages.tiles import Tone

TONES: dict[str, Tone] = {"pass": "good", "fail": "bad", "not applicable": "none"}


def draw_checks(report: CheckReport, command: str = "") -> str:
    """The page, as one string.

    Args:
        report: of all checks, or of some.
        command: what makes the page again, for its footer; by default without options.
    """
    counts = Counter(check.result for check in report.checks)
    passed, failed, rest = (counts[result] for result in TONES)
    lead = f"{passed} checks passed, {failed} failed, {rest} are not applicable."
    if report.failed:
        lead += f" Failed: {', '.join(report.failed)}."
    usual = ["seqloom", "check", report.run, report.data, "--split", report.split]
    groups = {
        "What failed": [check for check in report.checks if check.result == "fail"],
        "What passed": [check for check in report.checks if check.result == "pass"],
        "What is not applicable": [check for check in report.checks if check.result == "not applicable"],
    }
    parts = [section(title, tiles(list(map(_tile, checks)))) for title, checks in groups.items() if checks]
    title = f"Checks of {report.run}, on the {report.split} split of {report.data}"
    return render_page(
        title,
        parts,
        lead=lead,
        footer=footer_here(command or shlex.join(usual)),
        data={"checks": report.to_dict()},
    )


def _tile(check: CheckResult) -> Tile:
    body = paragraph(f"{check.evidence}.")
    if check.advice:
        body = Html(body + paragraph(f"{check.advice}.", "note"))
    return Tile(
        check.claim, check.result, TONES[check.result], body=body, anchor=check.name, label=check.name
    )
