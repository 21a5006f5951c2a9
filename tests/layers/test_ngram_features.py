"""Hashed n-gram features: rows of logits by the last tokens."""

from __future__ import annotations

import pytest
import torch

from seqloom.errors import ConfigError
from seqloom.layers.ngram_features import NGramFeatures


def filled(vocabulary_size: int = 7, max_context: int = 3, buckets: int = 1 << 14) -> NGramFeatures:
    features = NGramFeatures(vocabulary_size, max_context, buckets)
    torch.nn.init.normal_(features.table.weight)
    return features


def test_it_adds_nothing_before_it_is_trained() -> None:
    logits, _ = NGramFeatures(7, 3, 64)(torch.randint(7, (5, 2)))
    assert not logits.any()


def test_logits_are_a_sum_of_a_row_for_each_context() -> None:
    """Of contexts of 1, 2 and 3 tokens, found by changing what a context alone has."""
    torch.manual_seed(0)
    features = filled()
    tokens = torch.randint(7, (9, 1))
    logits = features(tokens)[0][-1, 0]
    rows = features._rows(torch.cat([features.initial_history(1), tokens]), 9)[-1, 0]
    assert len(set(rows.tolist())) == 3
    torch.testing.assert_close(logits, features.table.weight[rows].sum(0))
    for distance, changed_rows in ((1, 3), (2, 2), (3, 1), (4, 0)):
        other = tokens.clone()
        other[-distance] = (other[-distance] + 1) % 7
        changed = features._rows(torch.cat([features.initial_history(1), other]), 9)[-1, 0]
        assert int((changed != rows).sum()) == changed_rows


@pytest.mark.parametrize("max_context", [1, 2, 5])
def test_in_any_chunks_it_gives_what_it_gives_whole(max_context: int) -> None:
    torch.manual_seed(0)
    features = filled(max_context=max_context)
    tokens = torch.randint(7, (11, 3))
    whole, last = features(tokens)
    history, parts = None, []
    for chunk in tokens.split([1, 4, 0, 2, 4]):
        logits, history = features(chunk, history)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)
    assert history is not None
    assert torch.equal(history, last)


def test_the_beginning_of_a_text_is_a_context_of_its_own() -> None:
    features = filled(max_context=2)
    first = features(torch.tensor([[3]]))[0]
    after = [features(torch.tensor([[token], [3]]))[0][-1] for token in range(7)]
    assert not any(torch.equal(first[0], logits) for logits in after)


def test_contexts_are_spread_over_the_table() -> None:
    """Of 26^3 contexts of three letters about 1 - e^-0.27 collide in 65,536 rows, as by chance."""
    features = NGramFeatures(26, 3, 1 << 16)
    letters = torch.cartesian_prod(*[torch.arange(26)] * 3).t()
    rows = features._rows(letters, 1)[0, :, 2]
    share = rows.unique().numel() / letters.shape[1]
    expected = (1 << 16) / 26**3 * (1 - (1 - 2**-16) ** (26**3))
    assert share == pytest.approx(expected, rel=0.02)


def test_only_rows_that_were_used_have_a_gradient() -> None:
    features = filled()
    logits, _ = features(torch.tensor([[1, 2]]))
    logits.sum().backward()
    gradient = features.table.weight.grad
    assert gradient is not None
    assert gradient.is_sparse
    assert gradient.coalesce().indices().numel() <= 6


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((7, 0, 64), r"NGramFeatures: max_context must be an int >= 1\. Got 0\."),
        ((7, 2, 60), r"NGramFeatures: buckets must be a power of two\. Got 60\."),
        ((50_000, 5, 1 << 16), r"vocabulary_size \* buckets must be at most .* Got 50,000 \* 65,536\. Fewer"),
    ],
)
def test_sizes_out_of_range_are_refused(sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NGramFeatures(*sizes)
