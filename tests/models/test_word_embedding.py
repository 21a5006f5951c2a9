"""Vectors of words: their own and that of their parts, what is dropped, and pretrained ones."""

from __future__ import annotations

import numpy
import pytest
import torch

from seqloom.errors import ConfigError, DataError
from seqloom.models.word_embedding import EMBEDDING_DEVIATION, WordEmbedding, WordEmbeddingConfig

PARTS = torch.tensor([[[3, 1, 2, 0], [5, 4, 0, 0]], [[3, 0, 0, 0], [0, 2, 2, 4]]])


def test_a_word_is_its_own_vector_and_the_mean_of_its_parts() -> None:
    embedding = WordEmbedding(WordEmbeddingConfig(7, subword_count=4), size=5).double()
    own, parts = embedding.words.weight, embedding.parts.weight  # type: ignore[union-attr]
    expected = torch.stack(
        [
            torch.stack([own[3] + (parts[1] + parts[2]) / 2, own[5] + parts[4]]),
            torch.stack([own[3], own[0] + (parts[2] + parts[2] + parts[4]) / 3]),
        ]
    )
    # float64: the only difference is the order of additions
    torch.testing.assert_close(embedding(PARTS), expected, rtol=0, atol=1e-12)


def test_it_does_not_matter_which_dimension_is_time() -> None:
    embedding = WordEmbedding(WordEmbeddingConfig(7, subword_count=4), size=5)
    assert torch.equal(embedding(PARTS.transpose(0, 1)), embedding(PARTS).transpose(0, 1))


@pytest.mark.parametrize("subword_count", [0, 3])
def test_a_dropped_word_is_read_as_unknown_and_its_parts_stay(subword_count: int) -> None:
    embedding = WordEmbedding(
        WordEmbeddingConfig(11, unknown=10, dropout=0.3, subword_count=subword_count), size=6
    )
    words = torch.full((1, 4000), 7)
    if subword_count:
        words = torch.stack([words, torch.full_like(words, 2)], dim=-1)
    vectors = embedding(words)[0]
    kept, unknown = embedding.eval()(words)[0, 0], embedding(torch.where(words == 7, 10, words))[0, 0]
    dropped = (vectors == unknown).all(-1)
    assert torch.equal(dropped, ~(vectors == kept).all(-1))
    # 4,000 draws with deviation 0.46: four standard errors
    assert abs(dropped.double().mean().item() - 0.3) < 4 * 0.46 / 4000**0.5


def test_pretrained_vectors_take_their_words_places_and_the_others_are_drawn_to_fit() -> None:
    embedding = WordEmbedding(WordEmbeddingConfig(400), size=50)
    # 20,000 draws: the deviation of their deviation is 0.5 %; five of those
    assert embedding.words.weight.std().item() == pytest.approx(EMBEDDING_DEVIATION, rel=0.025)
    vectors = numpy.random.default_rng(0).normal(0, 0.4, (100, 50)).astype(numpy.float32)
    embedding.load_pretrained(range(300, 400), vectors)
    assert torch.equal(embedding.words.weight[300:], torch.from_numpy(vectors))
    assert embedding.words.weight[:300].std().item() == pytest.approx(0.4, rel=0.025)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ConfigError, match=r"WordEmbedding: vocabulary_size must be an int >= 1\. Got 0\."):
        WordEmbedding(WordEmbeddingConfig(0), 4)
    with pytest.raises(ConfigError, match=r"WordEmbedding: size must be an int >= 1\. Got 0\."):
        WordEmbedding(WordEmbeddingConfig(5), 0)
    with pytest.raises(ConfigError, match=r"WordEmbedding: dropout must be in \[0, 1\)\. Got 1\.0\."):
        WordEmbedding(WordEmbeddingConfig(5, dropout=1.0), 4)
    with pytest.raises(
        DataError, match=r"input must be \(B, T\) numbers of words\. Got torch.float32 \(2, 3\)"
    ):
        WordEmbedding(WordEmbeddingConfig(5), 4)(torch.zeros(2, 3))
    with pytest.raises(
        DataError, match=r"input must be \(B, T, 1 \+ P\) numbers of words and subwords\. Got .* \(2, 3\)"
    ):
        WordEmbedding(WordEmbeddingConfig(5, subword_count=2), 4)(torch.zeros(2, 3, dtype=torch.int64))
