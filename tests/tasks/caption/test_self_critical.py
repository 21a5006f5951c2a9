"""Self-critical training: its gradient, its rewards, what it learns, and that it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import nn

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.metrics.captions.cider import DocumentFrequencies
from seqloom.models.captioning.captioner import Captioner
from seqloom.models.captioning.recurrent_decoder import RecurrentCaptionDecoder
from seqloom.models.captioning.transformer_decoder import TransformerCaptionDecoder
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.state import select_rows
from seqloom.tasks import task_named
from seqloom.tasks.base import Context
from seqloom.tasks.caption.batches import END_WORD, CaptionBatch
from seqloom.tasks.caption.config import DecodingConfig, LossConfig
from seqloom.tasks.caption.self_critical import draw_captions, reward_of, self_critical_loss
from seqloom.tasks.caption.vocabulary import CaptionVocabulary

WORDS = ("a", "red", "dog")
REFERENCES = (("a red dog",), ("a dog",))


def make_batch(frequencies: DocumentFrequencies) -> CaptionBatch:
    pictures = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    empty = torch.zeros(0, 1, dtype=torch.int64)
    owners = torch.zeros(0, dtype=torch.int64)
    return CaptionBatch(pictures, owners, empty, empty, REFERENCES, ("0", "1"), lambda: frequencies)


class OnlyVocabulary:
    vocabulary = CaptionVocabulary(WORDS)


def context_of(samples: int, max_words: int) -> Context:
    loss = LossConfig(self_critical=0.5, self_critical_samples=samples)
    return Context(OnlyVocabulary(), None, loss, DecodingConfig(max_words=max_words))


def make_model(decoder: str = "gru") -> Captioner:
    torch.manual_seed(0)
    size = len(WORDS) + 2
    if decoder == "transformer":
        return Captioner(nn.Identity(), TransformerCaptionDecoder(size, (4, 6), 8, 1, "soft", 0.0))
    return Captioner(nn.Identity(), RecurrentCaptionDecoder(size, (4, 6), 8, RecurrentConfig(decoder, 8)))


@torch.no_grad()
def mean_reward(model: Captioner, batch: CaptionBatch) -> float:
    """Of 200 captions that the model draws of each picture."""
    model.eval()
    owners, frequencies = torch.arange(2).repeat_interleave(200), batch.frequencies()
    rows = draw_captions(model, model.encode(batch.pictures), owners, max_words=4)
    texts = [REFERENCES[owner] for owner in owners.tolist()]
    vocabulary = OnlyVocabulary.vocabulary
    return float(
        numpy.mean([reward_of(*pair, frequencies, vocabulary) for pair in zip(rows, texts, strict=True)])
    )


def log_probability(model: Any, encoded: Any, picture: int, row: list[int]) -> torch.Tensor:
    """Of tokens, one step after the other."""
    state, token, total = select_rows(encoded.start, torch.tensor([picture])), 0, torch.zeros(())
    for target in row:
        logits, state = model.step(torch.tensor([[token]]), state, encoded)
        total, token = total + logits[0, -1].log_softmax(-1)[target], target
    return total


@pytest.mark.parametrize("decoder", ["gru", "transformer"])
def test_its_gradient_is_in_the_mean_that_of_minus_the_expected_reward(decoder: str) -> None:
    """Over all captions of at most two tokens, whose probabilities can be summed."""
    model, frequencies = make_model(decoder), DocumentFrequencies(REFERENCES, END_WORD)
    batch, context = make_batch(frequencies), context_of(samples=50, max_words=2)
    captions = [[0], *([a, b] for a in (2, 3, 4) for b in (0, 2, 3, 4))]
    encoded = model.encode(batch.pictures)
    expected = sum(
        reward_of(row, REFERENCES[picture], frequencies, OnlyVocabulary.vocabulary)
        * log_probability(model, encoded, picture, row).exp()
        for picture in range(2)
        for row in captions
    )
    parameters = [model.output_bias, model.decoder.embedding.weight]
    exact = torch.cat([part.flatten() for part in torch.autograd.grad(-expected, parameters)])
    drawn = []
    for _ in range(40):
        loss = self_critical_loss(model, batch, context).nats.sum() / 50
        drawn.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)]))
    error = torch.stack(drawn).std(0) / len(drawn) ** 0.5
    difference = torch.stack(drawn).mean(0) - exact
    assert (difference.abs() < 5 * error + 1e-6).all()
    assert (exact.abs() > 20 * error).any()


def test_a_cut_caption_lacks_the_end_that_references_have() -> None:
    frequencies, vocabulary = DocumentFrequencies(REFERENCES, END_WORD), CaptionVocabulary(WORDS)
    ended, cut = (reward_of(row, ["a red dog"], frequencies, vocabulary) for row in ([2, 3, 4, 0], [2, 3, 4]))
    assert ended > cut > 0


def test_training_counts_the_end_in_document_frequencies_and_reports_do_not(shapes: Path) -> None:
    data, task = read(shapes), task_named("caption")
    preparation = task.prepare(data, task.DataConfig())
    (training,) = preparation.source(data, "train", Batching(60)).batches(0)
    (report,) = preparation.source(data, "train", Batching(60, training=False)).batches(0)
    words, end = ["a", "red"], [END_WORD]
    assert training.frequencies().score_words([*words, *end], [[*words, *end]]) > 0
    assert training.frequencies()._end == end
    assert report.frequencies()._end == []


def test_captions_are_drawn_as_often_as_the_model_says() -> None:
    model = make_model().eval()
    encoded = model.encode(make_batch(DocumentFrequencies(REFERENCES)).pictures)
    owners = torch.zeros(4000, dtype=torch.int64)
    with torch.no_grad():
        rows = draw_captions(model, encoded, owners, max_words=1)
        share = numpy.mean([row == [0] for row in rows])
        probability = float(log_probability(model, encoded, 0, [0]).exp())
    # five standard deviations of a share of 4,000
    assert abs(share - probability) < 5 * (probability * (1 - probability) / 4000) ** 0.5
    assert all(1 not in row for row in rows)


def test_it_needs_two_captions_a_picture(shapes: Path) -> None:
    with pytest.raises(seqloom.ConfigError, match="self_critical_samples"):
        seqloom.train(shapes, settings={"loss.self_critical_samples": 1})


def test_the_model_learns_to_draw_what_is_rewarded() -> None:
    frequencies = DocumentFrequencies(REFERENCES, END_WORD)
    model, batch, context = make_model(), make_batch(frequencies), context_of(samples=10, max_words=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-2)
    before = mean_reward(model, batch)
    for _ in range(40):
        optimizer.zero_grad()
        self_critical_loss(model, batch, context).nats.sum().backward()
        optimizer.step()
    after = mean_reward(model, batch)
    assert after > before + 2, (before, after)
