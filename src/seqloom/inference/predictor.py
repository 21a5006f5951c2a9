"""A trained model in Python: the words of the command line as methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch

from seqloom.data.batching import Batching
from seqloom.data.bucketing import BATCH_SIZE
from seqloom.data.read import read
from seqloom.decoding import DecodingOptions
from seqloom.errors import ConfigError, DataError, RunError, nearest
from seqloom.evaluation.report import Report, measure, report
from seqloom.runs import run_folder
from seqloom.runs.config import RunConfig, resolve
from seqloom.tasks.base import AudioStreaming, Context, Output, TextGeneration


@final
class Predictor:
    """A trained model with all that is needed to use it. Made by `seqloom.load` and `seqloom.train`.

    Args:
        folder: the run folder.
        config: its configuration.
        digest: of the training data.
        preparation: its vocabulary or scaler.
        model: in evaluation mode.
    """

    def __init__(self, folder: Path, config: RunConfig, digest: str, preparation: Any, model: Any) -> None:
        self.folder, self.config, self.preparation, self.model = folder, config, preparation, model
        self._digest = digest

    def __repr__(self) -> str:
        return f"Predictor({str(self.folder)!r}, task={self.config.task.name!r})"

    @torch.inference_mode()
    def predict(self, inputs: Sequence[Any], *, strict: bool = True, **decoding: Any) -> list[Output]:
        """Answers to `inputs`: texts, paths of recordings, or numbers, as the task takes them.

        Args:
            inputs: any number; of any lengths.
            strict: whether an input that cannot be used is an error; else its answer is empty, and its
                details say what is wrong with it.
            decoding: the task's `decoding.*` keys, as `num_beams=5`, over those of the run.

        Returns:
            For each input its answer: a line of text, and its particulars.

        Raises:
            DataError: an input that cannot be used.
            ConfigError: a key that does not exist, or is out of its range.
        """
        context = self.context(**decoding)
        items, places, answers = [], [], [Output("")] * len(inputs)
        for place, value in enumerate(inputs):
            try:
                items.append(self.preparation.encode(value))
                places.append(place)
            except DataError as error:
                if strict:
                    raise
                answers[place] = Output("", {"error": str(error)})
        found = self.config.task.predict(self.model, items, context) if items else []
        for place, answer in zip(places, found, strict=True):
            answers[place] = answer
        return answers

    def context(self, **decoding: Any) -> Context:
        """What the task is told beside model and batch: the run's `decoding.*` keys, and these over them."""
        own = self.config.decoding.model_dump()
        chosen = resolve(self.config.task, [{"decoding": {**own, **decoding}}]).decoding
        return self.config.context(self.preparation, decoding=chosen)

    def generate(
        self, prompt: str | Sequence[str] = "", *, stop: str | Sequence[str] = (), **options: Any
    ) -> str | list[str]:
        """Write on after `prompt`.

        Args:
            prompt: a text, or several, which are written on side by side.
            stop: texts that end the writing; they are left out.
            options: those of `seqloom.DecodingOptions`: `max_new_tokens`, `temperature`, `top_k`, `top_p`,
                `num_beams`, `seed` and so on; `precision="int8"` writes fastest.

        Returns:
            What was written after the prompt, or a list of that where `prompt` is one.

        Raises:
            RunError: the model is not a language model.
            ConfigError: an option that does not exist or is out of its range.
        """
        task, stops = self._language(), _stops(stop)
        chosen = self._options(options, stops)
        prompts = [
            self.preparation.encode(text) for text in ([prompt] if isinstance(prompt, str) else prompt)
        ]
        if not prompts:
            return []
        texts = [
            self.preparation.vocabulary.decode(row) for row in task.generate(self.model, prompts, chosen)
        ]
        written = ["".join(until(stops, [text])) for text in texts]
        return written[0] if isinstance(prompt, str) else written

    def stream(self, prompt: str = "", *, stop: str | Sequence[str] = (), **options: Any) -> Iterator[str]:
        """As `generate`, giving each piece of text as soon as it is there."""
        task, stops = self._language(), _stops(stop)
        chosen = self._options(options, stops)
        if chosen.num_beams > 1:
            hint = "A search has no first token before its last: use `generate`"
            raise ConfigError("stream", "num_beams must be 1", got=chosen.num_beams, hint=hint)
        tokens = task.stream(self.model, self.preparation.encode(prompt), chosen)
        return until(stops, self.preparation.vocabulary.decode_stream(tokens))

    def transcribe_stream(self, chunks: Iterable[Any], **decoding: Any) -> Iterator[str]:
        """Transcribe a recording while it is made.

        Args:
            chunks: float32 arrays (samples,) from -1 to 1, of any lengths, at the model's sample rate.
            decoding: the task's `decoding.*` keys.

        Returns:
            The text, piece by piece, as soon as it is known.

        Raises:
            RunError: the model is of another task, or reads both ways.
        """
        task: object = self.config.task
        if not isinstance(task, AudioStreaming):
            got = self.config.task.name
            raise RunError(self.folder, "expected a model that transcribes audio", got=f"the task {got}")
        return task.transcribe_stream(self.model, chunks, self.context(**decoding))

    def evaluate(
        self,
        data: Path | str,
        split: str | None = None,
        *,
        seed: int = 0,
        strict: bool = False,
        **decoding: Any,
    ) -> Report:
        """Measure the model beside its baseline.

        Args:
            data: as for training.
            split: `train`, `validation`, `test`, or `all`. None: the test split where there is one; else, of
                the data that the model learnt from, the validation split; else all.
            seed: draws the bootstrap interval.
            strict: one bad row among many is an error; else it is skipped and counted.
            decoding: the task's `decoding.*` keys, as `num_beams=5`, over those of the run.

        Raises:
            DataError: the data cannot be read, or has no such split.
        """
        context = self.context(**decoding)
        found = read(data, strict)
        batching = Batching(BATCH_SIZE, self.config.training.window, training=False)
        if split is None:
            learnt = self.preparation.source(found, "train", batching).digest == self._digest
            split = "test" if "test" in found.splits else "validation" if learnt else "all"
        if split not in (*found.splits, "all"):
            raise DataError(data, f"expected a split named {split}", got=", ".join(found.splits))
        source = self.preparation.source(found, split, batching)
        rows = measure(self.config.task, self.model, source, self.model.device, context)
        return report(self.config.task, self.preparation, found, split, rows, source.skipped, seed)

    def _language(self) -> TextGeneration:
        task: object = self.config.task
        if not isinstance(task, TextGeneration):
            got = self.config.task.name
            raise RunError(self.folder, "expected a model that generates text", got=f"the task {got}")
        return task

    def _options(self, options: dict[str, Any], stops: tuple[str, ...]) -> DecodingOptions:
        known = [field.name for field in dataclasses.fields(DecodingOptions)]
        for name in options:
            if name not in known:
                raise ConfigError(
                    "generate", f"unknown option `{name}`", hint=nearest(name, [*known, "stop"])
                )
        # Where a stop is a run of tokens, decoding ends there; `until` finds it wherever it lies.
        vocabulary = self.preparation.vocabulary
        runs = tuple(tuple(vocabulary.encode(text)) for text in stops)
        return DecodingOptions(
            **options, stop_sequences=tuple(r for r in runs if vocabulary.unknown not in r)
        )


