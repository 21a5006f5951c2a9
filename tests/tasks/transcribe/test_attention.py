"""The attention decoder: its loss, its independence of the batch, and its weight of CTC."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.errors import ConfigError
from seqloom.evaluation.measure import measure
from seqloom.inference.predictor import Predictor

from .recordings import CPU, TASK, prepared, trained


@pytest.fixture(scope="module")
def attentive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("runs") / "attentive"
    return trained(folder, out, model={"decoder": "attention"})


@pytest.mark.parametrize("num_beams", [1, 3])
def test_attention_decoding_does_not_depend_on_the_batch(
    attentive: Predictor, folder: Path, num_beams: int
) -> None:
    files = [folder / "test" / f"{n}.wav" for n in range(9)]
    together = [answer.text for answer in attentive.predict(files, num_beams=num_beams)]
    assert together == [attentive.predict([file], num_beams=num_beams)[0].text for file in files]


def test_the_attention_loss_is_of_each_symbol_and_the_end(attentive: Predictor, folder: Path) -> None:
    data = read(folder)
    context, preparation = attentive.context(), attentive.preparation
    source = preparation.source(data, "test", Batching(8, training=False))
    rows = measure(TASK, attentive.model, source, CPU, context)
    texts = [output["expected"] for output in rows.outputs]
    assert rows.units.tolist() == [len(text) + 1 for text in texts]
    assert rows.mean() < 1.0  # untrained it would be near log(14) = 2.6
    batch = next(source.batches(0))
    model, row = attentive.model.double(), 0
    encoded = model.encode(batch.features[row : row + 1, : batch.lengths[row]])
    symbols = [0, *preparation.vocabulary.encode(batch.texts[row])]
    logits, _ = model.step(torch.tensor([symbols]), encoded.start, encoded)
    log_probabilities = logits[0].log_softmax(-1)
    expected = -sum(log_probabilities[place, number] for place, number in enumerate([*symbols[1:], 0]))
    loss = TASK.loss(model, batch, None, context)
    torch.testing.assert_close(loss.nats[row], expected, rtol=1e-9, atol=0.0)  # float64
    model.float()


def test_an_attention_decoder_refuses_a_language_model(attentive: Predictor, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"a language model helps a search over CTC"):
        attentive.predict([folder / "test" / "0.wav"], num_beams=2, language_model="ngram")


def test_the_ctc_weight_is_for_training_only(folder: Path) -> None:
    losses = []
    for weight in (0.0, 1.0):
        parts = {"data": {"spec_augment": False}, "loss": {"ctc_weight": weight}}
        case = prepared(folder, model={"decoder": "attention"}, **parts)
        batch = next(case.preparation.source(case.data, "train", Batching(4)).batches(0))
        context, model = case.config.context(case.preparation), case.model()
        evaluated = TASK.loss(model, batch, None, context).nats
        losses.append((evaluated, TASK.loss(model.train(), batch, None, context).nats))
    assert torch.equal(losses[0][0], losses[0][1])
    assert torch.equal(losses[0][0], losses[1][0])
    assert not torch.allclose(losses[1][0], losses[1][1])
