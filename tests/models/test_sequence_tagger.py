"""The tagger: what it reads, its likelihoods with and without a CRF, padding, and a step where it has one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from seqloom.errors import ConfigError, DataError
from seqloom.models.dropout import Dropouts
from seqloom.models.recurrent_stack import RecurrentConfig
from seqloom.models.sequence_tagger import SequenceTagger, SpellingConfig
from seqloom.state import tensors_of

V, K, C = 11, 4, 7
CELLS = ("rnn", "lstm", "gru")


LSTM = RecurrentConfig("lstm", 6, bidirectional=True)


def small(recurrent: RecurrentConfig = LSTM, **options: Any) -> SequenceTagger:
    model = SequenceTagger(V, K, 5, recurrent, **options)
    if model.crf is not None:
        for parameter in model.crf.parameters():
            torch.nn.init.normal_(parameter)
    return model.double()


def sentences() -> tuple[Tensor, Tensor, Tensor, list[int]]:
    """Words, tags, spellings and lengths of three sentences, the padding filled with rubbish."""
    lengths = [6, 2, 4]
    characters = torch.randint(1, C, (3, 6, 5))
    for row, length in enumerate(lengths):
        for word in range(length):
            characters[row, word, 1 + (row + word) % 5 :] = 0  # words of 1 to 5 characters
    return torch.randint(V, (3, 6)), torch.randint(K, (3, 6)), characters, lengths


SHAPES = [
    pytest.param({}, id="independent tags"),
    pytest.param({"crf": True}, id="crf"),
    pytest.param({"crf": True, "spelling": SpellingConfig(C, 3)}, id="crf and spellings"),
]


@pytest.mark.parametrize("options", SHAPES)
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell_type", CELLS)
def test_padding_does_not_change_a_row(cell_type: str, bidirectional: bool, options: dict[str, Any]) -> None:
    model = small(RecurrentConfig(cell_type, 6, 2, bidirectional), **options)
    words, tags, characters, lengths = sentences()
    together = model(words, lengths, tags, characters)
    best = model.best_tags(together.emissions, lengths)
    for row, length in enumerate(lengths):
        own = (slice(row, row + 1), slice(length))
        alone = model(words[own], None, tags[own], characters[own])
        # float64; matrix products of other sizes may add in another order
        torch.testing.assert_close(alone.emissions[0], together.emissions[row, :length], rtol=0, atol=1e-12)
        torch.testing.assert_close(alone.log_likelihood[0], together.log_likelihood[row], rtol=0, atol=1e-10)
        assert torch.equal(model.best_tags(alone.emissions)[0], best[row, :length])
        assert not best[row, length:].any()


def test_without_a_crf_tags_are_independent() -> None:
    model = small()
    words, tags, _, lengths = sentences()
    emissions, found = model(words, lengths, tags)
    for row, length in enumerate(lengths):
        each = emissions[row, :length].log_softmax(-1)[torch.arange(length), tags[row, :length]]
        torch.testing.assert_close(found[row], each.sum())
    assert torch.equal(model.best_tags(emissions), emissions.argmax(-1))


def test_with_a_crf_likelihood_and_best_tags_are_those_of_the_crf() -> None:
    model = small(crf=True)
    words, tags, _, lengths = sentences()
    emissions, found = model(words, lengths, tags)
    assert model.crf is not None
    assert torch.equal(found, model.crf(emissions, tags, lengths))
    assert torch.equal(model.best_tags(emissions, lengths), model.crf.best_path(emissions, lengths).tags)


@pytest.mark.parametrize("crf", [True, False])
def test_every_parameter_has_a_gradient(crf: bool) -> None:
    model = small(crf=crf, spelling=SpellingConfig(C, 3))
    words, tags, characters, lengths = sentences()
    (-model(words, lengths, tags, characters).log_likelihood).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("crf", [True, False])
def test_likelihoods_are_float32_where_the_model_computes_in_bfloat16(crf: bool) -> None:
    model = small(crf=crf).float()
    words, tags, _, lengths = sentences()
    with torch.autocast("cpu", torch.bfloat16):
        emissions, found = model(words, lengths, tags)
    assert (emissions.dtype, found.dtype) == (torch.bfloat16, torch.float32)


def test_only_a_bidirectional_tagger_sees_later_tokens() -> None:
    words, _, _, _ = sentences()
    changed = words.clone()
    changed[:, 3] = (changed[:, 3] + 1) % V
    for bidirectional in (True, False):
        model = small(RecurrentConfig("gru", 6, 1, bidirectional))
        before, after = model(words).emissions, model(changed).emissions
        assert not torch.equal(before[:, 4:], after[:, 4:])
        assert torch.equal(before[:, :3], after[:, :3]) is not bidirectional


def test_emissions_depend_on_the_spelling_and_not_on_its_padding() -> None:
    model, words = small(spelling=SpellingConfig(C, 3)), torch.zeros(1, 2, dtype=torch.int64)
    one, other = torch.tensor([[[1, 2], [3, 0]]]), torch.tensor([[[2, 1], [3, 0]]])
    assert not torch.equal(model(words, characters=one).emissions, model(words, characters=other).emissions)
    longer = torch.nn.functional.pad(one, (0, 3))
    torch.testing.assert_close(
        model(words, characters=one).emissions, model(words, characters=longer).emissions
    )


@pytest.mark.parametrize("cell_type", CELLS)
@pytest.mark.parametrize("spelling", [None, SpellingConfig(C, 3)])
def test_chunks_equal_the_whole_sequence(cell_type: str, spelling: SpellingConfig | None) -> None:
    model = small(RecurrentConfig(cell_type, 6, 2, bidirectional=False), spelling=spelling).eval()
    words, _, characters, _ = sentences()
    whole = model(words, characters=characters).emissions
    state, parts = None, []
    for chunk, spelt in zip(words.split([1, 3, 2], 1), characters.split([1, 3, 2], 1), strict=True):
        emissions, state = model.step(chunk, state, spelt)
        parts.append(emissions)
    # float64: the only difference is the order of additions inside a matrix product
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=0, atol=1e-12)
    assert [part.shape for part in tensors_of(state)] == [  # type: ignore[arg-type]
        part.shape for part in tensors_of(model.initial_state(3))
    ]
    assert torch.equal(
        model.step(words, None, characters)[0], model.step(words, model.initial_state(3), characters)[0]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recurrent": RecurrentConfig("gru", 6, bidirectional=True)},
         r"a bidirectional tagger cannot step, as a tag depends on the tokens after it too\. "
         r"Give the whole sequence to forward, or build with bidirectional=False\."),
        ({"recurrent": RecurrentConfig("gru", 6, bidirectional=False), "crf": True},
         r"a tagger with a CRF cannot step, as it decodes the tags of a sequence together\. "
         r"Give the whole sequence to forward, or build with crf=False\."),
    ],
)  # fmt: skip
def test_a_tagger_that_cannot_step_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^SequenceTagger: {message}$"):
        small(**options).step(torch.zeros(1, 1, dtype=torch.int64))


@pytest.mark.parametrize("place", ["input", "hidden", "output", "embedding", "weight", "recurrent"])
def test_each_kind_of_dropout_is_active_in_training_only(place: str) -> None:
    model = small(RecurrentConfig("lstm", 6, 2, dropouts=Dropouts(**{place: 0.5})))
    words = sentences()[0]
    assert not torch.equal(model(words).emissions, model(words).emissions)
    model.eval()
    assert torch.equal(model(words).emissions, model(words).emissions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 0}, r"vocabulary_size must be an int >= 1\. Got 0\."),
        ({"tag_count": 0}, r"tag_count must be an int >= 1\. Got 0\."),
        ({"spelling": SpellingConfig(0)}, r"character_count must be an int >= 1\. Got 0\."),
        ({"spelling": SpellingConfig(5, 0)}, r"size must be an int >= 1\. Got 0\."),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^SequenceTagger: {message}$"):
        SequenceTagger(
            **{"vocabulary_size": V, "tag_count": K, "embedding_size": 5, "recurrent": LSTM, **options}
        )


def test_spellings_that_do_not_fit() -> None:
    model, words = small(spelling=SpellingConfig(C)), torch.zeros(2, 3, dtype=torch.int64)
    expected = r"^SequenceTagger: characters must be \(2, 3, C\), the spellings of the words\. Got None\.$"
    with pytest.raises(DataError, match=expected):
        model(words)
    with pytest.raises(DataError, match=r"the spellings of the words\. Got \(2, 4, 5\)\.$"):
        model(words, characters=torch.zeros(2, 4, 5, dtype=torch.int64))
