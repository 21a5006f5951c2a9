"""Language models in the search: probabilities of symbols and of the end, by n-grams and trained models."""

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
from seqloom.inference.predictor import load
from seqloom.inspection.training import train
from seqloom.runs.run_folder import load_run
from seqloom.tasks.inputs.audio import AudioInput
from seqloom.tasks.transcribe.language_models import make_scorer
from seqloom.tasks.transcribe.preparation import Preparation, TranscriptUnit

TRANSCRIPTS = {"bin blue now": 3, "set red now": 2, "bin red soon": 1}


def preparation(unit: TranscriptUnit = "character", texts: dict[str, int] = TRANSCRIPTS) -> Preparation:
    vocabulary = Vocabulary.fit(unit, texts)
    normalizer = Normalizer.fit([numpy.zeros((2, 3))])
    return Preparation(unit, vocabulary, AudioInput(FeatureCache(FeatureOptions()), normalizer), texts)


def test_the_ngram_counts_transcripts_with_their_ends() -> None:
    symbols = preparation()
    encode = symbols.vocabulary.encode
    tokens = [n for text, count in TRANSCRIPTS.items() for n in [0, *encode(text)] * count] + [0]
    ngram = NGram(numpy.array(tokens), len(symbols.vocabulary), 6)
    scorer = make_scorer("ngram", symbols, None)
    prefixes = [(), tuple(encode("bin")), tuple(encode("bin blue now"))]
    scores = scorer(prefixes)
    assert scores.shape == (3, len(symbols.vocabulary))
    # every row is a distribution: over the symbols, and the end at number 0
    numpy.testing.assert_allclose(numpy.exp(scores).sum(1), 1.0, rtol=1e-12)
    for row, prefix in zip(scores, prefixes, strict=True):
        for number in range(len(symbols.vocabulary)):
            nats = ngram.nats(numpy.array([0, *prefix, number]))[-1]
            assert row[number] == pytest.approx(-nats, rel=1e-12)
    assert scores[2].argmax() == 0  # where texts ended in training, the end is likeliest
    assert symbols.vocabulary.decode([int(scores[0].argmax())]) == "b"


def test_the_ngram_of_words() -> None:
    symbols = preparation("word")
    scores = make_scorer("ngram", symbols, None)([(), tuple(symbols.vocabulary.encode("bin blue"))])
    assert [symbols.vocabulary.decode([int(row.argmax())]) for row in scores] == [" bin", " now"]


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


def test_a_model_scores_prefixes_as_it_scores_the_whole_text(language_run: Path) -> None:
    """Cached states give what reading each prefix from its start gives."""
    symbols = preparation()
    scorer = make_scorer(str(language_run), symbols, load_run)
    predictor = load(language_run)
    text = symbols.vocabulary.encode("bin red now")
    prefixes = [tuple(text[:n]) for n in range(len(text) + 1)]
    scores = [scorer([prefix])[0] for prefix in prefixes]
    scorer([()])  # another row
    both = scorer([tuple(symbols.vocabulary.encode("s")), prefixes[1]])
    numpy.testing.assert_allclose(both[1], scores[1], rtol=1e-5)  # float32 in batches of other sizes

    numbers = predictor.preparation.vocabulary
    with torch.inference_mode():
        logits, _ = predictor.model(torch.tensor([numbers.encode("\nbin red now")]))
    expected = logits[0].double().log_softmax(-1)
    columns = [numbers.encode("\n")[0]]
    columns += [numbers.encode(symbols.vocabulary.decode([n]))[0] for n in range(1, len(symbols.vocabulary))]
    # float32: step by step or all at once
    numpy.testing.assert_allclose(numpy.stack(scores), expected[:, columns].numpy(), rtol=1e-4, atol=1e-5)
    assert scores[-1].argmax() == 0  # it has learnt where lines end


def test_a_symbol_unseen_by_the_model_is_unknown(language_run: Path) -> None:
    symbols = preparation(texts={**TRANSCRIPTS, "quiz": 1})
    row = make_scorer(str(language_run), symbols, load_run)([()])[0]
    q, z = (symbols.vocabulary.encode(letter)[0] for letter in "qz")
    assert row[q] == row[z] < math.log(0.05)


def test_a_model_of_another_unit_is_refused(language_run: Path) -> None:
    message = (
        r"decoding\.language_model: expected a language model of words, as the transcripts are\. "
        r"Got one of characters\."
    )
    with pytest.raises(ConfigError, match=message):
        make_scorer(str(language_run), preparation("word"), load_run)


def test_runs_without_a_language_model_are_refused(language_run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere: expected a run folder\. Got no such folder\."):
        make_scorer(str(tmp_path / "nowhere"), preparation(), load_run)
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + "good\tyes\nbad\tno\n" * 10)
    settings = ["model.hidden_size=4", "training.max_steps=1"]
    classifier = train(tmp_path / "train.tsv", settings=settings, out=tmp_path / "classifier").folder
    message = r"classifier: expected a run of a language model\. Got a run of the task classify\."
    with pytest.raises(RunError, match=message):
        make_scorer(str(classifier), preparation(), load_run)


def test_a_modified_model_is_read_again(language_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(language_run, tmp_path / "run")
    before = make_scorer(str(folder), preparation(), load_run)([()])
    file = folder / "model.safetensors"
    from safetensors.torch import load_file, save_file

    save_file({name: tensor * 0 for name, tensor in load_file(file).items()}, file)
    after = make_scorer(str(folder), preparation(), load_run)([()])
    assert not numpy.allclose(before, after)
