"""A trained model in Python: load, generate, stream, evaluate; and what damage says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import seqloom
from seqloom.errors import ConfigError, DataError, RunError
from seqloom.inference import inputs
from seqloom.inference.predictor import Predictor

TEXT = "the quick brown fox jumps over the lazy dog, and then it sleeps.\n" * 40
SETTINGS = ["model.hidden_size=32", "training.batch_size=4", "training.window=16", "training.max_steps=60"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(TEXT)
    return seqloom.train(folder / "text.txt", settings=SETTINGS, out=folder / "run")


@pytest.fixture
def copied(trained: Predictor, tmp_path: Path) -> Path:
    """A run folder to damage."""
    for file in trained.folder.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def test_one_prompt_gives_a_text_and_several_a_list(trained: Predictor) -> None:
    one = trained.generate("the ", max_new_tokens=20, seed=1)
    assert isinstance(one, str)
    assert len(one) == 20
    assert trained.generate(["the ", "a"], max_new_tokens=20, seed=1)[0] == one
    assert trained.generate([], max_new_tokens=20) == []


def test_a_model_is_loaded_whatever_the_default_device_is(trained: Predictor) -> None:
    with torch.device("meta"):  # on which nothing can be computed
        model = seqloom.load(trained.folder, device="cpu")
    assert model.generate("the ", max_new_tokens=20, seed=1) == trained.generate(
        "the ", max_new_tokens=20, seed=1
    )


def test_generation_starts_from_the_options_of_the_run(trained: Predictor, copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    damage_config(copied, decoding={**config["decoding"], "max_new_tokens": 7, "temperature": 0.0})
    model = seqloom.load(copied)
    greedy = trained.generate("the ", max_new_tokens=7, temperature=0)
    assert model.generate("the ") == greedy
    assert "".join(model.stream("the ")) == greedy
    assert len(model.generate("the ", max_new_tokens=9)) == 9


def test_a_stream_is_the_same_text_in_pieces(trained: Predictor) -> None:
    pieces = list(trained.stream("the ", max_new_tokens=30, temperature=0.9, seed=4))
    assert len(pieces) == 30
    assert "".join(pieces) == trained.generate("the ", max_new_tokens=30, temperature=0.9, seed=4)


def test_a_chunked_prompt_writes_what_the_whole_writes(
    trained: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = TEXT[:300]
    whole = trained.generate(prompt, max_new_tokens=100, seed=2)
    for chunk in (1, 7, 64):
        monkeypatch.setattr("seqloom.tasks.generate.task.PREFILL_CHUNK", chunk)
        assert trained.generate(prompt, max_new_tokens=100, seed=2) == whole


def test_a_text_ends_where_it_is_told_to(trained: Predictor) -> None:
    options = {"max_new_tokens": 100, "temperature": 0}
    whole = trained.generate("the quick", **options)
    assert isinstance(whole, str)
    for stop in (whole[10:13], [whole[40:45], whole[20:24]], "never \u2603"):
        ends = [whole.find(text) for text in ([stop] if isinstance(stop, str) else stop)]
        expected = whole[: min((end for end in ends if end >= 0), default=len(whole))]
        assert trained.generate("the quick", stop=stop, **options) == expected
        assert "".join(trained.stream("the quick", stop=stop, **options)) == expected


def test_beams_find_a_text_no_less_likely_than_greed(trained: Predictor) -> None:
    vocabulary = trained.preparation.vocabulary

    def log_probability(text: str) -> float:
        tokens = torch.tensor([vocabulary.encode("the " + text)])
        logits = trained.model(tokens[:, :-1])[0].log_softmax(-1)
        return logits[0].gather(1, tokens[0, 1:, None])[-len(text) :].sum().item()

    texts = [trained.generate("the ", max_new_tokens=12, **o) for o in ({"num_beams": 8}, {"temperature": 0})]
    searched, greedy = (log_probability(text) for text in texts if isinstance(text, str))
    assert searched >= greedy - 1e-4  # sums of twelve float32 logarithms


def test_no_prompt_begins_as_after_a_line(trained: Predictor) -> None:
    options = {"max_new_tokens": 9, "temperature": 0}
    assert trained.generate(**options) == trained.generate("\n", **options)


def test_evaluation_names_its_split_and_has_interval_and_baseline(trained: Predictor) -> None:
    report = trained.evaluate(trained.folder.parent / "text.txt")
    name = "loss_nats_per_character"
    assert report.split == "validation"  # of what it learnt from
    low, high = report.interval[name]
    assert low < report.metrics[name] < high
    assert report.baseline_name == "6-gram (Kneser-Ney)"
    assert json.loads(json.dumps(report.to_dict()))["metrics"] == report.metrics
    assert trained.evaluate(trained.folder.parent / "text.txt", split="all").baseline == {}


def test_evaluation_agrees_with_what_training_recorded(trained: Predictor) -> None:
    lines = (trained.folder / "metrics.jsonl").read_text().splitlines()
    validations = [record for line in lines if (record := json.loads(line))["split"] == "validation"]
    best = min(record["loss_nats_per_character"] for record in validations)
    found = trained.evaluate(trained.folder.parent / "text.txt").metrics["loss_nats_per_character"]
    assert found == pytest.approx(best, rel=1e-12)


def test_a_text_that_it_did_not_learn_from_is_measured_whole(trained: Predictor, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text(TEXT[:1000])
    report = trained.evaluate(tmp_path / "other.txt")
    assert report.split == "all"
    assert report.is_better is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stop": ["a", ""]}, r"generate: stop must be a text of at least one character"),
        ({"temperature": -1}, r"temperature must be >= 0\. Got -1\."),
        ({"temprature": 1}, r"generate: unknown option `temprature`\. Did you mean `temperature`\?"),
        ({"top_p": 0}, r"top_p must be > 0 and <= 1\. Got 0\."),
    ],
)
def test_options_that_are_refused(trained: Predictor, options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trained.generate("a", **options)


def test_a_search_cannot_be_streamed(trained: Predictor) -> None:
    with pytest.raises(ConfigError, match=r"num_beams must be 1"):
        list(trained.stream("a", num_beams=2))


def test_a_split_that_is_not_there(trained: Predictor) -> None:
    with pytest.raises(DataError, match=r"text\.txt: expected a split named test\. Got train, validation\."):
        trained.evaluate(trained.folder.parent / "text.txt", split="test")


def damage_config(folder: Path, **changes: object) -> None:
    """Change it as a person does who has read the hint: without checksums."""
    content = json.loads((folder / "config.json").read_text())
    del content["checksums"]
    (folder / "config.json").write_text(json.dumps({**content, **changes}))


def test_a_newer_run_folder_says_so(copied: Path) -> None:
    damage_config(copied, format=3, seqloom="9.0.0")
    with pytest.raises(
        RunError, match=r"config\.json: expected format 2\. Got format 3, .* 9\.0\.0\. Update seqloom"
    ):
        seqloom.load(copied)


def test_a_key_of_a_later_version_is_named(copied: Path) -> None:
    damage_config(copied, model={"hidden_sizes": 3})
    with pytest.raises(
        RunError, match=r"config\.json: expected settings of this version\. Got .*hidden_sizes`"
    ):
        seqloom.load(copied)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "config.json",
            None,
            r"config\.json: expected the config\.json of a run folder\. Got no config\.json\.",
        ),
        (
            "config.json",
            b"{",
            r"config\.json: expected the config\.json of a run folder\. Got JSONDecodeError",
        ),
        ("config.json", b"{}", r"config\.json: expected the config\.json of a run folder\. Got KeyError"),
        (
            "model.safetensors",
            None,
            r"model\.safetensors: expected the weights of a trained model\. Got no such",
        ),
        ("model.safetensors", b"\0" * 9, r"model\.safetensors: expected a safetensors file\. Got "),
        ("tokenizer.json", b"{}", r"tokenizer\.json: must be as it was written\. Got other content\. It was"),
        ("tokenizer.json", None, r"tokenizer\.json: expected a file of the run folder\. Got No such file"),
    ],
)
def test_damage_is_named(copied: Path, name: str, content: bytes | None, message: str) -> None:
    if content is None:
        (copied / name).unlink()
    else:
        (copied / name).write_bytes(content)
    with pytest.raises(RunError, match=message):
        seqloom.load(copied)


def test_a_changed_configuration_is_named_with_what_to_do(copied: Path) -> None:
    content = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(content, indent=None))  # the same values
    seqloom.load(copied)
    content["decoding"]["temperature"] = 0.5
    (copied / "config.json").write_text(json.dumps(content))
    with pytest.raises(RunError) as raised:
        seqloom.load(copied)
    assert str(raised.value) == (
        f"{copied / 'config.json'}: must be as it was written. Got other content. "
        "If you changed it yourself, delete its `checksums`; else it was damaged: copy it again."
    )


def test_a_tokenizer_that_is_none_is_named_without_checksums_too(copied: Path) -> None:
    damage_config(copied)
    (copied / "tokenizer.json").write_text("{}")
    with pytest.raises(RunError, match=r"tokenizer\.json: expected a tokenizer\.json\. Got "):
        seqloom.load(copied)


def test_weights_of_another_model_are_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    damage_config(copied, model={**config["model"], "hidden_size": 33})
    with pytest.raises(
        RunError, match=r"model\.safetensors: must hold the parameters that config\.json describes"
    ):
        seqloom.load(copied)


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere: expected a run folder\. Got no such folder\."):
        seqloom.load(tmp_path / "nowhere")


def test_a_trace_has_a_row_for_each_character(trained: Predictor) -> None:
    trace = trained.trace("the fox", ["*.forget", "layers.1.cell.7"])
    assert trace.steps == list("the fox")
    assert list(trace) == ["layers.0.forget", "layers.1.forget", "layers.1.cell.7"]
    assert trace["layers.0.forget"].shape == (7, 32)
    whole = trained.trace("the fox")
    assert torch.equal(trace["layers.1.cell.7"], whole["layers.1.cell"][:, 7])
    h = whole["layers.1.output"] * whole["layers.1.cell"].tanh()
    torch.testing.assert_close(h, whole["layers.1.hidden"], rtol=0, atol=1e-6)  # float32
    assert trace.written == []


def test_names_that_do_not_exist_name_the_nearest(trained: Predictor) -> None:
    with pytest.raises(ConfigError, match=r"Got layers\.0\.forgot\. Did you mean `layers\.0\.forget`\?"):
        trained.trace("the", ["layers.0.forgot"])
    with pytest.raises(
        ConfigError, match=r"has units 0 to 31\. Got 32\. Did you mean `layers\.0\.cell\.31`\?"
    ):
        trained.trace("the", ["layers.0.cell.32"])
    with pytest.raises(ConfigError, match="expected a model with attention"):
        trained.trace("the", ["attention"])
    with pytest.raises(ConfigError, match=r"a traced value\. Got layers\.1\.forget\. Did you mean"):
        trained.trace("the", ["layers.0.forget"])["layers.1.forget"]


def test_a_trace_reads_no_more_than_a_prediction(trained: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_CHARACTERS", 5)
    with pytest.raises(DataError, match=r"^trace: an input must have at most 5 characters\. Got 7\.$"):
        trained.trace("the fox")


def test_a_clamp_holds_in_every_decoder(trained: Predictor) -> None:
    """The compiled one packs its weights anew; so does a report."""
    options = {"max_new_tokens": 30, "temperature": 0}
    before = trained.generate("the quick", **options)
    text = trained.folder.parent / "text.txt"
    report = trained.evaluate(text)
    with trained.clamp({"*.forget": 0.0, "*.input": 0.0}):
        without_memory = trained.generate("the quick", **options)
        assert isinstance(without_memory, str)
        assert len(set(without_memory[1:])) == 1  # nothing is kept, and nothing is read
        assert trained.evaluate(text).metrics != report.metrics
    assert trained.generate("the quick", **options) == before
    assert trained.evaluate(text).metrics == report.metrics
