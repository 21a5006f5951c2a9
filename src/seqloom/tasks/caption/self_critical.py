r"""Self-critical training: captions that the model draws, weighed by how much better they are than others.

.. math::

    L = -\sum_s \left( r_s - \frac{1}{S - 1} \sum_{u \ne s} r_u \right) \log p(y_s \mid f)

for S captions y drawn of a picture f, with r their CIDEr-D. Its gradient is, in the mean, that of minus the
expected reward (REINFORCE). What a caption is compared with is the mean of the others (Luo, 2020,
arXiv:2003.09971), not the greedy caption of Rennie et al., 2017 (arXiv:1612.00563), which costs one decoding
more and varies more.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from seqloom.data.batching import IGNORE_INDEX
from seqloom.data.padding import pad
from seqloom.decoding import DecodingOptions, decode, prefill
from seqloom.metrics.captions.cider import DocumentFrequencies
from seqloom.metrics.captions.tokenizer import tokenize
from seqloom.models.captioning.memory import END
from seqloom.state import select_rows
from seqloom.tasks.base import Context, Loss
from seqloom.tasks.caption.batches import END_WORD, CaptionBatch
from seqloom.tasks.caption.vocabulary import CaptionVocabulary


def self_critical_loss(model: Any, batch: CaptionBatch, context: Context) -> Loss:
    """The loss of a batch by picture, in nats times CIDEr-D, with the words that were drawn as units.

    The model draws and is scored without dropout, so that the probabilities are those it drew by.
    """
    samples = context.loss.self_critical_samples
    owners = torch.arange(len(batch.pictures), device=model.device).repeat_interleave(samples)
    model.eval()
    try:
        encoded = model.encode(batch.pictures)
        rows = draw_captions(model, encoded, owners, context.decoding.max_words)
        targets = pad([numpy.array(row) for row in rows], IGNORE_INDEX).to(model.device)
        valid = targets != IGNORE_INDEX
        inputs = torch.cat([targets.new_full((len(rows), 1), END), targets[:, :-1]], 1)
        logits, _ = model.step(inputs.clamp(min=END), select_rows(encoded.start, owners), encoded)
    finally:
        model.train()
    nats = nn.functional.cross_entropy(logits[valid], targets[valid], reduction="none")
    rewards = [
        reward_of(row, batch.references[owner], batch.frequencies(), context.preparation.vocabulary)
        for row, owner in zip(rows, owners.tolist(), strict=True)
    ]
    better = advantages(nats.new_tensor(rewards).view(-1, samples)).flatten()
    lengths, pictures = valid.sum(1), len(batch.pictures)
    weighed = nats * better.repeat_interleave(lengths)
    units = lengths.new_zeros(pictures).index_add(0, owners, lengths)
    return Loss(nats.new_zeros(pictures).index_add(0, owners.repeat_interleave(lengths), weighed), units)


def reward_of(
    row: Sequence[int],
    references: Sequence[str],
    frequencies: DocumentFrequencies,
    vocabulary: CaptionVocabulary,
) -> float:
    """CIDEr-D of the tokens of a caption; its end is a word that references have, and a cut one lacks."""
    words = tokenize(vocabulary.decode(row))
    ended = [*words, END_WORD] if row[-1] == END else words
    return frequencies.score_words(ended, [[*tokenize(text), END_WORD] for text in references])


def advantages(rewards: Tensor) -> Tensor:
    """How much better each of the S captions of a picture is than the mean of its others, (B, S).

    >>> advantages(torch.tensor([[1.0, 0.0, 0.5]]))
    tensor([[ 0.7500, -0.7500,  0.0000]])
    """
    samples = rewards.shape[1]
    return (rewards - rewards.mean(1, keepdim=True)) * (samples / (samples - 1))


@torch.no_grad()
def draw_captions(model: Any, encoded: Any, owners: Tensor, max_words: int) -> list[list[int]]:
    """Draw the tokens of a caption, with its end unless it is cut, for each of `owners` (N,), rows of the
    encoded pictures, from the model's distribution.

    The draw takes one number of torch's generator, so that a training that resumes draws the same.
    """
    seed = int(torch.randint(1 << 31, (), device="cpu"))
    options = DecodingOptions(temperature=1, max_new_tokens=max_words, stop_tokens=(END,), seed=seed)
    step: Any = partial(model.step, encoded=encoded)
    begin = torch.full((len(owners), 1), END, device=owners.device)
    logits, state = prefill(step, begin, select_rows(encoded.start, owners))
    drawn = decode(step, logits, state, options)
    lengths = drawn.lengths.tolist()
    return [row[:length] for row, length in zip(drawn.tokens.tolist(), lengths, strict=True)]
