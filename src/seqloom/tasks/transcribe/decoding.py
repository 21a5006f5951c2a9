"""What a transcriber is charged for, and how it writes: by CTC, by attention, and from a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from seqloom.data.audio.features import log_mel_stream
from seqloom.data.audio.spec_augment import SpecAugment
from seqloom.decoding.ctc.beam import CTCBeamOptions, ctc_beam_search
from seqloom.decoding.ctc.greedy import BLANK, ctc_greedy_decode, ctc_greedy_decode_step
from seqloom.errors import ConfigError
from seqloom.layers.masking import valid_mask, zero_padding
from seqloom.models.ctc_transcriber import Transcriber
from seqloom.state import State
from seqloom.tasks.base import Context, Loss
from seqloom.tasks.seq2seq import write
from seqloom.tasks.transcribe.language_models import scorer_of
from seqloom.tasks.transcribe.preparation import Preparation, Utterances


def loss_of(model: Any, batch: Utterances, context: Context) -> tuple[Loss, Any]:
    """The loss, and what the model heard: logits of CTC, or what its decoder looks back at."""
    config, features = context.model, batch.features
    if model.training:
        augment = SpecAugment(
            time_masks=config.time_masks,
            time_mask_frames=config.time_mask_frames,
            frequency_masks=config.frequency_masks,
            frequency_mask_mels=config.frequency_mask_mels,
        )
        features = augment.apply(features, batch.lengths, context.preparation.recordings.options)
    if config.decoder == "ctc":
        logits = model(features, batch.lengths)
        return Loss(_ctc(logits, batch), batch.symbol_lengths), logits
    begin = batch.symbols.new_full((len(batch.symbols), 1), BLANK)
    units = batch.symbol_lengths + 1
    logits, heard = model(features, batch.lengths, torch.cat([begin, batch.symbols], 1), units)
    # Padded with blanks, of which the first is the end.
    nats = _cross_entropy(logits, torch.cat([batch.symbols, begin], 1), units)
    if model.training:
        nats = (1 - config.ctc_weight) * nats + config.ctc_weight * _ctc(heard.logits, batch)
    return Loss(nats, units), heard


def _ctc(logits: Tensor, batch: Utterances) -> Tensor:
    """Negative log-probability (B,) of each transcript."""
    with torch.autocast(logits.device.type, enabled=False):
        wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return nn.functional.ctc_loss(
            wide.log_softmax(-1).transpose(0, 1),
            batch.symbols,
            batch.lengths,
            batch.symbol_lengths,
            blank=BLANK,
            reduction="none",
        )


def _cross_entropy(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """Of each row, summed over its real targets: (B,)."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    nats = nn.functional.cross_entropy(wide.mT, targets, reduction="none")
    return zero_padding(nats, valid_mask(lengths, targets.shape[1])).sum(1)


def write_symbols(model: Any, heard: Any, lengths: Tensor, context: Context) -> list[list[int]]:
    """The symbols of each row."""
    decoding = context.decoding
    name = decoding.language_model
    is_ctc = context.model.decoder == "ctc"
    if name is not None and (decoding.num_beams == 1 or not is_ctc):
        expected = "a language model helps a search over CTC: num_beams must be above 1, the decoder ctc"
        raise ConfigError("decoding.language_model", expected, got=name)
    if not is_ctc:
        return write(model, heard, lengths, BLANK, decoding.num_beams, decoding.length_penalty)
    if decoding.num_beams == 1:
        return ctc_greedy_decode(heard, lengths)
    options = CTCBeamOptions(decoding.num_beams, decoding.lm_weight, decoding.length_bonus)
    scorer = None if name is None else scorer_of(name, context.preparation)
    wide = heard.to(torch.promote_types(heard.dtype, torch.float32))
    return [row[0].symbols for row in ctc_beam_search(wide.log_softmax(-1), lengths, options, scorer)]


def hear_stream(
    model: Transcriber, chunks: Iterable[numpy.ndarray], preparation: Preparation
) -> Iterator[int]:
    """The symbols of a stream."""
    state: State | None = None
    last: Tensor | None = None
    for steps in log_mel_stream(chunks, preparation.recordings.options):
        if not len(steps):
            continue
        features = torch.from_numpy(preparation.normalizer.apply(steps)).unsqueeze(0)
        with torch.inference_mode():
            logits, state = model.step(features.to(model.device), state)
            rows, last = ctc_greedy_decode_step(logits, last)
        yield from rows[0]
