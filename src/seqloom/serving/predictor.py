"""A trained model in Python: the words of the command line as methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch

from seqloom.data.read import read
from seqloom.decoding import DecodingOptions
from seqloom.errors import ConfigError, DataError, RunError, nearest
from seqloom.tasks.contract import Batching
from seqloom.tasks.generate import Generate
from seqloom.training import run_folder
from seqloom.training.config import RunConfig
from seqloom.training.evaluation import BATCH_SIZE, Report, measure, report

NO_PROMPT = "\n"
"""What a text is begun with where there is no prompt: a new line."""


@final
class Predictor:
    """A trained model with all that is needed to use it. Made by `seqloom.load` and `seqloom.train`.

    Args:
        folder: the run folder.
        config: its configuration.
        preparation: its vocabulary or scaler.
        model: in evaluation mode.
    """

    def __init__(self, folder: Path, config: RunConfig, preparation: Any, model: Any) -> None:
        self.folder, self.config, self.preparation, self.model = folder, config, preparation, model

    def __repr__(self) -> str:
        return f"Predictor({str(self.folder)!r}, task={self.config.task.name!r})"

    def generate(self, prompt: str | Sequence[str] = "", **options: Any) -> str | list[str]:
        """Write on after `prompt`.

        Args:
            prompt: a text, or several, which are written on side by side.
            options: those of `seqloom.DecodingOptions` (`max_new_tokens`, `temperature`, `top_k`, `top_p`,
                `num_beams`, `seed` …), and `stop`, a text or several that end the writing.

        Returns:
            What was written after the prompt, or a list of that where `prompt` is one.

        Raises:
            RunError: the model is not a language model.
            ConfigError: an option that does not exist or is out of its range.
        """
        task, chosen = self._language(), self._options(options)
        prompts = [self._encode(text) for text in ([prompt] if isinstance(prompt, str) else prompt)]
        if not prompts:
            return []
        written = [self._decode(row) for row in task.predict(self.model, prompts, chosen)]
        return written[0] if isinstance(prompt, str) else written

    def stream(self, prompt: str = "", **options: Any) -> Iterator[str]:
        """As `generate`, giving each piece of text as soon as it is there."""
        task, chosen = self._language(), self._options(options)
        if chosen.num_beams > 1:
            raise ConfigError(
                "stream", "num_beams must be 1, since a search ends with its last token", got=chosen.num_beams
            )
        return self.preparation.vocabulary.decode_stream(
            task.stream(self.model, self._encode(prompt), chosen)
        )

    def evaluate(self, data: Path | str, split: str | None = None) -> Report:
        """Measure the model beside its baseline.

        Args:
            data: as for training.
            split: `train`, `validation`, `test`, or `all` for a text that the model has never seen; None: the
                test split where there is one, else the validation split.

        Raises:
            DataError: the data cannot be read, or has no such split.
        """
        text = read(data)
        split = split or ("test" if "test" in text.splits else "validation")
        if split not in (*text.splits, "all"):
            raise DataError(data, f"expected a split named {split}", got=", ".join(text.splits))
        batching = Batching(BATCH_SIZE, self.config.training.window, training=False)
        source = self.preparation.source(text, split, batching)
        device = next(self.model.parameters()).device
        rows = measure(self.config.task, self.model, source, device)
        return report(self.config.task, self.preparation, text, split, rows)

    def _language(self) -> Generate:
        if not isinstance(self.config.task, Generate):
            raise RunError(self.folder, "expected a model of the task generate", got=self.config.task.name)
        return self.config.task

    def _encode(self, prompt: str) -> list[int]:
        return self.preparation.vocabulary.encode(prompt) or self.preparation.vocabulary.encode(NO_PROMPT)

    def _decode(self, tokens: Sequence[int]) -> str:
        return self.preparation.vocabulary.decode(tokens)

    def _options(self, options: dict[str, Any]) -> DecodingOptions:
        stop = options.pop("stop", ())
        stops = tuple(tuple(self._encode(text)) for text in ([stop] if isinstance(stop, str) else stop))
        known = [field.name for field in dataclasses.fields(DecodingOptions)]
        for name in options:
            if name not in known:
                raise ConfigError(
                    "generate", f"unknown option `{name}`", mend=nearest(name, [*known, "stop"])
                )
        return DecodingOptions(**options, stop_sequences=stops)


def load(folder: Path | str, device: str | None = None) -> Predictor:
    """Load a run folder.

    Args:
        folder: as `train` made it.
        device: where the model goes; None: a GPU where there is one.

    Raises:
        RunError: it is no run folder, is damaged, or was written by a newer version.
    """
    folder = Path(folder)
    config = run_folder.read_config(folder)
    preparation = config.task.restore(folder, config.data)
    model = config.task.build(preparation, config.model)
    run_folder.load_model(folder, model)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(folder, config, preparation, model.to(place).eval())


def train(
    data: Path | str | None = None,
    *,
    task: str | None = None,
    config: Path | str | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    out: Path | str | None = None,
    resume: bool = False,
    say: Callable[[str], object] = str,
    show_progress: bool = False,
) -> Predictor:
    """Train a model and load the best of it. Arguments and errors: `seqloom.training.start.train`."""
    from seqloom.training import start  # which needs accelerate; a model that is only used does not

    folder, _ = start.train(
        data,
        task=task,
        config=config,
        settings=settings,
        out=out,
        resume=resume,
        say=say,
        show_progress=show_progress,
    )
    return load(folder)
