"""Music as events: what `compose` does with MIDI files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy
import torch

from seqloom.baselines.budget import Budget
from seqloom.baselines.kneser_ney import NGram
from seqloom.data.batching import Window
from seqloom.data.music.dataset import Music
from seqloom.data.music.tune import Tune
from seqloom.data.ragged import Ragged
from seqloom.errors import DataError
from seqloom.models.dropout import Dropouts
from seqloom.models.language_model import LanguageModel
from seqloom.progress import phase
from seqloom.state import State, map_state, tensors_of
from seqloom.tasks.base import Baseline, Context, Loss, Rows
from seqloom.tasks.compose.comparison import MAX_REFERENCE, compare_metres, compare_tunes, is_sound, spread
from seqloom.tasks.compose.config import DataConfig, ModelConfig
from seqloom.tasks.compose.events.preparation import Preparation
from seqloom.tasks.compose.events.writing import bigram_step, write_tunes
from seqloom.tasks.next_token import next_token_loss
from seqloom.tasks.tracing import ForwardPass


@final
class Events:
    """MIDI files in, a language model of their events out."""

    def prepare(self, data: Music, config: DataConfig) -> Preparation:
        """Look at the training tunes, and tokenize them."""
        return Preparation.fit(_require_files(data), config)

    def restore(self, folder: Path, config: DataConfig) -> Preparation:
        """Read the preparation of a run folder."""
        del config  # all of it is in the preparation
        return Preparation.load(folder)

    def divide(self, preparation: Preparation, data: Music) -> Music:
        """MIDI files as they are."""
        del preparation
        return _require_files(data)

    def build(self, preparation: Preparation, config: ModelConfig) -> LanguageModel:
        """A language model over the tokens, which begins with the frequency of each."""
        dropouts = Dropouts(config.dropout, config.dropout, config.dropout)
        recurrent = config.recurrent_config(dropouts)
        model = LanguageModel(len(preparation.tokenizer), config.embedding_size, recurrent)
        with torch.no_grad():
            model.output.bias.copy_(torch.from_numpy(preparation.log_frequencies()))
        return model

    def loss(self, model: LanguageModel, batch: Window, state: State | None, context: Context) -> Loss:
        """Cross-entropy of each next token; a tune begins from the initial state."""
        bos = context.preparation.tokenizer.bos
        if state is not None:
            goes_on = (batch.inputs[:, 0] != bos)[None, :, None]
            first = model.initial_state(len(batch.inputs))
            state = _select(goes_on, state, first)
        return next_token_loss(model, batch, state)

    def evaluate_batch(
        self, model: LanguageModel, batch: Window, state: State | None, context: Context
    ) -> Loss:
        """The same of whole tunes."""
        return next_token_loss(model, batch, None)

    def compose(self, model: LanguageModel, primers: Sequence[Tune | None], context: Context) -> list[Tune]:
        """A tune for each primer, all from the same seed."""
        seeds = [context.decoding.seed] * len(primers)
        return write_tunes(
            model.step, None, context.preparation, primers, context.decoding, seeds, model.device
        )

    def forward_pass(self, model: LanguageModel, tune: Tune, context: Context) -> ForwardPass:
        """The model reads a tune, event by event, from its start."""
        tokenizer = context.preparation.tokenizer
        tokens = tokenizer.encode(tune).tokens[:-1].astype(numpy.int64)  # what follows the end is not modeled

        def run() -> None:
            model(torch.from_numpy(tokens)[None].to(model.device))

        names = (tokenizer.names[token].removesuffix("_None") for token in tokens)
        return ForwardPass([name.replace("_", " ") for name in names], run)

    def baseline(self, preparation: Preparation, data: Music, split: str, budget: Budget) -> Baseline | None:
        """A bigram model of tokens (Kneser-Ney)."""
        if split == "all":
            return None
        del budget  # it only counts
        train, rows = preparation.tokens(data, "train").rows, preparation.tokens(data, split).rows
        model = NGram(numpy.concatenate(list(train.chunks())), len(preparation.tokenizer), order=2)
        tunes = [rows.row(row) for row in range(len(rows))]
        nats = numpy.array([model.nats(tune).sum() for tune in tunes])
        return Baseline("bigram (Kneser-Ney)", Rows(nats, numpy.array([len(tune) - 1 for tune in tunes])))

    def compare(self, model: Any, data: Music, split: str, context: Context) -> Mapping[str, Any]:
        """Statistics of tunes that the model writes, of tunes of the split, and of a bigram model."""
        preparation, config = context.preparation, context.decoding
        if split == "all" or not config.report_tunes:
            return {}
        train, held_out = (preparation.tokens(data, name).rows for name in ("train", split))
        count = config.report_tunes
        seeds = [(config.seed + number) % 2**32 for number in range(count)]

        def take(rows: Ragged, most: int) -> list[Tune]:
            return [preparation.tokenizer.decode(rows.row(row)) for row in spread(len(rows), most)]

        with phase("comparing tunes"):
            training = take(train, MAX_REFERENCE)
            # A model of short tunes knows nothing of what would come after them
            bars = min(config.bars, int(numpy.median([tune.num_bars for tune in training])))
            config = config.model_copy(update={"bars": bars})
            plain = config.model_copy(update={"temperature": 1.0, "top_k": 0, "top_p": 1.0})
            step = bigram_step(numpy.concatenate(list(train.chunks())), len(preparation.tokenizer))
            nothing = [None] * count
            written = write_tunes(model.step, None, preparation, nothing, config, seeds, model.device)
            bigram = write_tunes(step, None, preparation, nothing, plain, seeds)
            sets = {"model": written, "held out": take(held_out, count), "bigram": bigram}
            metres = compare_metres({"training": training, **sets})
            compared = compare_tunes(training, sets, bars, len(train))
            sound = sum(is_sound(tune, bars) for tune in written)
            return {"metres": metres, **compared, "sound_files": f"{sound:,} of {count:,}"}


def _select(mask: torch.Tensor, state: State, other: State) -> State:
    """`state` in the rows of `mask` (1, B, 1), `other` in the rest."""
    rest = iter(tensors_of(other))
    return map_state(lambda tensor: torch.where(mask, tensor, next(rest).to(tensor.dtype)), state)


def _require_files(data: Music) -> Music:
    """The data, if it is MIDI files.

    Raises:
        DataError: it is piano rolls.
    """
    if data.kind == "frames":
        hint = "A model of piano rolls is trained with data.music=frames"
        raise DataError(data.path, "expected MIDI files to read as events", got="piano rolls", hint=hint)
    return data
