"""Language models for the search of transcripts: an n-gram of those learnt from, or a trained model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, final

import numpy
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from seqloom.baselines.kneser_ney import NGram
from seqloom.data.text.vocabulary import END_OF_LINE, Vocabulary
from seqloom.decoding.ctc.beam import Prefix, Scorer
from seqloom.decoding.ctc.greedy import BLANK
from seqloom.errors import ConfigError, RunError
from seqloom.models.language_model import LanguageModel
from seqloom.state import State, select_rows, tensors_of, with_tensors
from seqloom.tasks.generate.task import Generate
from seqloom.tasks.transcribe.preparation import NGRAM_ORDERS, Preparation

NGRAM = "ngram"


def scorer_of(name: str, preparation: Preparation) -> Scorer:
    """The language model that `decoding.language_model` names: `ngram`, or a run folder.

    Raises:
        RunError: there is no such run, or it is of another task.
        ConfigError: its units are others.
    """
    if name == NGRAM:
        return NGramScorer(preparation.ngram, NGRAM_ORDERS[preparation.unit])
    weights = Path(name) / "model.safetensors"
    changed = weights.stat().st_mtime_ns if weights.exists() else 0
    unit, vocabulary, model = _load(Path(name), changed)
    if unit != preparation.unit:
        expected = f"expected a language model of {preparation.unit}s, as the transcripts are"
        raise ConfigError("decoding.language_model", expected, got=f"one of {unit}s")
    return ModelScorer(model, numbers_in(vocabulary, preparation))


@final
class NGramScorer:
    """An n-gram model, whose number 0 begins and ends a text.

    Args:
        ngram: of the same numbers.
        order: its longest gram.
    """

    def __init__(self, ngram: NGram, order: int) -> None:
        self._ngram, self._reach = ngram, order - 1
        self._known: dict[Prefix, numpy.ndarray] = {}

    def __call__(self, prefixes: Sequence[Prefix]) -> numpy.ndarray:
        """Log-probabilities (n, V) of what follows each."""
        return numpy.stack([self._following((BLANK, *prefix)[-self._reach :]) for prefix in prefixes])

    def _following(self, context: Prefix) -> numpy.ndarray:
        if context not in self._known:
            self._known[context] = self._ngram.following(context)
        return self._known[context]


@final
class ModelScorer:
    """A recurrent language model; the state after each prefix is kept until the next row begins.

    Args:
        model: in evaluation mode.
        numbers: (V,) of each symbol its number in the model; the first is that of the end of a line.
    """

    def __init__(self, model: LanguageModel, numbers: Sequence[int]) -> None:
        self._model, self._numbers = model, torch.tensor(numbers, device=model.device)
        self._states: dict[Prefix, State] = {}

    @torch.inference_mode()
    def __call__(self, prefixes: Sequence[Prefix]) -> numpy.ndarray:
        """Log-probabilities (n, V) of what follows each."""
        if () in prefixes:
            self._states.clear()
        last = [prefix[-1] if prefix else BLANK for prefix in prefixes]
        before = [self._states[prefix[:-1]] for prefix in prefixes if prefix]
        state = _side_by_side(before) if before else None
        logits, state = self._model.step(self._numbers[last].unsqueeze(1), state)
        for row, prefix in enumerate(prefixes):
            self._states[prefix] = select_rows(state, torch.tensor([row], device=self._model.device))
        return logits[:, 0].double().log_softmax(-1)[:, self._numbers].cpu().numpy()


def _side_by_side(states: Sequence[State]) -> State:
    columns = zip(*map(tensors_of, states), strict=True)
    return with_tensors(states[0], [torch.cat(tensors, dim=1) for tensors in columns])


def numbers_in(vocabulary: Vocabulary, preparation: Preparation) -> list[int]:
    """Of each symbol its number in `vocabulary`, or that of the unknown; first, that of a line's end."""
    unknown = vocabulary.unknown or 0
    symbols = [
        preparation.symbol(number).strip(" ") or " " for number in range(1, len(preparation.vocabulary))
    ]
    ends = "\n" if preparation.unit == "character" else END_OF_LINE
    found = [vocabulary.tokenizer.token_to_id(text) for text in (ends, *symbols)]
    return [unknown if number is None else number for number in found]


@lru_cache(maxsize=2)
def _load(folder: Path, changed: int) -> tuple[str, Vocabulary, LanguageModel]:
    """A language model: what its tokens are, its vocabulary, and itself; read again when it changed."""
    del changed
    task = Generate()
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config["task"] != task.name:
            got = f"a run of the task {config['task']}"
            raise RunError(folder, "expected a run of the task generate", got=got)
        data = task.DataConfig.model_validate(config["data"])
        preparation = task.restore(folder, data)
        model = task.build(preparation, task.ModelConfig.model_validate(config["model"]))
        # Tied weights are written once, under the first of their names.
        wrong = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    except (OSError, KeyError, SafetensorError, RuntimeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise RunError(folder, "expected the run folder of a language model", got=got) from None
    tied = ["output.weight"] if model.output.weight is model.embedding.weight else []
    if wrong.unexpected_keys or [name for name in wrong.missing_keys if name not in tied]:
        raise RunError(folder, "must hold the parameters that config.json describes", got="others")
    return data.unit, preparation.vocabulary, model.eval()
