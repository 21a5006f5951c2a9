"""The task `tag`: what it reads and refuses, its loss, its figures by hand, and its answers."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from seqloom.data.batching import Batching
from seqloom.data.read import read
from seqloom.data.tables.records import Records
from seqloom.errors import DataError, RunError
from seqloom.evaluation.measure import measure
from seqloom.models.sequence_tagger import SequenceTagger
from seqloom.tasks.base import Context, Rows
from seqloom.tasks.tag.preparation import DataConfig, Preparation, Sentences
from seqloom.tasks.tag.task import DecodingConfig, ModelConfig, Tag

TASK = Tag()
TRAIN = [
    ("Anna Berg sang", "B-PER I-PER O"),
    ("Anna saw Oslo", "B-PER O B-LOC"),
    ("in Oslo Anna sang and sang", "O B-LOC B-PER O O O"),
    ("so it was", "O O O"),
]
OTHERS = [("Oslo sang", "B-LOC O"), ("Bob saw Anna Berg in rain", "B-PER O B-PER I-PER O O"), ("Anna", "O")]


def written(folder: Path, **splits: list[tuple[Any, Any]]) -> Records:
    """Rows as JSON lines, a text standing for the list of its words, read again."""
    for split, rows in splits.items():
        lists = [[value.split() if isinstance(value, str) else value for value in row] for row in rows]
        lines = [json.dumps(dict(zip(("tokens", "tags"), row, strict=True))) for row in lists]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    data = read(folder)
    assert isinstance(data, Records)
    return data


@pytest.fixture
def data(tmp_path: Path) -> Records:
    return written(tmp_path, train=TRAIN, validation=OTHERS)


@pytest.fixture
def preparation(data: Records) -> Preparation:
    return TASK.prepare(data, DataConfig())


def context(preparation: Preparation, **model: Any) -> Context:
    return Context(preparation, ModelConfig(**model), DecodingConfig())


def built(preparation: Preparation, **model: Any) -> SequenceTagger:
    """A small tagger whose tags are not all the same."""
    config = ModelConfig(**{"hidden_size": 8, "embedding_size": 6, "spelling_size": 3, **model})
    tagger = TASK.build(preparation, config)
    for parameter in tagger.parameters():
        torch.nn.init.normal_(parameter)
    return tagger.double().eval()


def batch_of(preparation: Preparation, data: Records, split: str = "train") -> Sentences:
    batches = list(preparation.source(data, split, Batching(64, training=False)).batches(0))
    assert len(batches) == 1
    return batches[0]  # type: ignore[return-value]


def test_it_accepts_records_with_tokens_and_tags_and_nothing_else(data: Records) -> None:
    assert TASK.accepts(data) == "records with columns tokens and tags"
    assert TASK.accepts(data._replace(columns=("tokens", "label"))) is None
    assert TASK.accepts("a text") is None


def test_columns_and_json_lines_are_the_same_data(data: Records, tmp_path: Path) -> None:
    folder = tmp_path / "columns"
    folder.mkdir()
    for split, rows in (("train", TRAIN), ("validation", OTHERS)):
        sentences = [zip(tokens.split(), tags.split(), strict=True) for tokens, tags in rows]
        content = "\n".join("".join(f"{token} x {tag}\n" for token, tag in pairs) for pairs in sentences)
        (folder / f"{split}.conll").write_text(content)
    columns = read(folder)
    fields = [[example.fields for example in found.examples("all")] for found in (columns, data)]
    assert fields[0] == fields[1]


def test_words_are_counted_and_numbered_by_how_often_they_come(preparation: Preparation) -> None:
    assert list(preparation.words)[:3] == ["Anna", "sang", "Oslo"]
    assert preparation.words["Anna"] == {"B-PER": 3}
    assert preparation.tags == ["B-LOC", "B-PER", "I-PER", "O"]
    assert preparation.encode("Anna sang Bob").words.tolist() == [1, 2, 0]
    assert preparation.describe() == "11 words, 4 tags"
    seen_once = [word for number, word in enumerate(preparation.words, 1) if preparation.seen_once[number]]
    assert seen_once == ["Berg", "and", "in", "it", "saw", "so", "was"]
    assert not preparation.seen_once[0]


def test_the_commonest_words_are_kept_and_the_rest_counted_together(data: Records) -> None:
    preparation = TASK.prepare(data, DataConfig(vocabulary_size=4))
    assert list(preparation.words) == ["Anna", "sang", "Oslo", "<unk>"]
    assert preparation.words["<unk>"] == {"I-PER": 1, "O": 6}
    assert preparation.counts().sum() == 15
    assert preparation.encode("so Oslo").words.tolist() == [0, 3]


def test_a_word_that_is_written_as_the_unknown_one_is_that(tmp_path: Path) -> None:
    data = written(tmp_path, train=[("<unk> a", "X Y"), ("a b", "Y X")], validation=[("a", "X")])
    preparation = TASK.prepare(data, DataConfig())
    assert preparation.encode("<unk> new a").words.tolist() == [0, 0, 1]
    assert preparation.counts()[0].tolist() == [1, 0]


def test_words_in_small_letters_keep_their_spelling(data: Records) -> None:
    preparation = TASK.prepare(data, DataConfig(lowercase=True))
    one, other = preparation.encode("ANNA"), preparation.encode("anna")
    assert one.words.tolist() == other.words.tolist() != [0]
    assert one.characters.tolist() != other.characters.tolist()


def test_characters_that_training_has_once_are_unknown_ones(preparation: Preparation) -> None:
    assert "A" in preparation.characters  # of Anna
    assert "w" in preparation.characters  # of saw and was
    assert "B" not in preparation.characters  # of Berg
    characters = preparation.encode("aBé an").characters
    assert characters.shape == (2, 3)
    assert characters[0, 1:].tolist() == [1, 1]
    assert characters[1, 2] == 0  # behind the end of the word


def test_spellings_are_left_out_on_request(data: Records) -> None:
    preparation = TASK.prepare(data, DataConfig(spelling=False))
    assert preparation.encode("Anna sang").characters.shape == (2, 0)
    model = built(preparation)
    assert model.characters is None
    assert TASK.loss(model, batch_of(preparation, data), None, context(preparation)).nats.isfinite().all()


def test_a_preparation_comes_back_from_its_file(data: Records, tmp_path: Path) -> None:
    for config in (DataConfig(), DataConfig(lowercase=True, vocabulary_size=4, spelling=False)):
        preparation = TASK.prepare(data, config)
        for name, content in preparation.files().items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        again = TASK.restore(tmp_path, config)
        assert again.files() == preparation.files()
        assert numpy.array_equal(again.counts(), preparation.counts())
        assert again.item("Oslo sang é").words.tolist() == preparation.encode("Oslo sang é").words.tolist()


@pytest.mark.parametrize(
    "content", [None, "no JSON", "[]", '{"words": {}}', '{"words": 1, "characters": ""}']
)
def test_a_damaged_preparation_is_said_in_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "words.json").write_text(content)
    with pytest.raises(RunError, match=r"words\.json: expected the words of a tagger\. Got .*\.$"):
        TASK.restore(tmp_path, DataConfig())


BAD = [
    ((["a", "b"], ["O"]), r"expected as many tags as tokens, 2\. Got 1\."),
    ((["a"], ["O", "O"]), r"expected as many tags as tokens, 1\. Got 2\."),
    (([], []), r"expected at least one token\. Got an empty sentence\."),
    ((["a", ""], ["O", "O"]), r"tokens must be a list of texts, none empty\. Got \['a', ''\]\."),
    ((["a", 1], ["O", "O"]), r"tokens must be a list of texts, none empty\. Got \['a', 1\]\."),
    ((None, ["O"]), r"tokens must be a list of texts, none empty\. Got None\."),
    ((["a"], None), r"tags must be a list of texts, none empty\. Got None\."),
    ((["a"], [3]), r"tags must be a list of texts, none empty\. Got \[3\]\."),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_bad_row_is_skipped_and_counted(tmp_path: Path, row: tuple[Any, Any], message: str) -> None:
    data = written(tmp_path, train=[*TRAIN[:2], row, *TRAIN[2:]], validation=[*OTHERS, row])
    preparation = TASK.prepare(data, DataConfig())
    assert len(preparation.words) == 10
    for split, line, good in (("train", 3, 4), ("validation", 4, 3)):
        source = preparation.source(data, split, Batching(64, training=False))
        assert sum(len(batch.words) for batch in source.batches(0)) == good  # type: ignore[attr-defined]
        (found,) = source.skipped
        assert re.search(rf"{split}\.jsonl, line {line}: {message}$", found)
        with pytest.raises(DataError, match=rf"{split}\.jsonl, line {line}: {message}$"):
            preparation.source(data._replace(strict=True), split, Batching(64))


def test_a_tag_that_training_has_not_is_a_bad_row(tmp_path: Path) -> None:
    data = written(tmp_path, train=TRAIN, validation=[*OTHERS, ("Bob sang", "B-PERS O")])
    preparation = TASK.prepare(data, DataConfig())
    source = preparation.source(data, "validation", Batching(64, training=False))
    assert source.skipped == (
        f"{tmp_path}/validation.jsonl, line 4: each tag must be one that training has. Got B-PERS. "
        "Did you mean `B-PER`?",
    )


def test_columns_that_are_missing_are_named(data: Records) -> None:
    with pytest.raises(DataError, match=r": expected columns tokens, tags\. Got tokens, label\.$"):
        TASK.prepare(data._replace(columns=("tokens", "label")), DataConfig())


@pytest.mark.parametrize("crf", [True, False])
def test_the_loss_of_a_row_is_how_unlikely_its_tags_are_together(
    data: Records, preparation: Preparation, crf: bool
) -> None:
    model, batch = built(preparation, crf=crf), batch_of(preparation, data)
    loss = TASK.loss(model, batch, None, context(preparation))
    for row, length in enumerate(batch.lengths.tolist()):
        emissions = model(batch.words, batch.lengths, None, batch.characters).emissions[row, :length]
        tags = batch.tags[row, :length]
        if model.crf is None:
            expected = -emissions.log_softmax(-1)[torch.arange(length), tags].sum()
        else:
            expected = -model.crf(emissions.unsqueeze(0), tags.unsqueeze(0))[0]
        torch.testing.assert_close(loss.nats[row], expected)
    assert loss.units.tolist() == batch.lengths.tolist()
    assert int(loss.units.sum()) == 15


@pytest.mark.parametrize("crf", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_figures_and_answers_do_not_depend_on_the_batch(
    data: Records, preparation: Preparation, crf: bool, bidirectional: bool
) -> None:
    model = built(preparation, crf=crf, bidirectional=bidirectional, num_layers=2)
    told = context(preparation)
    found = []
    for size in (1, 3, 64):
        source = preparation.source(data, "all", Batching(size, training=False))
        parts = [TASK.measure(model, batch, None, told) for batch in source.batches(0)]
        order = {
            tuple(output["tokens"]): number
            for number, output in enumerate(o for p in parts for o in p.outputs)
        }
        rows = [order[tuple(example.fields["tokens"])] for example in data.examples("all")]
        counted = {name: torch.cat([part.counts[name] for part in parts])[rows] for name in parts[0].counts}
        found.append((torch.cat([part.nats for part in parts])[rows], counted))
    for nats, counted in found[1:]:
        # float64, a few additions in another order
        torch.testing.assert_close(nats, found[0][0], rtol=0, atol=1e-10)
        assert {name: values.tolist() for name, values in counted.items()} == {
            name: values.tolist() for name, values in found[0][1].items()
        }
    items = [preparation.encode(example.fields["tokens"]) for example in data.examples("all")]
    alone = [TASK.predict(model, [item], told)[0] for item in items]
    assert TASK.predict(model, items, told) == alone


def test_what_is_measured_is_what_is_answered(data: Records, preparation: Preparation) -> None:
    model, told = built(preparation), context(preparation)
    batch = batch_of(preparation, data, "validation")
    loss = TASK.measure(model, batch, None, told)
    for row, output in enumerate(loss.outputs):
        (answer,) = TASK.predict(model, [preparation.encode(output["tokens"])], told)
        assert answer.details["tags"] == output["tags"]
        right = sum(one == other for one, other in zip(output["tags"], output["expected"], strict=True))
        assert int(loss.counts["right"][row]) == right
        assert int(loss.counts["found"][row]) == len(answer.details["entities"])
    assert {tuple(output["tokens"]): output["expected"] for output in loss.outputs} == {
        tuple(tokens.split()): tags.split() for tokens, tags in OTHERS
    }


def test_words_seen_once_are_read_as_unknown_ones_in_training_only(
    data: Records, preparation: Preparation
) -> None:
    model, batch, told = built(preparation), batch_of(preparation, data), context(preparation)
    seen: list[torch.Tensor] = []
    model.register_forward_hook(lambda module, arguments, output: seen.append(arguments[0]))
    TASK.loss(model, batch, None, told)
    assert torch.equal(seen[-1], batch.words)
    model.train()
    for _ in range(200):
        TASK.loss(model, batch, None, told)
    rare = preparation.seen_once[batch.words] & (torch.arange(6) < batch.lengths.unsqueeze(1))
    changed = torch.stack([words != batch.words for words in seen[1:]])
    assert not changed[:, ~rare].any()
    # 200 draws each for 7 words, of chance one half: four standard errors
    assert changed[:, rare].float().mean().item() == pytest.approx(0.5, abs=4 * 0.5 / 1400**0.5)
    TASK.loss(model, batch, None, context(preparation, rare_word_dropout=0.0))
    assert torch.equal(seen[-1], batch.words)


def test_a_sentence_is_answered_with_tags_and_entities(preparation: Preparation) -> None:
    model = built(preparation, crf=False)
    torch.nn.init.zeros_(model.output.weight)
    model.output.bias.data = torch.tensor([0.0, 2.0, 0.0, 1.0]).double()  # every tag B-PER
    one, other = TASK.predict(
        model, [preparation.encode("Anna  sang\n"), preparation.encode(["New York"])], context(preparation)
    )
    assert one.text == "B-PER B-PER"
    assert one.details == {
        "tokens": ["Anna", "sang"],
        "tags": ["B-PER", "B-PER"],
        "entities": [
            {"type": "PER", "start": 0, "stop": 1, "text": "Anna"},
            {"type": "PER", "start": 1, "stop": 2, "text": "sang"},
        ],
    }
    assert other.details["tokens"] == ["New York"]
    json.dumps(one.details)


@pytest.mark.parametrize("value", ["", " \n", []])
def test_nothing_cannot_be_tagged(preparation: Preparation, value: Any) -> None:
    with pytest.raises(DataError, match=r"^tag: expected at least one token\. Got an empty sentence\.$"):
        preparation.encode(value)


@pytest.mark.parametrize("value", [3, ["a", ""], b"a", [["a"]]])
def test_what_is_no_sentence_is_refused(preparation: Preparation, value: Any) -> None:
    with pytest.raises(DataError, match=r"^tag: tokens must be a list of texts, none empty\. Got .*\.$"):
        preparation.encode(value)


def test_metrics_have_their_usual_names() -> None:
    nats, units = numpy.array([2.0, 4.0]), numpy.array([4, 8])
    assert TASK.score(Rows(nats, units), "token") == {"loss_nats_per_token": 0.5}
    counted = {"right": numpy.array([4, 5])}
    assert TASK.score(Rows(nats, units, counted), "token") == {"loss_nats_per_token": 0.5, "accuracy": 0.75}
    counted |= {"expected": numpy.array([1, 3]), "found": numpy.array([0, 2]), "correct": numpy.array([0, 1])}
    assert TASK.score(Rows(nats, units, counted), "token") == {
        "loss_nats_per_token": 0.5,
        "accuracy": 0.75,
        "precision": 0.5,
        "recall": 0.25,
        "f1": pytest.approx(1 / 3),
    }


def test_entities_come_first_where_there_are_any() -> None:
    assert TASK.headline({"loss_nats_per_token": 1.0, "accuracy": 0.9, "f1": 0.5}) == ("f1", True)
    assert TASK.headline({"loss_nats_per_token": 1.0, "accuracy": 0.9}) == ("accuracy", True)


def test_tags_that_are_not_bio_have_no_entities(tmp_path: Path) -> None:
    rows = [("the dog barks", "DET NOUN VERB"), ("the bark", "DET NOUN")]
    data = written(tmp_path, train=rows, validation=rows)
    preparation = TASK.prepare(data, DataConfig())
    model, told = built(preparation), context(preparation)
    loss = TASK.measure(model, batch_of(preparation, data), None, told)
    assert list(loss.counts) == ["right"]
    assert list(TASK.predict(model, [preparation.encode("the dog")], told)[0].details) == ["tokens", "tags"]
    outputs = [{"expected": ["DET", "NOUN"], "tags": ["DET", "VERB"]}]
    found = TASK.notes(Rows(numpy.ones(1), numpy.ones(1), {"right": numpy.ones(1)}, outputs))["by_tag"]
    assert {tag: figures["recall"] for tag, figures in found.items()} == {"DET": 1, "NOUN": 0, "VERB": 0}


def test_notes_have_the_figures_of_each_type(data: Records, preparation: Preparation) -> None:
    loss = TASK.measure(built(preparation), batch_of(preparation, data), None, context(preparation))
    counted = {name: values.numpy() for name, values in loss.counts.items()}
    rows = Rows(loss.nats.detach().numpy(), loss.units.numpy(), counted, loss.outputs)
    found = TASK.details(rows)["by_type"]
    assert {kind: figures["expected"] for kind, figures in found.items() if figures["expected"]} == {
        "LOC": 2,
        "PER": 3,
    }
    json.dumps(found)


def test_the_baseline_by_hand(data: Records, preparation: Preparation) -> None:
    baseline = TASK.baseline(preparation, data, "validation")
    assert baseline is not None
    assert baseline.name == "most frequent tag of each word"
    counts = {"B-LOC": 2, "B-PER": 3, "I-PER": 1, "O": 9}
    share = {tag: (count + 1) / (15 + 4) for tag, count in counts.items()}

    def nats(there: int, of: int, tag: str) -> float:
        return -math.log((there + share[tag]) / (of + 1))

    expected = [
        nats(2, 2, "B-LOC") + nats(3, 3, "O"),
        # Bob and rain are unknown; training's Berg is once I-PER, its `in` and `saw` once O.
        nats(0, 0, "B-PER") + nats(1, 1, "O") + nats(3, 3, "B-PER") + nats(1, 1, "I-PER")
        + nats(1, 1, "O") + nats(0, 0, "O"),
        nats(0, 3, "O"),
    ]  # fmt: skip
    numpy.testing.assert_allclose(baseline.rows.nats, expected, rtol=1e-12)
    assert baseline.rows.units.tolist() == [2, 6, 1]
    counted = {name: values.tolist() for name, values in baseline.rows.counts.items()}
    # Bob is taken for O, and Anna, who is not a person in the last row, for one.
    assert counted == {"right": [2, 5, 0], "expected": [1, 2, 0], "found": [1, 1, 1], "correct": [1, 1, 0]}


def test_the_baseline_is_there_for_any_data(data: Records, preparation: Preparation) -> None:
    baseline = TASK.baseline(preparation, data, "all")
    assert baseline is not None
    assert baseline.rows.units.sum() == 24


def test_the_sample_is_the_same_for_the_same_seed_and_says_that_it_is_made_up(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "same", "other")]
    for folder, seed in zip(folders, (1, 1, 2), strict=True):
        folder.mkdir()
        assert "harbor" in TASK.write_toy_data(folder, seed)
    one, same, other = ((folder / "train.conll").read_text() for folder in folders)
    assert one == same != other
    assert one.startswith("# Made up by `seqloom toy-data tag`")


def test_in_the_sample_a_tag_needs_what_comes_before_and_what_comes_behind(tmp_path: Path) -> None:
    """Neither half of a sentence tells a name's tag, both together always do."""
    TASK.write_toy_data(tmp_path, 0)
    data = read(tmp_path)
    assert isinstance(data, Records)
    assert {split: len(rows) for split, rows in data.splits.items()} == {
        "train": 4000,
        "validation": 500,
        "test": 500,
    }
    types: dict[tuple[str, str], set[str]] = {}
    for example in data.examples("all"):
        tokens, tags = example.fields["tokens"], example.fields["tags"]
        title = ""
        for place, (token, tag) in enumerate(zip(tokens, tags, strict=True)):
            if token in ("captain", "steamer", "pilot"):
                title = token
            if token[0].isupper():
                verb = next(t for t in tokens[place:] if t in ("arrives", "departs", "waits"))
                types.setdefault((title, verb), set()).add(tag.partition("-")[2])
            else:
                assert tag == "O"
    assert types == {
        ("captain", "arrives"): {"GUEST"},
        ("captain", "departs"): {"TRAVELLER"},
        ("steamer", "arrives"): {"ARRIVAL"},
        ("steamer", "departs"): {"DEPARTURE"},
        **{pair: {""} for pair in types if "pilot" in pair or "waits" in pair},
    }
    assert len(types) == 9


