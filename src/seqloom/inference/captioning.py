"""Captions of pictures by a trained model, and the page that shows what each word looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqloom.errors import ConfigError, RunError
from seqloom.files import write_atomically
from seqloom.inference.attention_page import AttentionPicture, draw_attention_page
from seqloom.tasks.base import Output
from seqloom.tasks.captioning import Captioning

if TYPE_CHECKING:
    from seqloom.inference.predictor import Predictor

AT_A_TIME = 256
"""Pictures whose maps are in memory"""


def caption_pictures(
    predictor: Predictor,
    paths: Sequence[Path | str],
    attention: Path | None = None,
    *,
    strict: bool = True,
    **decoding: Any,
) -> list[Output]:
    """The captions of pictures.

    Args:
        predictor: of a model that writes captions.
        paths: of the pictures.
        attention: an HTML file to write, which shows what each word looked at; None: none.
        strict: whether a picture that cannot be used raises; else its answer is empty, with an error.
        decoding: the task's `decoding.*` keys; they override the run's.

    Raises:
        RunError: the model writes no captions, or the file cannot be written.
        ConfigError: the model has no attention to show.
        DataError: a picture cannot be used.
    """
    task: object = predictor.config.task
    if not isinstance(task, Captioning):
        got = f"the task {predictor.config.task.name}"
        raise RunError(predictor.folder, "expected a model that writes captions", got=got)
    if attention is not None:
        kind = predictor.config.model.model_dump().get("attention")
        if kind == "none":
            raise ConfigError("--attention", "needs a model that has attention", got="model.attention=none")
        decoding["attention"] = True
    outputs = [
        output
        for start in range(0, len(paths), AT_A_TIME)
        for output in predictor.predict(paths[start : start + AT_A_TIME], strict=strict, **decoding)
    ]
    if attention is not None:
        preparation = predictor.preparation
        pictures = (
            AttentionPicture(
                Path(path).name,
                task.view(preparation, Path(path)),
                output.text,
                output.details["tokens"][:-1],
                output.details["attention"],
                tuple(output.details["places"]),
            )
            for path, output in zip(paths, outputs, strict=True)
            if "error" not in output.details
        )
        write_atomically(attention, draw_attention_page(pictures))
    return outputs
