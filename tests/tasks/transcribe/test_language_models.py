"""Language models for the search: what an n-gram and a trained model say of each symbol and of the end."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy
import pytest
import torch

from seqloom.baselines.kneser_ney import NGram
from seqloom.data.audio.feature_cache import FeatureCache
from seqloom.data.audio.features import FeatureOptions
from seqloom.data.audio.normalizer import Normalizer
from seqloom.data.text.vocabulary import Vocabulary
from seqloom.errors import ConfigError, RunError
from seqloom.inference.predictor import load, train
from seqloom.tasks.transcribe.language_models import scorer_of
from seqloom.tasks.transcribe.preparation import Preparation, TranscriptUnit

TRANSCRIPTS = {"bin blue now": 3, "set red now": 2, "bin red soon": 1}


def preparation(unit: TranscriptUnit = "character", texts: dict[str, int] = TRANSCRIPTS) -> Preparation:
    vocabulary = Vocabulary.fit(unit, texts)
    normalizer = Normalizer.fit([numpy.zeros((2, 3))])
    return Preparation(unit, vocabulary, FeatureCache(FeatureOptions()), normalizer, texts)


def test_the_n_gram_counts_transcripts_with_their_ends() -> None:
    given = preparation()
    encode = given.vocabulary.encode
    tokens = [n for text, count in TRANSCRIPTS.items() for n in [0, *encode(text)] * count] + [0]
    ngram = NGram(numpy.array(tokens), len(given.vocabulary), 6)
    scorer = scorer_of("ngram", given)
    prefixes = [(), tuple(encode("bin")), tuple(encode("bin blue now"))]
    found = scorer(prefixes)
    assert found.shape == (3, len(given.vocabulary))
    # every row is a distribution: over the symbols, and the end at number 0
    numpy.testing.assert_allclose(numpy.exp(found).sum(1), 1.0, rtol=1e-12)
    for row, prefix in zip(found, prefixes, strict=True):
        for number in range(len(given.vocabulary)):
            cost = ngram.nats(numpy.array([0, *prefix, number]))[-1]
            assert row[number] == pytest.approx(-cost, rel=1e-12)
    assert found[2].argmax() == 0  # where texts ended in training, the end is likeliest
    assert given.vocabulary.decode([int(found[0].argmax())]) == "b"


def test_the_n_gram_of_words() -> None:
    given = preparation("word")
    found = scorer_of("ngram", given)([(), tuple(given.vocabulary.encode("bin blue"))])
    assert [given.vocabulary.decode([int(row.argmax())]) for row in found] == [" bin", " now"]


@pytest.fixture(scope="module")
def language_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of lines, with tied weights."""
    folder = tmp_path_factory.mktemp("language")
    lines = "".join(f"{text}\n" for text, count in TRANSCRIPTS.items() for _ in range(count))
    (folder / "lines.txt").write_text(lines * 60)
    settings = {
        "model": {"hidden_size": 24, "num_layers": 1, "dropout": 0.0, "tie_weights": True},
        "training": {"batch_size": 4, "window": 26, "max_steps": 80, "learning_rate": 0.02},
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings))
    train(folder / "lines.txt", config=config, out=folder / "run")
    return folder / "run"


def test_a_trained_model_says_what_it_says_of_the_whole_text(language_run: Path) -> None:
    """States kept from prefix to prefix give what reading each prefix from its beginning gives."""
    given = preparation()
    scorer = scorer_of(str(language_run), given)
    predictor = load(language_run)
    text = given.vocabulary.encode("bin red now")
    prefixes = [tuple(text[:n]) for n in range(len(text) + 1)]
    found = [scorer([prefix])[0] for prefix in prefixes]
    scorer([()])  # another row
    both = scorer([tuple(given.vocabulary.encode("s")), prefixes[1]])
    numpy.testing.assert_allclose(both[1], found[1], rtol=1e-5)  # float32 in batches of other sizes

    numbers = predictor.preparation.vocabulary
    with torch.inference_mode():
        logits, _ = predictor.model(torch.tensor([numbers.encode("\nbin red now")]))
    expected = logits[0].double().log_softmax(-1)
    own = [numbers.encode("\n")[0]]
    own += [numbers.encode(given.vocabulary.decode([n]))[0] for n in range(1, len(given.vocabulary))]
    # float32: step by step or all at once
    numpy.testing.assert_allclose(numpy.stack(found), expected[:, own].numpy(), rtol=1e-4, atol=1e-5)
    assert found[-1].argmax() == 0  # it has learnt where lines end


def test_a_symbol_that_the_model_never_saw_is_its_unknown(language_run: Path) -> None:
    given = preparation(texts={**TRANSCRIPTS, "quiz": 1})
    row = scorer_of(str(language_run), given)([()])[0]
    q, z = (given.vocabulary.encode(letter)[0] for letter in "qz")
    assert row[q] == row[z] < math.log(0.05)


def test_a_model_of_other_units_is_refused(language_run: Path) -> None:
    message = (
        r"decoding\.language_model: expected a language model of words, as the transcripts are\. "
        r"Got one of characters\."
    )
    with pytest.raises(ConfigError, match=message):
        scorer_of(str(language_run), preparation("word"))


def test_what_is_no_language_model_is_refused(language_run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"nowhere: expected the run folder of a language model\. Got FileNotFound"
    ):
        scorer_of(str(tmp_path / "nowhere"), preparation())
    other = shutil.copytree(language_run, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "task": "classify"}))
    with pytest.raises(
        RunError, match=r"other: expected a run of the task generate\. Got a run of the task classify"
    ):
        scorer_of(str(other), preparation())
    wider = {**config["model"], "num_layers": 2}
    (other / "config.json").write_text(json.dumps({**config, "model": wider}))
    with pytest.raises(
        RunError, match=r"must hold the parameters that config\.json describes\. Got others\."
    ):
        scorer_of(str(other), preparation())


def test_a_model_that_changed_is_read_again(language_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(language_run, tmp_path / "run")
    before = scorer_of(str(folder), preparation())([()])
    file = folder / "model.safetensors"
    from safetensors.torch import load_file, save_file

    save_file({name: tensor * 0 for name, tensor in load_file(file).items()}, file)
    after = scorer_of(str(folder), preparation())([()])
    assert not numpy.allclose(before, after)
