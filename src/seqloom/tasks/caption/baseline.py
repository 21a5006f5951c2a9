"""Trivial captions: of the nearest training picture, the commonest one; and a person against the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from seqloom.baselines.budget import UNLIMITED, Budget, describe_share, draw_sample
from seqloom.baselines.majority import most_frequent
from seqloom.baselines.nearest_vectors import nearest_vectors
from seqloom.data.tables.records import Records
from seqloom.metrics.captions.cider import DocumentFrequencies
from seqloom.metrics.captions.tokenizer import join_words, tokenize
from seqloom.tasks.base import Baseline, Rows
from seqloom.tasks.caption.batches import CaptionedPicture
from seqloom.tasks.caption.preparation import Preparation
from seqloom.tasks.caption.scores import caption_scores, count_caption_matches


def measure_baselines(
    preparation: Preparation, data: Records, split: str, budget: Budget = UNLIMITED
) -> Baseline:
    """The first caption of the training picture with the nearest features, and others beside it."""
    train, _ = preparation.captioned_pictures(data, "train")
    test, _ = preparation.captioned_pictures(data, split)
    queries = preparation.pictures.summarize([item.number for item in test])

    def fit(count: int) -> list[str]:
        chosen = list(draw_sample(len(train), count).of(train))
        known = preparation.pictures.summarize([item.number for item in chosen])
        return [chosen[number].texts[0] for number in nearest_vectors(known, queries)]

    captions, fitted = budget.fit(fit, len(train))
    references = [item.texts for item in test]
    rows = _rows(captions, references, [sum(map(len, item.tokens)) for item in test])
    common = most_frequent(join_words(tokenize(text)) for item in train for text in item.texts)
    others = {
        f"commonest caption: {common}": caption_scores(_rows([common] * len(test), references)),
        **_human_scores(test),
    }
    share = describe_share(fitted, len(train), "row")
    return Baseline("caption of the nearest picture", rows, share, {"beside_it": others})


def _human_scores(items: Sequence[CaptionedPicture]) -> Mapping[str, Any]:
    """The first caption of each picture against its others; nothing where no picture has two."""
    several = [item.texts for item in items if len(item.texts) > 1]
    if not several:
        return {}
    rows = _rows([texts[0] for texts in several], [texts[1:] for texts in several])
    return {"one person against the others": caption_scores(rows)}


def _rows(
    captions: Sequence[str], references: Sequence[Sequence[str]], units: Sequence[int] | None = None
) -> Rows:
    counts = count_caption_matches(captions, references, DocumentFrequencies(references))
    sizes = numpy.ones(len(captions)) if units is None else numpy.array(units)
    return Rows(numpy.full(len(captions), math.nan), sizes, counts)
