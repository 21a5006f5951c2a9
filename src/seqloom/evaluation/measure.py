"""Measure a model on a split: what each row of it costs."""

from __future__ import annotations

from itertools import repeat

import numpy
import torch
from torch import nn

from seqloom.data.batching import Source, Spanned, to_device
from seqloom.progress import phase
from seqloom.tasks.base import Context, Rows, Task


@torch.inference_mode()
def measure(task: Task, model: nn.Module, source: Source, device: torch.device, context: Context) -> Rows:
    """Read all of a source in evaluation mode.

    Args:
        task: computes what a batch costs.
        model: in either mode, which it is left in.
        source: the batches of a split.
        device: where the model is.
        context: preparation, settings, and how to decode.

    Returns:
        Sums for each row that has units: nats, units, whatever else the task counts, and which items of the
        split it is.
    """
    was_training = model.training
    model.eval()
    nothing = Rows(numpy.zeros(0), numpy.zeros(0, dtype=int), spans=numpy.zeros((0, 2), dtype=numpy.int64))
    parts, state = [nothing], None
    is_spanned = isinstance(source, Spanned)
    all_spans = source.spans() if is_spanned else repeat(None)
    with phase("measuring the model", total=len(source)) as measuring:
        for batch, spans in zip(source.batches(0), all_spans, strict=is_spanned):
            loss = task.evaluate_batch(model, to_device(batch, device), state, context)
            state = loss.state if source.carries_state else None
            counts = {name: values.cpu().numpy() for name, values in loss.counts.items()}
            nats, units = loss.nats.double().cpu().numpy(), loss.units.cpu().numpy()
            parts.append(Rows(nats, units, counts, loss.outputs, spans))
            measuring.advance()
    model.train(was_training)
    return Rows.join(parts).nonempty()
