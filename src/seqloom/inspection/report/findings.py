"""What the course of a training says by itself, by name, each with the one change to try first."""

from __future__ import annotations

import shlex

from seqloom.inspection.diagnosis.history import History, read_history
from seqloom.inspection.diagnosis.verdicts import Circumstances, Verdict, verdicts_of_history
from seqloom.pages import Html, Tile, element, number, section, text, tiles
from seqloom.training.monitoring.finished import Finished


def judge_training(finished: Finished) -> list[Verdict]:
    """The verdicts of a training that is over, by its records and its report; empty where nothing is bad."""
    training = finished.job.config.training
    circumstances = Circumstances(
        is_better=finished.report.is_better,
        window=training.window,
        learning_rate=training.learning_rate,
        gradient_clip=training.gradient_clip,
    )
    return verdicts_of_history(read_history(finished.folder), circumstances)


def describe_course(history: History) -> Tile:
    """A tile for where no verdict is bad: whether the losses fell, as far as there are records."""
    curves = {"training": history.train.values, "validation": history.validation.values}
    known = {name: values for name, values in curves.items() if len(values) > 1}
    if not known:
        words = "Nothing was recorded twice, so that there is no course to judge."
        return Tile("nothing bad", "too short to say", "none", body=words)
    courses = [f"{name} from {number(values[0])} to {number(values[-1])}" for name, values in known.items()]
    return Tile("nothing bad", "healthy so far", "good", body=f"The losses went: {', '.join(courses)} nats.")


def draw_verdicts(finished: Finished) -> Html:
    """A tile for each verdict."""
    findings = [
        Tile(verdict.name, "try first", "bad", body=f"{verdict.evidence}. {verdict.advice}.")
        for verdict in judge_training(finished)
    ]
    nothing = describe_course(read_history(finished.folder))
    command = element("code", f"seqloom diagnose {shlex.quote(str(finished.folder))}")
    more = Html(f"<p>{command} {text('measures gradients, gates and memory, and says why.')}</p>")
    lead = "By its records and its report alone."
    return section("Verdict", tiles(findings or [nothing]), more, lead=lead)
