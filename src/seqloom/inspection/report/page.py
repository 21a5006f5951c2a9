"""`report.html`: the course of a training, how good the model is, what it gets wrong, what it answers."""

from __future__ import annotations

from pathlib import Path

from seqloom.evaluation.report import describe_baseline, verdict
from seqloom.inspection.report.course import draw_course, read_course
from seqloom.inspection.report.examples import draw_examples
from seqloom.inspection.report.findings import draw_verdicts
from seqloom.inspection.report.scores import draw_details, draw_scores
from seqloom.inspection.report.setup import draw_setup, make_command
from seqloom.pages import footer_here, paragraph, render_page, section
from seqloom.runs.run_folder import METRICS
from seqloom.training.monitoring.finished import Finished
from seqloom.training.monitoring.summary import describe_best


def draw_report(finished: Finished) -> str:
    """The page of a training that is over, as one string.

    Args:
        finished: the training, with its data and its best weights in memory.
    """
    report, state, config = finished.report, finished.state, finished.job.config
    course = read_course(finished.folder / METRICS, finished.job.preparation.unit)
    name = Path(report.data).resolve().name
    parts = [
        section(
            "How good it is",
            draw_scores(report),
            paragraph(describe_baseline(report), "note") if report.baseline_name else "",
            lead=f"Measured on the {report.split} split, with 95 % bootstrap intervals.",
        ),
        section(
            "The course of the training",
            draw_course(course, report, state, config.training.gradient_clip),
            lead=f"It stopped at {state.stop_reason}, step {state.step:,}; {describe_best(state)}.",
        ),
    ]
    parts.insert(1, draw_verdicts(finished))
    parts += draw_details(report.details)
    parts += draw_examples(finished)
    parts.append(section("What was trained", draw_setup(finished)))
    return render_page(
        f"{finished.folder.resolve().name}: {config.task.name}, from {name}",
        parts,
        lead=verdict(report),
        footer=footer_here(make_command(finished), remarks=report.remarks),
        data={"report": report.to_dict()},
    )
