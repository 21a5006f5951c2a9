"""The task `generate`: its loss, its continuations, its decoding settings and its baseline."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy
import pytest
import torch

from seqloom.data.batching import IGNORE_INDEX, Batching, Window
from seqloom.data.text.corpus import TextCorpus, read_text
from seqloom.decoding import DecodingOptions
from seqloom.models.language_model import LanguageModel
from seqloom.tasks.base import Context, Rows
from seqloom.tasks.generate.config import DataConfig, DecodingConfig, ModelConfig
from seqloom.tasks.generate.preparation import Preparation
from seqloom.tasks.generate.task import Generate

TASK = Generate()
CONTEXT = Context(None, ModelConfig(), decoding=DecodingConfig())


@pytest.fixture
def text(tmp_path: Path) -> TextCorpus:
    file = tmp_path / "text.txt"
    file.write_text("abcd efgh\n" * 100)
    return read_text(file)


@pytest.fixture
def preparation(text: TextCorpus) -> Preparation:
    return TASK.prepare(text, DataConfig())


@pytest.fixture
def model(preparation: Preparation) -> LanguageModel:
    return TASK.build(preparation, ModelConfig(hidden_size=12, dropout=0.0)).double().eval()


def test_it_accepts_plain_text_only(text: TextCorpus) -> None:
    assert TASK.accepts(text) == "plain text"
    assert TASK.accepts([1, 2]) is None


def test_the_loss_is_the_cross_entropy_of_each_next_token(model: LanguageModel) -> None:
    inputs, targets = torch.randint(11, (3, 7)), torch.randint(11, (3, 7))
    targets[0, 2:] = IGNORE_INDEX
    loss = TASK.loss(model, Window(inputs, targets), None, CONTEXT)
    logits = model(inputs)[0].float()
    for row in range(3):
        valid = targets[row] != IGNORE_INDEX
        expected = torch.nn.functional.cross_entropy(logits[row][valid], targets[row][valid], reduction="sum")
        # float32 sums of seven terms near 2.4
        torch.testing.assert_close(loss.nats[row], expected, rtol=1e-6, atol=1e-6)
    assert loss.units.tolist() == [2, 7, 7]


def test_greedy_tokens_are_the_most_likely_ones(model: LanguageModel) -> None:
    prompt = [1, 2, 3]
    written = TASK.generate(model, [prompt], DecodingOptions(temperature=0, max_new_tokens=20))[0]
    for end in range(20):
        logits, _ = model(torch.tensor([prompt + written[:end]]))
        assert int(logits[0, -1].argmax()) == written[end]


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"temperature": 1.0}, {"top_k": 3}, {"top_p": 0.7}, {"num_beams": 3}]
)
def test_a_batch_generates_what_single_prompts_generate(
    model: LanguageModel, options: dict[str, float]
) -> None:
    prompts = [[1 + row % 9] * (1 + row) for row in range(8)]
    together = TASK.generate(model, prompts, DecodingOptions(max_new_tokens=40, seed=5, **options))  # type: ignore[arg-type]
    for row, prompt in enumerate(prompts):
        alone = DecodingOptions(max_new_tokens=40, seed=5 + row, **options)  # type: ignore[arg-type]
        assert TASK.generate(model, [prompt], alone)[0] == together[row]


def test_a_stream_gives_the_tokens_of_generate(model: LanguageModel) -> None:
    options = DecodingOptions(max_new_tokens=40, seed=3)
    assert list(TASK.stream(model, [1, 2], options)) == TASK.generate(model, [[1, 2]], options)[0]
    assert len(list(TASK.stream(model, [1, 2], options))) == 40


def test_predictions_follow_the_decoding_settings(model: LanguageModel, preparation: Preparation) -> None:
    options = {"temperature": 0.5, "top_k": 5, "max_new_tokens": 20, "seed": 7}
    context = Context(preparation, ModelConfig(), decoding=DecodingConfig(**options))  # type: ignore[arg-type]
    (answer,) = TASK.predict(model, [[1, 2]], context)
    (tokens,) = TASK.generate(model, [[1, 2]], DecodingOptions(**options))  # type: ignore[arg-type]
    assert answer.text == preparation.vocabulary.decode(tokens)
    assert len(tokens) == 20


def test_decoding_settings_are_the_decoding_options() -> None:
    assert DecodingOptions(**DecodingConfig().model_dump()) == DecodingOptions()
    not_of_a_run = {"early_stopping", "stop_tokens", "stop_sequences"}
    fields = {field.name for field in dataclasses.fields(DecodingOptions)}
    assert set(DecodingConfig.model_fields) == fields - not_of_a_run


def test_metrics_have_their_usual_names() -> None:
    rows = Rows(numpy.array([2.0, 4.0]), numpy.array([1, 2]))
    assert TASK.score(rows, "character") == {
        "loss_nats_per_character": 2.0,
        "bits_per_character": pytest.approx(2 / math.log(2)),
    }
    assert TASK.score(rows, "word")["perplexity"] == pytest.approx(math.e**2)


def test_the_baseline_predicts_every_token_but_the_first(text: TextCorpus, preparation: Preparation) -> None:
    baseline = TASK.baseline(preparation, text, "validation")
    assert baseline is not None
    assert baseline.rows.units.sum() == 99
    assert baseline.rows.mean() < 0.1  # the training split has these ten characters ninety times
    assert TASK.baseline(preparation, text, "all") is None


@pytest.mark.parametrize("training", [True, False])
def test_batches_of_a_split(text: TextCorpus, preparation: Preparation, training: bool) -> None:
    source = preparation.source(text, "train", Batching(batch_size=2, window=8, training=training))
    batch = next(source.batches(0))
    assert batch[0].shape == (2, 8)
    assert source.carries_state


def test_a_preparation_is_restored_from_its_files(preparation: Preparation, tmp_path: Path) -> None:
    for name, content in preparation.files().items():
        (tmp_path / name).write_text(content)
    again = TASK.restore(tmp_path, DataConfig())
    assert again.files() == preparation.files()
    assert again.describe() == "11 characters"


def test_a_tied_embedding_is_as_wide_as_the_last_layer(preparation: Preparation) -> None:
    model = TASK.build(preparation, ModelConfig(hidden_size=20, tie_weights=True))
    assert model.embedding.embedding_dim == 20
    assert TASK.build(preparation, ModelConfig(hidden_size=300)).embedding.embedding_dim == 256
