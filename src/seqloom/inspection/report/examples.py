"""What a model answers: to rows of its split, with attention where it has any, and series with forecasts."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch

from seqloom.errors import DataError
from seqloom.inspection.report.scores import draw_rows, shorten
from seqloom.pages import Html, columns, element, heat_strip, paragraph, section
from seqloom.runs.example import read_inputs
from seqloom.tasks.base import Context, Output, TextGeneration
from seqloom.tasks.captioning import Captioning
from seqloom.tasks.forecasting import Forecasting, ForecastRequest
from seqloom.training.monitoring.finished import Finished

NUM_EXAMPLES, NUM_ATTENTIONS, NUM_SERIES = 8, 3, 4
MAX_TRIED = 30
MAX_WINDOWS = 2000
"""Windows of a report up to which series are forecast once more, for a picture: it takes as long again."""
MAX_TOKENS = 60
"""Of an input whose attention is drawn"""


@torch.inference_mode()
def draw_examples(finished: Finished) -> list[Html]:
    """Sections with examples; none where the task has nothing to show."""
    task: object = finished.job.config.task
    sections = []
    outputs = [output for output in finished.rows.outputs if isinstance(output, dict)]
    if outputs:
        stride = max(len(outputs) // NUM_EXAMPLES, 1)
        lead = f"Some of the {len(outputs):,} rows of the {finished.report.split} split, evenly spread."
        sections.append(section("Examples", draw_rows(outputs[::stride], NUM_EXAMPLES), lead=lead))
    elif finished.example is not None:
        sections.append(section("An example", *_draw_answer(finished)))
    if isinstance(task, Forecasting):
        sections += _draw_forecasts(finished, task)
    if "attention" in type(finished.job.config.decoding).model_fields:
        sections += _draw_attention(finished)
    return sections


def _draw_answer(finished: Finished) -> list[Html]:
    assert finished.example is not None
    value, answer = finished.example
    verb = "goes on" if isinstance(finished.job.config.task, TextGeneration) else "answers"
    return [
        paragraph(f"To an input of the {finished.report.split} split,"),
        element("pre", shorten(f"{value}")),
        paragraph(f"the model {verb}:"),
        element("pre", shorten(answer, 1200)),
    ]


def _draw_forecasts(finished: Finished, task: Forecasting) -> list[Html]:
    from seqloom.inference.forecast_picture import draw_series

    if len(finished.rows.nats) > MAX_WINDOWS:
        return []
    context = finished.job.config.context(finished.job.preparation)
    request = ForecastRequest(split=finished.report.split, num_pictured=NUM_SERIES)
    forecast = task.forecast(finished.model, finished.job.data, request, context)
    charts = [draw_series(series) for series in forecast.pictured]
    return (
        [section("Forecasts", columns(*charts), lead="What was forecast, and what came.")] if charts else []
    )


def _draw_attention(finished: Finished) -> list[Html]:
    """What each word of an answer looked at, for the first inputs that are short enough."""
    config, preparation = finished.job.config, finished.job.preparation
    if getattr(config.model, "attention", "none") == "none":
        return []
    context = config.context(preparation, decoding=config.decoding.model_copy(update={"attention": True}))
    inputs = read_inputs(finished.job.data, finished.report.split, preparation.column)
    drawn: list[Html] = []
    for value in islice(inputs, MAX_TRIED):
        try:
            (output,) = config.task.predict(finished.model, [preparation.encode(value)], context)
        except DataError:
            continue
        picture = _draw_one(finished, context, value, output, len(drawn))
        drawn += [picture] if picture else []
        if len(drawn) == NUM_ATTENTIONS:
            break
    lead = "The stronger the color, the greater the weight of what was read when a word was chosen."
    return [section("Attention", *drawn, lead=lead)] if drawn else []


def _draw_one(finished: Finished, context: Context, value: Any, output: Output, place: int) -> Html | None:
    details, task = output.details, finished.job.config.task
    if "attention" not in details or not details["tokens"]:
        return None
    capable: object = task
    if "places" in details and isinstance(capable, Captioning):
        from seqloom.inference.attention_page import AttentionPicture, draw_looks

        pixels = capable.view(context.preparation, Path(value))
        words, weights = details["tokens"][:-1], details["attention"]
        places = tuple(details["places"])
        return draw_looks(
            AttentionPicture(Path(value).name, pixels, output.text, words, weights, places), place
        )
    source, words = details.get("source_tokens"), details["tokens"]
    if not source or len(source) > MAX_TOKENS or len(words) > MAX_TOKENS:
        return None
    weights = [row[: len(source)] for row in details["attention"]]
    return heat_strip(
        weights, title=shorten(output.text), row_names=words, column_names=source, high=1.0, low=0.0
    )