def _stops(stop: str | Sequence[str]) -> tuple[str, ...]:
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if "" in stops:
        raise ConfigError("generate", "stop must be a text of at least one character", got="''")
    return stops


def until(stops: Sequence[str], pieces: Iterable[str]) -> Iterator[str]:
    """The text of `pieces` up to the first of `stops`, each part as soon as no stop can begin in it.

    >>> list(until(["end"], ["a e", "n", "d b"]))
    ['a ']
    >>> list(until(["end"], ["a e", "n", "t"]))
    ['a ', 'ent']
    """
    held = ""
    for piece in pieces:
        held += piece
        found = [place for stop in stops if (place := held.find(stop)) >= 0]
        if found:
            held = held[: min(found)]
            break
        begun = [n for stop in stops for n in range(1, len(stop)) if held.endswith(stop[:n])]
        ready = len(held) - max(begun, default=0)
        if ready:
            yield held[:ready]
            held = held[ready:]
    if held:
        yield held


def load(folder: Path | str, device: str | None = None) -> Predictor:
    """Load a run folder.

    Args:
        folder: as `train` made it.
        device: where the model goes; None: a GPU where there is one.

    Raises:
        RunError: it is no run folder, is damaged, or was written by a newer version.
    """
    folder = Path(folder)
    config, digest = run_folder.read_config(folder)
    preparation = config.task.restore(folder, config.data)
    model = config.task.build(preparation, config.model)
    run_folder.load_model(folder, model)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(folder, config, digest, preparation, model.to(place).eval())


def train(
    data: Path | str | None = None,
    *,
    task: str | None = None,
    config: Path | str | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    out: Path | str | None = None,
    resume: bool = False,
    strict: bool = False,
    say: Callable[[str], object] = str,
    show_progress: bool = False,
) -> Predictor:
    """Train a model and load the best of it. Arguments and errors: `seqloom.training.train.train`."""
    from seqloom.training.train import (
        train as run_training,  # which needs accelerate; a model that is only used does not
    )

    folder, _ = run_training(
        data,
        task=task,
        config=config,
        settings=settings,
        out=out,
        resume=resume,
        strict=strict,
        say=say,
        show_progress=show_progress,
    )
    return load(folder)