@pytest.mark.slow
def test_both_directions_learn_what_one_can_only_guess(tmp_path: Path) -> None:
    TASK.write_toy_data(tmp_path, 0)
    data = read(tmp_path)
    preparation = TASK.prepare(data, DataConfig())  # type: ignore[arg-type]
    measured = preparation.source(data, "test", Batching(64, training=False))  # type: ignore[arg-type]
    found = {}
    for bidirectional in (True, False):
        sizes = {"hidden_size": 48, "embedding_size": 32, "spelling_size": 8}
        told = context(preparation, **sizes, dropout=0.1, bidirectional=bidirectional)
        model = TASK.build(preparation, told.model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        source = preparation.source(data, "train", Batching(32))  # type: ignore[arg-type]
        for epoch in range(8):
            for batch in source.batches(epoch):
                loss = TASK.loss(model.train(), batch, None, told)  # type: ignore[arg-type]
                (loss.nats.sum() / loss.units.sum()).backward()
                optimizer.step()
                optimizer.zero_grad()
            rows = measure(TASK, model, measured, torch.device("cpu"), told)  # type: ignore[arg-type]
            found[bidirectional] = TASK.score(rows, "token")
            if found[bidirectional]["f1"] >= 0.995:
                break
    assert min(found[True]["accuracy"], found[True]["f1"]) >= 0.99
    assert found[False]["accuracy"] < 0.95
    assert found[False]["f1"] < 0.6
