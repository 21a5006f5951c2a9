"""Language models in a search for transcripts: an n-gram of those in training, or a trained model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, final

import numpy
import torch

from seqloom.baselines.kneser_ney import NGram
from seqloom.data.text.vocabulary import END_OF_LINE, Vocabulary
from seqloom.decoding.ctc.beam import Prefix, Scorer
from seqloom.decoding.ctc.greedy import BLANK
from seqloom.errors import ConfigError, RunError
from seqloom.state import State, select_rows, tensors_of, with_tensors
from seqloom.tasks.base import LoadedRun, TextGeneration
from seqloom.tasks.transcribe.preparation import NGRAM_ORDERS, Preparation

NGRAM = "ngram"
LoadRun = Callable[[Path], LoadedRun]


def make_scorer(name: str, preparation: Preparation, load_run: LoadRun | None) -> Scorer:
    """The language model that `decoding.language_model` names: `ngram`, or a run folder.

    Raises:
        RunError: there is no such run, or its task has no language model.
        ConfigError: its tokens have another unit.
    """
    if name == NGRAM:
        return NGramScorer(preparation.ngram, NGRAM_ORDERS[preparation.unit])
    assert load_run is not None
    weights = Path(name) / "model.safetensors"
    run = _load(load_run, Path(name), weights.stat().st_mtime_ns if weights.exists() else 0)
    if run.preparation.unit != preparation.unit:
        expected = f"expected a language model of {preparation.unit}s, as the transcripts are"
        raise ConfigError("decoding.language_model", expected, got=f"one of {run.preparation.unit}s")
    return ModelScorer(run.model, token_numbers(run.preparation.vocabulary, preparation))


@final
class NGramScorer:
    """Score prefixes by an n-gram model, whose number 0 begins and ends a text.

    Args:
        ngram: a model of the symbols' numbers.
        order: the length of its longest n-gram.
    """

    def __init__(self, ngram: NGram, order: int) -> None:
        self._ngram, self._context_size = ngram, order - 1
        self._cache: dict[Prefix, numpy.ndarray] = {}

    def __call__(self, prefixes: Sequence[Prefix]) -> numpy.ndarray:
        """The log-probabilities (n, V) of the next symbol after each prefix."""
        return numpy.stack([self._following((BLANK, *prefix)[-self._context_size :]) for prefix in prefixes])

    def _following(self, context: Prefix) -> numpy.ndarray:
        if context not in self._cache:
            self._cache[context] = self._ngram.following(context)
        return self._cache[context]


@final
class ModelScorer:
    """Score prefixes by a recurrent language model; the state after each is cached until the next row begins.

    Args:
        model: in evaluation mode.
        numbers: (V,) the number in the model of the end of a line, then of each symbol.
    """

    def __init__(self, model: Any, numbers: Sequence[int]) -> None:
        self._model, self._numbers = model, torch.tensor(numbers, device=model.device)
        self._states: dict[Prefix, State] = {}

    @torch.inference_mode()
    def __call__(self, prefixes: Sequence[Prefix]) -> numpy.ndarray:
        """The log-probabilities (n, V) of the next symbol after each prefix."""
        if () in prefixes:
            self._states.clear()
        last = [prefix[-1] if prefix else BLANK for prefix in prefixes]
        states = [self._states[prefix[:-1]] for prefix in prefixes if prefix]
        state = _concatenate(states) if states else None
        logits, state = self._model.step(self._numbers[last].unsqueeze(1), state)
        for row, prefix in enumerate(prefixes):
            self._states[prefix] = select_rows(state, torch.tensor([row], device=self._model.device))
        return logits[:, 0].double().log_softmax(-1)[:, self._numbers].cpu().numpy()


def _concatenate(states: Sequence[State]) -> State:
    columns = zip(*map(tensors_of, states), strict=True)
    return with_tensors(states[0], [torch.cat(tensors, dim=1) for tensors in columns])


def token_numbers(vocabulary: Vocabulary, preparation: Preparation) -> list[int]:
    """The numbers in `vocabulary` of the end of a line, then of each symbol, if need be as unknown."""
    unknown = vocabulary.unknown or 0
    symbols = [
        preparation.symbol(number).strip(" ") or " " for number in range(1, len(preparation.vocabulary))
    ]
    end = "\n" if preparation.unit == "character" else END_OF_LINE
    numbers = [vocabulary.tokenizer.token_to_id(text) for text in (end, *symbols)]
    return [unknown if number is None else number for number in numbers]


@lru_cache(maxsize=2)
def _load(load_run: LoadRun, folder: Path, modified: int) -> LoadedRun:
    """A run of a language model; it is read again when its weights were modified."""
    del modified
    run = load_run(folder)
    if not isinstance(run.task, TextGeneration):
        got = f"a run of the task {run.task.name}"
        raise RunError(folder, "expected a run of a language model", got=got)
    return run
