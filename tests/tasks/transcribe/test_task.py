"""Transcribing: bad recordings and transcripts, streams that give what the whole gives, and searches."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest
import soundfile
import torch

import seqloom
from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.decoding.ctc.beam import CTCBeamOptions, ctc_beam_search
from seqloom.errors import ConfigError, DataError, RunError
from seqloom.evaluation.measure import measure
from seqloom.inference.predictor import Predictor
from seqloom.runs.config import RunConfig, resolve
from seqloom.tasks.base import Rows
from seqloom.tasks.transcribe.preparation import Preparation, shortest_path, spaced
from seqloom.tasks.transcribe.task import Transcribe
from seqloom.tasks.transcribe.toy_data import RATE_HZ, say

TASK = Transcribe()
CPU = torch.device("cpu")
WORDS = ("go", "left", "right", "on", "stop")


def speech(text: str, seed: int = 0) -> numpy.ndarray:
    return say(text, 1.0, numpy.random.default_rng(seed))


def write(folder: Path, rows: Sequence[tuple[str, str]], columns: str = "file_name,transcription") -> None:
    """FeatureCache and what is said in them; a name that is there already is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, rest) in enumerate(rows):
        if not (folder / name).exists():
            soundfile.write(folder / name, speech(rest.partition(",")[0], number), RATE_HZ, subtype="PCM_16")
    lines = [columns, *(f"{name},{rest}" for name, rest in rows)]
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def sentences(count: int, seed: int) -> list[tuple[str, str]]:
    generator = numpy.random.default_rng(seed)
    return [(f"{n}.wav", " ".join(generator.choice(WORDS, generator.integers(1, 4)))) for n in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech")
    for seed, (split, count) in enumerate({"train": 60, "validation": 12, "test": 20}.items()):
        write(path / split, sentences(count, seed))
    return path


def settings(**parts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    model = {"hidden_size": 32, "num_layers": 1, "dropout": 0.0, "cell_type": "gru", **parts.get("model", {})}
    training = {"max_steps": 300, "batch_size": 8, "learning_rate": 0.01, "warmup_steps": 10, "log_every": 50}
    return {"data": parts.get("data", {}), "model": model, "training": training}


def trained(folder: Path, out: Path, **parts: dict[str, Any]) -> Predictor:
    config = out.with_suffix(".yaml")
    config.write_text(json.dumps(settings(**parts)))
    return seqloom.train(folder, config=config, out=out)


@pytest.fixture(scope="module")
def one_way(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("runs") / "one-way"
    return trained(folder, out, model={"bidirectional": False, "num_layers": 2})


class Case(NamedTuple):
    config: RunConfig
    data: Records
    preparation: Preparation

    def rows(self, split: str = "test", model: Any = None, **decoding: Any) -> Rows:
        chosen = self.config.decoding.model_copy(update=decoding)
        context = self.config.context(self.preparation, decoding=chosen)
        source = self.preparation.source(self.data, split, Batching(8, training=False))
        return measure(TASK, model or self.model(), source, CPU, context)

    def model(self) -> Any:
        torch.manual_seed(0)
        return TASK.build(self.preparation, self.config.model).eval()


def prepared(folder: Path, strict: bool = False, **parts: dict[str, Any]) -> Case:
    data = read(folder, strict)
    assert isinstance(data, Records)
    config = resolve(TASK, [settings(**parts)])
    return Case(config, data, TASK.prepare(data, config.data))


# Symbols and losses


def test_the_blank_is_no_symbol_and_every_character_is_one(folder: Path) -> None:
    preparation = prepared(folder).preparation
    letters = sorted(set("".join(WORDS)) | {" "})
    assert [preparation.symbol(n) for n in range(1, len(preparation.vocabulary))] == letters
    assert preparation.text(preparation.vocabulary.encode("go left")) == "go left"
    assert preparation.describe() == "13 characters, 64 mels at 8000 Hz in steps of 30 ms"


def test_words_are_symbols_on_request(folder: Path) -> None:
    preparation = prepared(folder, data={"unit": "word"}).preparation
    assert len(preparation.vocabulary) - 1 == len(WORDS)
    assert preparation.text(preparation.vocabulary.encode("go left")) == "go left"
    assert preparation.unit == "word"


def test_the_loss_is_the_probability_of_all_ways_to_say_it(tmp_path: Path) -> None:
    """Against a search that nothing falls out of: another sum of the same paths."""
    write(tmp_path / "train", [("0.wav", "o"), ("1.wav", "on"), ("2.wav", "on o")])
    write(tmp_path / "validation", [("0.wav", "no")])
    case = prepared(tmp_path, data={"stacked_frames": 6})
    batch = next(case.preparation.source(case.data, "validation", Batching(1, training=False)).batches(0))
    model = case.model().double()
    loss = TASK.loss(model, batch, None, case.config.context(case.preparation))
    found = ctc_beam_search(model(batch.features).log_softmax(-1), None, CTCBeamOptions(5000))[0]
    symbols = case.preparation.vocabulary.encode("no")
    (expected,) = (one.log_probability for one in found if one.symbols == symbols)
    assert loss.units.tolist() == [2]
    assert loss.nats.item() == pytest.approx(-expected, rel=1e-9)


def test_features_are_blotted_out_in_training_alone(folder: Path) -> None:
    case = prepared(folder)
    batch = next(case.preparation.source(case.data, "train", Batching(4)).batches(0))
    context = case.config.context(case.preparation)

    def twice(model: Any) -> bool:
        return torch.equal(*(TASK.loss(model, batch, None, context).nats for _ in range(2)))

    assert twice(case.model())
    assert not twice(case.model().train())


@pytest.mark.parametrize(
    ("symbols", "least"), [([], 0), ([1], 1), ([1, 2, 1], 3), ([1, 1], 3), ([1, 1, 1, 2, 2], 8)]
)
def test_the_fewest_steps_that_ctc_needs(symbols: list[int], least: int) -> None:
    """With one step fewer the loss is infinite."""
    assert shortest_path(numpy.array(symbols)) == least
    for steps, possible in ((least, True), (least - 1, False)):
        if steps > 0:
            uniform = torch.zeros(steps, 3).log_softmax(-1)
            loss = torch.nn.functional.ctc_loss(
                uniform,
                torch.tensor(symbols),
                torch.tensor(steps),
                torch.tensor(len(symbols)),
                reduction="sum",
            )
            assert loss.isfinite().item() is possible


@pytest.mark.parametrize("text", ["", " ", "a", " a  b ", "a\n b c  "])
def test_spaces_come_out_single(text: str) -> None:
    assert "".join(spaced(text)) == " ".join(text.split())


# What is bad


BAD = {
    "missing.wav": ("go", r"expected an audio file\. Got no such file\. Its path is /.*/missing\.wav\."),
    "text.wav": ("go", r"expected audio, such as wav, flac or ogg\. Got 9 bytes in no known audio format\."),
    "cut.wav": ("go", r"expected a complete audio file\. Got one truncated after 0\.\d+ s\."),
    "silent.wav": ("go", r"expected audible sound\. Got silence from start to end\."),
    "short.wav": ("go", r"expected at least 45 ms of audio\. Got 5\.0 ms\."),
    "untold.wav": ("", r"`transcription` must be a text\. Got nothing\."),
    "long.wav": (
        "stop stop stop stop stop stop stop",
        r"`transcription` has 34 characters, for which CTC needs 34 steps or more\. Got 10 steps of sound\. "
        r"Is it the transcript of this file\? If so, set data\.stacked_frames lower\.",
    ),
    "foreign.wav": (
        "quack",
        r"must be made of the characters of the training split\. Got 'a', 'c', 'k', 'q', 'u'\.",
    ),
}


@pytest.fixture
def spoilt(folder: Path, tmp_path: Path) -> Path:
    """The data with bad rows among the good ones of the test split."""
    shutil.copytree(folder, tmp_path / "data")
    place = tmp_path / "data" / "test"
    (place / "text.wav").write_text("no sound\n")
    whole = (place / "0.wav").read_bytes()
    (place / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(place / "silent.wav", numpy.zeros(8000), RATE_HZ)
    soundfile.write(place / "short.wav", speech("go")[:40], RATE_HZ)
    soundfile.write(place / "untold.wav", speech("go"), RATE_HZ)
    soundfile.write(place / "long.wav", speech("go")[:3200], RATE_HZ)
    return tmp_path / "data"


def spoil(folder: Path, names: Sequence[str]) -> None:
    rows = sentences(4, 2) + [(name, BAD[name][0]) for name in names]
    lines = ["file_name,transcription", *(f"{name},{text}" for name, text in rows)]
    for name in names:
        if name == "foreign.wav":
            soundfile.write(folder / "test" / name, speech("go left"), RATE_HZ)
    (folder / "test" / "metadata.csv").write_text("\n".join(lines) + "\n")


def test_bad_rows_among_good_ones_are_skipped_and_counted(spoilt: Path) -> None:
    names = [name for name in BAD if name != "foreign.wav"]
    spoil(spoilt, [*names, "foreign.wav"])
    case = prepared(spoilt)
    source = case.preparation.source(case.data, "test", Batching(8, training=False))
    assert len(source.skipped) == len(BAD)
    assert len(case.rows().nats) == 4


@pytest.mark.parametrize("name", BAD)
def test_each_bad_row_is_one_clear_line_and_strict_stops_at_it(name: str, spoilt: Path) -> None:
    spoil(spoilt, [name])
    case = prepared(spoilt)
    (message,) = case.preparation.source(case.data, "test", Batching(8, training=False)).skipped
    assert re.search(rf"metadata\.csv, line 6.*: .*{BAD[name][1]}$", message), message
    assert "\n" not in message
    strict = read(spoilt, strict=True)
    with pytest.raises(DataError, match=BAD[name][1]):
        case.preparation.source(strict, "test", Batching(8, training=False))


def test_symbols_that_training_never_had_count_as_errors(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """To leave such a row out would flatter the model. The loss is of the symbols that it can know."""
    shutil.copytree(folder, tmp_path / "data")
    write(tmp_path / "data" / "test", [("0.wav", "go left"), ("1.wav", "go zoo")])
    case = prepared(tmp_path / "data")
    with caplog.at_level(logging.WARNING, "seqloom"):
        rows = case.rows()
        case.rows()
    assert [record.getMessage() for record in caplog.records] == [
        "1 transcripts of test have symbols that those to learn from have not ('z'): "
        "they count as errors, and the loss leaves them out"
    ]
    assert sorted(rows.units.tolist()) == [5, 7]  # without z
    assert rows.total("words")[3] == 4
    assert rows.total("characters")[3] == 13
    strict = read(tmp_path / "data", strict=True)
    with pytest.raises(DataError, match=r"must be made of the characters of the training split\. Got 'z'\.$"):
        case.preparation.source(strict, "test", Batching(8))


def test_a_missing_column_is_named(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "train", sentences(3, 0), "file_name,said")
    data = read(tmp_path)
    assert TASK.accepts(data) is None
    with pytest.raises(DataError, match=r"expected columns file, transcription\. Got file, said\."):
        TASK.prepare(data, resolve(TASK, []).data)  # type: ignore[arg-type]
    with pytest.raises(
        DataError, match=r"expected columns file, transcription, speaker\. Got file, transcription"
    ):
        prepared(folder, data={"normalization": "speaker"})


def test_stereo_and_other_rates_are_used_and_said_once(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(folder, tmp_path / "data")
    for name in ("1.wav", "2.wav"):
        sound = numpy.repeat(speech("go left"), 6)
        both = numpy.stack([sound, sound], axis=1)
        soundfile.write(tmp_path / "data" / "train" / name, both, 6 * RATE_HZ)
    with caplog.at_level(logging.WARNING, "seqloom"):
        case = prepared(tmp_path / "data")
        source = case.preparation.source(case.data, "train", Batching(8))
    assert source.skipped == ()
    assert [record.getMessage() for record in caplog.records] == [
        "2 channels averaged to one (first in 1.wav; not repeated for other files)",
        "resampled from 48000 Hz to 8000 Hz (first in 1.wav; not repeated for other files)",
    ]


def test_the_sample_rate_is_that_of_the_first_good_recording(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "data")
    (tmp_path / "data" / "train" / "0.wav").write_text("no sound")
    assert prepared(tmp_path / "data").preparation.recordings.options.sample_rate_hz == RATE_HZ
    chosen = prepared(folder, data={"sample_rate_hz": 16000}).preparation.recordings.options
    assert chosen.sample_rate_hz == 16000
    with pytest.raises(DataError, match=r"0\.wav: expected audio, such as wav"):
        prepared(tmp_path / "data", strict=True)
    for file in (tmp_path / "data" / "train").glob("*.wav"):
        file.write_text("no sound")
    with pytest.raises(
        DataError, match=r"expected at least one usable row for train\. Got 60 bad rows, the first: "
    ):
        prepared(tmp_path / "data")


# Speakers


@pytest.fixture
def speakers(tmp_path: Path) -> Path:
    columns = "file_name,transcription,speaker"
    for split, names in {"train": "ab", "validation": "ab", "test": "bc"}.items():
        rows = [(f"{n}.wav", f"go {WORDS[n % 5]},{names[n % 2]}") for n in range(6)]
        write(tmp_path / split, rows, columns)
    return tmp_path


def test_each_speaker_is_normalized_by_their_own_recordings(speakers: Path) -> None:
    case = prepared(speakers, data={"normalization": "speaker"})
    assert set(case.preparation.normalizer.speakers) == {"a", "b"}
    source = case.preparation.source(case.data, "test", Batching(8, training=False))
    (batch,) = source.batches(0)
    heard: dict[str, list[numpy.ndarray]] = {"b": [], "c": []}
    for features, length, file in zip(batch.features, batch.lengths, batch.files, strict=True):
        heard["bc"[int(file[0]) % 2]].append(features[:length].numpy())
    new = numpy.concatenate(heard["c"])  # measured by all there is of them here
    numpy.testing.assert_allclose(new.mean(0), 0.0, atol=1e-5)  # float32
    known = numpy.concatenate(heard["b"])  # measured in training
    assert abs(known.mean(0)).max() > 0.01


def test_a_file_alone_is_a_speaker_of_its_own(speakers: Path) -> None:
    case = prepared(speakers, data={"normalization": "speaker"})
    steps = case.preparation.normalized(case.preparation.encode(speakers / "test" / "0.wav"))
    numpy.testing.assert_allclose(steps.mean(0), 0.0, atol=1e-5)  # float32


# Answers


def test_it_learns_and_answers_in_order(one_way: Predictor, folder: Path) -> None:
    report = one_way.evaluate(folder)
    assert report.metrics["cer"] < 0.3 < report.baseline["cer"]
    assert report.is_better
    assert report.primary_metric.name == "wer"
    commonest = max(one_way.preparation.transcripts.values())
    assert one_way.preparation.transcripts["go"] == commonest
    assert report.baseline_name == "always 'go'"
    assert "loss_nats_per_character" not in report.baseline
    files = [folder / "test" / f"{n}.wav" for n in (3, 1, 2)]
    answers = one_way.predict(files)
    assert [answer.details["file"] for answer in answers] == ["3.wav", "1.wav", "2.wav"]
    assert [one_way.predict([file])[0].text for file in files] == [answer.text for answer in answers]
    assert [answer.details["transcription"] for answer in answers] == [answer.text for answer in answers]


def test_the_report_shows_the_worst_rows(one_way: Predictor, folder: Path) -> None:
    report = one_way.evaluate(folder, "train")
    wrong = report.metrics["cer"] > 0
    assert ("worst" in report.details) is wrong
    json.dumps(report.to_dict())


@pytest.mark.parametrize("decoding", [{}, {"num_beams": 4}, {"num_beams": 4, "language_model": "ngram"}])
def test_predictions_do_not_depend_on_who_shares_the_batch(
    one_way: Predictor, folder: Path, decoding: dict[str, Any]
) -> None:
    files = [folder / "test" / f"{n}.wav" for n in range(20)]
    together = [answer.text for answer in one_way.predict(files, **decoding)]
    assert together == [one_way.predict([file], **decoding)[0].text for file in files]


def test_a_language_model_of_the_transcripts_helps(one_way: Predictor, folder: Path) -> None:
    greedy = one_way.evaluate(folder).metrics["wer"]
    searched = one_way.evaluate(folder, num_beams=8, language_model="ngram").metrics["wer"]
    assert searched <= greedy


def test_a_language_model_needs_a_search(one_way: Predictor, folder: Path) -> None:
    message = r"decoding\.language_model: a language model helps a search over CTC: num_beams must be above 1"
    with pytest.raises(ConfigError, match=message):
        one_way.predict([folder / "test" / "0.wav"], language_model="ngram")


# TokenStreams


@pytest.mark.parametrize("chunk", [1, 80, 777, 8000, 1_000_000])
def test_a_stream_gives_what_the_whole_file_gives(one_way: Predictor, folder: Path, chunk: int) -> None:
    for number in range(1 if chunk == 1 else 6):
        path = folder / "test" / f"{number}.wav"
        samples, _ = soundfile.read(path, dtype="float32")
        chunks = (samples[start : start + chunk] for start in range(0, len(samples), chunk))
        pieces = list(one_way.transcribe_stream(chunks))
        assert "".join(pieces) == one_way.predict([path])[0].text
        assert pieces


def test_a_stream_speaks_before_it_ends(one_way: Predictor, folder: Path) -> None:
    samples, _ = soundfile.read(folder / "test" / "0.wav", dtype="float32")
    given = 0

    def chunks() -> Any:
        nonlocal given
        for start in range(0, len(samples), 400):
            given = start
            yield samples[start : start + 400]

    stream = one_way.transcribe_stream(chunks())
    assert next(iter(stream))
    assert given < len(samples) - 1200


def test_a_stream_of_words(folder: Path, tmp_path: Path) -> None:
    predictor = trained(folder, tmp_path / "words", data={"unit": "word"}, model={"bidirectional": False})
    path = folder / "test" / "1.wav"
    samples, _ = soundfile.read(path, dtype="float32")
    assert "".join(predictor.transcribe_stream([samples])) == predictor.predict([path])[0].text
    assert " " in predictor.predict([path])[0].text


def test_a_model_of_another_task_hears_no_stream(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 60)
    small = {"model": {"hidden_size": 8}, "training": {"max_steps": 2, "batch_size": 2, "window": 8}}
    (tmp_path / "c.yaml").write_text(json.dumps(small))
    predictor = seqloom.train(tmp_path / "text.txt", config=tmp_path / "c.yaml", out=tmp_path / "run")
    with pytest.raises(RunError, match=r"expected a model that transcribes audio\. Got the task generate\."):
        predictor.transcribe_stream([])


@pytest.mark.parametrize(
    ("parts", "decoding", "message"),
    [
        ({}, {}, r"a bidirectional model cannot hear a stream"),
        (
            {"model": {"decoder": "attention"}},
            {},
            r"transcribe: an attention decoder cannot hear a stream, as it looks back at the whole "
            r"recording\. Train one with model\.decoder=ctc\.",
        ),
        (
            {"model": {"bidirectional": False}, "data": {"normalization": "speaker"}},
            {},
            r"transcribe: a stream cannot be normalized by its speaker, who is not known before the end\. "
            r"Train one with data\.normalization=global\.",
        ),
        (
            {"model": {"bidirectional": False}},
            {"num_beams": 2},
            r"transcribe: a stream is transcribed greedily, with num_beams 1 and no language model\. ",
        ),
    ],
)
def test_what_cannot_stream_says_why(
    speakers: Path, parts: dict[str, Any], decoding: dict[str, Any], message: str
) -> None:
    case = prepared(speakers, **parts)
    chosen = case.config.decoding.model_copy(update=decoding)
    context = case.config.context(case.preparation, decoding=chosen)
    with pytest.raises(ConfigError, match=message):
        TASK.transcribe_stream(case.model(), [], context)


# Attention


@pytest.fixture(scope="module")
def attentive(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    out = tmp_path_factory.mktemp("runs") / "attentive"
    return trained(folder, out, model={"decoder": "attention"})


@pytest.mark.parametrize("num_beams", [1, 3])
def test_attention_writes_the_same_whoever_shares_the_batch(
    attentive: Predictor, folder: Path, num_beams: int
) -> None:
    files = [folder / "test" / f"{n}.wav" for n in range(9)]
    together = [answer.text for answer in attentive.predict(files, num_beams=num_beams)]
    assert together == [attentive.predict([file], num_beams=num_beams)[0].text for file in files]


def test_attention_is_charged_for_each_symbol_and_the_end(attentive: Predictor, folder: Path) -> None:
    data = read(folder)
    context, preparation = attentive.context(), attentive.preparation
    source = preparation.source(data, "test", Batching(8, training=False))
    rows = measure(TASK, attentive.model, source, CPU, context)
    texts = [output["expected"] for output in rows.outputs]
    assert rows.units.tolist() == [len(text) + 1 for text in texts]
    assert rows.mean() < 1.0  # it has learnt: untrained it is charged near log(14) = 2.6
    batch = next(source.batches(0))
    model, row = attentive.model.double(), 0
    heard = model.encode(batch.features[row : row + 1, : batch.lengths[row]])
    symbols = [0, *preparation.vocabulary.encode(batch.texts[row])]
    logits, _ = model.step(torch.tensor([symbols]), heard.start, heard)
    own = logits[0].log_softmax(-1)
    expected = -sum(own[place, number] for place, number in enumerate([*symbols[1:], 0]))
    loss = TASK.loss(model, batch, None, context)
    torch.testing.assert_close(loss.nats[row], expected, rtol=1e-9, atol=0.0)  # float64
    model.float()


def test_an_attention_decoder_takes_no_language_model(attentive: Predictor, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"a language model helps a search over CTC"):
        attentive.predict([folder / "test" / "0.wav"], num_beams=2, language_model="ngram")


def test_the_share_of_ctc_is_in_the_loss_of_training_alone(folder: Path) -> None:
    found = []
    for weight in (0.0, 1.0):
        masks = {"time_masks": 0, "frequency_masks": 0}
        case = prepared(folder, model={"decoder": "attention", "ctc_weight": weight, **masks})
        batch = next(case.preparation.source(case.data, "train", Batching(4)).batches(0))
        context, model = case.config.context(case.preparation), case.model()
        measured = TASK.loss(model, batch, None, context).nats
        found.append((measured, TASK.loss(model.train(), batch, None, context).nats))
    assert torch.equal(found[0][0], found[0][1])
    assert torch.equal(found[0][0], found[1][0])
    assert not torch.allclose(found[1][0], found[1][1])
