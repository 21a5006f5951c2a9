"""A trained model in use: predict, generate, stream and evaluate, from a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch

from seqloom.errors import ConfigError, DataError, RunError
from seqloom.inference.decoding_options import decoding_options
from seqloom.inference.inputs import check_size
from seqloom.inference.stopping import stop_texts, until
from seqloom.progress import phase
from seqloom.runs import run_folder
from seqloom.runs.config import RunConfig, resolve
from seqloom.runs.other_runs import OtherRuns
from seqloom.tasks.base import AudioStreaming, Composition, Context, Output, TextGeneration
from seqloom.tasks.forecasting import Forecast, ForecastRequest

if TYPE_CHECKING:
    from seqloom.data.music.tune import Tune
    from seqloom.evaluation.report import Report
    from seqloom.inference.tracing import Trace


@final
class Predictor:
    """A trained model with all that is needed to use it. `seqloom.load` and `seqloom.train` make it.

    Args:
        folder: the run folder.
        config: its configuration.
        digest: digest of the training data, by which `evaluate` recognizes it.
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
        """Answer inputs.

        Args:
            inputs: any number of texts, paths of recordings, or arrays of numbers, as the task takes them, of
                any lengths.
            strict: whether an unusable input raises; else its answer is empty, with the message in
                `details["error"]`.
            decoding: the task's `decoding.*` keys, such as `num_beams=5`; they override the run's.

        Returns:
            An answer for each input: a line of text, and details as JSON values.

        Raises:
            DataError: an input cannot be used.
            ConfigError: a key that does not exist or is out of its range.
        """
        context = self.context(**decoding)
        items, places, answers = [], [], [Output("")] * len(inputs)
        with phase("encoding", total=len(inputs)) as encoding:
            for place, value in enumerate(encoding.count(inputs)):
                try:
                    items.append(self.preparation.encode(check_size(value)))
                    places.append(place)
                except DataError as error:
                    if strict:
                        raise
                    answers[place] = Output("", {"error": str(error)})
        outputs = self.config.task.predict(self.model, items, context) if items else []
        for place, output in zip(places, outputs, strict=True):
            answers[place] = output
        return answers

    def trace(self, value: Any, names: Sequence[str] | None = None, *, target: str | None = None) -> Trace:
        """What the recurrent layers compute while the model reads one input, at every step.

        Args:
            value: an input, as for `predict`; of a model that writes text or music, a prompt.
            names: of values, such as `layers.0.forget`, `*.hidden`, `attention`, or, of one unit,
                `layers.0.cell.12`; None: all.
            target: what the decoder reads, if there is one; None: its own most likely output.

        Raises:
            DataError: the input cannot be used.
            ConfigError: a name that does not exist, of which the nearest is named; a target without decoder.
            RunError: the model has no recurrent layers.

        >>> model.trace("a fine film", ["*.forget"])["layers.0.forget"].shape    # doctest: +SKIP
        torch.Size([3, 128])
        """
        from seqloom.inference.tracing import trace_input

        return trace_input(self, value, names, target)

    def clamp(self, values: Mapping[str, Any]) -> AbstractContextManager[None]:
        """Set gates or states to numbers for as long as a block runs, whatever the model does in it.

        Args:
            values: by the names of `trace`: a number, or one for each unit.

        Raises:
            ConfigError: a name that does not exist, or a number that the value cannot have.

        >>> with model.clamp({"layers.0.forget": 0.0}):    # doctest: +SKIP
        ...     model.predict(["a fine film"])
        """
        from seqloom.layers.tracing import clamp

        return clamp(self.model, values)

    def read_inputs(
        self,
        argument: Path | str,
        reading: Mapping[str, Any] | None = None,
        *,
        is_text: bool = False,
        log: Callable[[str], object] = str,
    ) -> list[Any]:
        """The inputs that an argument stands for: those of a table or a text file, a recording, or a text.

        Args:
            argument: a path, or a text.
            reading: how tables and text files are read, as for `evaluate`.
            is_text: whether it is a text, even if it looks like a path.
            log: called with each line about what was recognized in a table.

        Raises:
            DataError: the file is missing or cannot be read.
            ConfigError: a key that does not exist or is out of its range; a text where files are read.

        >>> model.predict(model.read_inputs("reviews.csv"))    # doctest: +SKIP
        """
        from seqloom.inference.inputs import inputs_of, text_of

        column = self.preparation.column
        if is_text and column == "file":
            raise ConfigError("predict", "--text needs a model that reads texts", got="one that reads files")
        options, expected = self.config.read_options(reading or {})
        if is_text:
            return [text_of(str(argument))]
        return inputs_of(str(argument), column, options, expected, lambda note: log(f"{argument}: {note}"))

    def context(self, **decoding: Any) -> Context:
        """What the task needs beside model and batch: preparation, settings, and how to decode.

        Args:
            decoding: the task's `decoding.*` keys; they override the run's.

        Raises:
            ConfigError: a key that does not exist or is out of its range.
        """
        saved = self.config.decoding.model_dump()
        resolved = resolve(self.config.task, [{"decoding": {**saved, **decoding}}])
        context = self.config.context(self.preparation, decoding=resolved.decoding)
        return context._replace(load_run=OtherRuns(self.folder, frozenset(map(str, decoding.values()))))

    def generate(
        self, prompt: str | Sequence[str] = "", *, stop: str | Sequence[str] = (), **options: Any
    ) -> str | list[str]:
        """Continue a prompt with a language model.

        Args:
            prompt: a text, or several, which are continued in one batch.
            stop: a text, or several, that end the continuation; they are left out.
            options: those of `seqloom.DecodingOptions`: `max_new_tokens`, `temperature`, `top_k`, `top_p`,
                `num_beams`, `seed` and so on; they override the run's `decoding.*`. `precision="int8"` is
                fastest.

        Returns:
            The continuation, without the prompt; a list of them where `prompt` is a list.

        Raises:
            RunError: the model is no language model.
            ConfigError: an option that does not exist or is out of its range.
        """
        task, stops = self._language_model(), stop_texts(stop)
        decoding = decoding_options(self.config, self.preparation, options, stops)
        texts = [prompt] if isinstance(prompt, str) else prompt
        prompts = [self.preparation.encode(text) for text in texts]
        if not prompts:
            return []
        decode = self.preparation.vocabulary.decode
        rows = task.generate(self.model, prompts, decoding)
        continuations = ["".join(until(stops, [decode(row)])) for row in rows]
        return continuations[0] if isinstance(prompt, str) else continuations

    def stream(self, prompt: str = "", *, stop: str | Sequence[str] = (), **options: Any) -> Iterator[str]:
        """Continue a prompt as `generate` does, and give each piece of text as soon as it is known.

        Args:
            prompt: a text.
            stop: a text, or several, that end the continuation; they are left out.
            options: as for `generate`; no beam search.

        Raises:
            RunError: the model is no language model.
            ConfigError: an option that does not exist or is out of its range, or `num_beams` above 1.
        """
        task, stops = self._language_model(), stop_texts(stop)
        decoding = decoding_options(self.config, self.preparation, options, stops)
        if decoding.num_beams > 1:
            hint = "A beam search knows its first token only at the end: use `generate`"
            raise ConfigError("stream", "num_beams must be 1", got=decoding.num_beams, hint=hint)
        tokens = task.stream(self.model, self.preparation.encode(prompt), decoding)
        return until(stops, self.preparation.vocabulary.decode_stream(tokens))

    def transcribe_stream(self, chunks: Iterable[Any], **decoding: Any) -> Iterator[str]:
        """Transcribe audio while it is recorded.

        Args:
            chunks: float32 arrays (samples,) from -1 to 1, of any lengths, at the model's sample rate.
            decoding: the task's `decoding.*` keys; they override the run's.

        Returns:
            The text, piece by piece, as soon as it is known.

        Raises:
            RunError: the model does not transcribe audio.
            ConfigError: the model or the decoding needs the whole recording.
        """
        task: object = self.config.task
        if not isinstance(task, AudioStreaming):
            got = f"the task {self.config.task.name}"
            raise RunError(self.folder, "expected a model that transcribes audio", got=got)
        return task.transcribe_stream(self.model, chunks, self.context(**decoding))

    @torch.inference_mode()
    def compose(self, primer: Path | str | Tune | None = None, **decoding: Any) -> Tune:
        """Write a tune, from nothing or on from a primer.

        Args:
            primer: a MIDI file, or a tune; it is the beginning of what is returned.
            decoding: the task's `decoding.*` keys, such as `bars=16`, which are added, `temperature=0.9` or
                `seed=1`; they override the run's. The same seed writes the same tune.

        Returns:
            The tune; `tune.save("tune.mid")` writes it, or `.wav` or `.svg`.

        Raises:
            RunError: the model does not compose.
            DataError: the primer cannot be used.
            ConfigError: a key that does not exist or is out of its range.
        """
        task: object = self.config.task
        if not isinstance(task, Composition):
            got = f"the task {self.config.task.name}"
            raise RunError(self.folder, "expected a model that composes music", got=got)
        context = self.context(**decoding)
        encoded = None if primer is None else self.preparation.encode(primer)
        return task.compose(self.model, [encoded], context)[0]

    @torch.inference_mode()
    def forecast(
        self,
        data: Path | str | None = None,
        h: int | None = None,
        level: Sequence[float] | None = None,
        *,
        split: str | None = None,
        num_pictured: int = 0,
        strict: bool = False,
        reading: Mapping[str, Any] | None = None,
        log: Callable[[str], object] = str,
        **decoding: Any,
    ) -> Forecast:
        """Go on with series from their last observed step on.

        Args:
            data: a table or a folder of series, as for training; None: what the model was trained on.
            h: steps to forecast; None: as many as it was trained for.
            level: of the bands, in percent; None: the run's.
            split: make the forecasts of a backtest of this split instead, from cutoffs that roll through it
                by `decoding.step_size`, with what came beside them.
            num_pictured: series whose history is wanted too, for a picture.
            strict: whether one bad row among many raises; else it is skipped and counted.
            reading: how tables are read, as for `evaluate`.
            log: called with a line about the data.
            decoding: the task's `decoding.*` keys; they override the run's.

        Returns:
            Rows by series and time: `unique_id`, `ds`, and columns `mean`, `lo-80`, `hi-80` …; of a backtest
            also `cutoff` and `y`.

        Raises:
            RunError: the model does not forecast, or its data is needed and has moved.
            DataError: the data cannot be read, or lacks what the model reads.
            ConfigError: an option out of its range.

        >>> model.forecast("sales.csv", h=14, level=[80]).columns["hi-80"]    # doctest: +SKIP
        """
        from seqloom.inference.forecasting import forecast_data

        if level is not None:
            decoding["level"] = list(level) if isinstance(level, Iterable) else level
        request = ForecastRequest(h, split, num_pictured)
        return forecast_data(self, data, request, reading, strict, log, decoding)

    def caption(
        self,
        pictures: Path | str | Sequence[Path | str],
        *,
        attention: Path | str | None = None,
        **decoding: Any,
    ) -> str | list[str]:
        """Write captions of pictures.

        Args:
            pictures: the path of one, or of several, which are captioned in batches.
            attention: an HTML file to write, which shows what each word looked at; it is replaced.
            decoding: the task's `decoding.*` keys, such as `num_beams=5`; they override the run's.

        Returns:
            The caption; a list of them where `pictures` is a list.

        Raises:
            RunError: the model writes no captions.
            DataError: a picture cannot be used.
            ConfigError: a key that does not exist or is out of its range; a model without attention to show.
        """
        from seqloom.inference.captioning import caption_pictures

        is_one = isinstance(pictures, str | Path)
        paths = [pictures] if isinstance(pictures, str | Path) else list(pictures)
        page = None if attention is None else Path(attention)
        texts = [output.text for output in caption_pictures(self, paths, page, **decoding)]
        return texts[0] if is_one else texts

    def evaluate(
        self,
        data: Path | str,
        split: str | None = None,
        *,
        seed: int = 0,
        strict: bool = False,
        reading: Mapping[str, Any] | None = None,
        refit: int | None = None,
        log: Callable[[str], object] = str,
        **decoding: Any,
    ) -> Report:
        """Measure the model beside its baseline.

        Args:
            data: a file or folder, as for training.
            split: `train`, `validation`, `test`, or `all`. None: `test` where there is one; otherwise
                `validation` for the data that the model was trained on, and `all` for other data.
            seed: draws the bootstrap interval.
            strict: whether one bad row among many raises; else it is skipped and counted.
            reading: how tables are read, such as `{"columns": {"text": "body"}}`: the `data.*` keys that
                every task has; they override the run's.
            refit: train anew before every so many windows of a backtest, on all of each series
                that is before its own window.
            log: called with a line about the data: its splits, and what was recognized in it.
            decoding: the task's `decoding.*` keys, such as `num_beams=5`; they override the run's.

        Raises:
            DataError: the data cannot be read, is not of the type that the task reads, or has no such split.
            ConfigError: a key that does not exist or is out of its range; `refit` of no forecasts.
        """
        from seqloom.inference.evaluating import EvaluationRequest, evaluate_data

        request = EvaluationRequest(split, seed, strict, reading, refit)
        return evaluate_data(self, Path(data), request, self._digest, log, decoding)

    def _language_model(self) -> TextGeneration:
        task: object = self.config.task
        if not isinstance(task, TextGeneration):
            got = f"the task {self.config.task.name}"
            raise RunError(self.folder, "expected a model that generates text", got=got)
        return task


def load(folder: Path | str, device: str | None = None) -> Predictor:
    """Load a trained model from its run folder.

    Args:
        folder: a run folder, as `train` makes it.
        device: where the model goes, such as `cpu` or `cuda`; None: a GPU where there is one.

    Raises:
        RunError: it is no run folder, is damaged, or was written by a newer version.

    >>> import seqloom
    >>> model = seqloom.load("runs/reviews")             # doctest: +SKIP
    >>> model.predict(["a fine film"])[0].text           # doctest: +SKIP
    'positive'
    """
    folder = Path(folder)
    config, digest = run_folder.read_config(folder)
    preparation = run_folder.restore_preparation(folder, config)
    model = run_folder.load_trained(folder, config, preparation)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(folder, config, digest, preparation, model.to(place))
