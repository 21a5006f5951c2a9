"""The loss of a transcriber: CTC, or the cross-entropy of an attention decoder, or both."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from seqloom.decoding.ctc.greedy import BLANK
from seqloom.layers.masking import valid_mask, zero_padding
from seqloom.tasks.base import Context, Loss
from seqloom.tasks.transcribe.utterances import UtteranceBatch


def compute_loss(model: Any, batch: UtteranceBatch, context: Context) -> tuple[Loss, Any]:
    """The loss of a batch, and what was encoded: logits of CTC, or the attention model's `EncoderOutput`."""
    if model.training:
        features, lengths = context.preparation.input.augment(
            batch.features, batch.lengths, _min_steps(batch)
        )
        batch = batch._replace(features=features, lengths=lengths)
    if context.model.decoder == "ctc":
        logits = model(batch.features, batch.lengths)
        return Loss(_ctc(logits, batch), batch.symbol_lengths), logits
    begin = batch.symbols.new_full((len(batch.symbols), 1), BLANK)
    units = batch.symbol_lengths + 1
    logits, encoded = model(batch.features, batch.lengths, torch.cat([begin, batch.symbols], 1), units)
    # Padded with blanks, of which the first is the end.
    nats = _cross_entropy(logits, torch.cat([batch.symbols, begin], 1), units)
    if model.training:
        weight = context.loss.ctc_weight
        nats = (1 - weight) * nats + weight * _ctc(encoded.logits, batch)
    return Loss(nats, units), encoded


def _min_steps(batch: UtteranceBatch) -> Tensor:
    """The fewest steps (B,) that CTC needs for each transcript."""
    symbols = batch.symbols
    repeats = (symbols[:, 1:] == symbols[:, :-1]) & (symbols[:, 1:] != BLANK)
    return batch.symbol_lengths + repeats.sum(1)


def _ctc(logits: Tensor, batch: UtteranceBatch) -> Tensor:
    """Negative log-probability (B,) of each transcript."""
    with torch.autocast(logits.device.type, enabled=False):
        scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return nn.functional.ctc_loss(
            scores.log_softmax(-1).transpose(0, 1),
            batch.symbols,
            batch.lengths,
            batch.symbol_lengths,
            blank=BLANK,
            reduction="none",
        )


def _cross_entropy(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """The cross-entropy (B,) of each row, summed over its valid targets."""
    scores = logits.to(torch.promote_types(logits.dtype, torch.float32))
    nats = nn.functional.cross_entropy(scores.mT, targets, reduction="none")
    return zero_padding(nats, valid_mask(lengths, targets.shape[1])).sum(1)
