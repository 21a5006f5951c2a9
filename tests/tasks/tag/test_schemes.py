"""Schemes of tags: which they are, what entities they mark, and tags that are no scheme."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from seqloom.data.read import read
from seqloom.metrics.entity_f1 import Span, precision_recall_f1, spans
from seqloom.tasks.tag.config import DataConfig
from seqloom.tasks.tag.preparation import Preparation
from seqloom.tasks.tag.schemes import describe_scheme, name_scheme, neighbors, recognize_scheme
from seqloom.tasks.tag.task import count_correct

from .sentences import TASK

ENTITIES = [Span("PER", 0, 3), Span("PER", 3, 4), Span("LOC", 4, 6), Span("PER", 7, 8)]
SENTENCES = {
    "IOB1": "I-PER I-PER I-PER B-PER I-LOC I-LOC O I-PER",
    "IOB2": "B-PER I-PER I-PER B-PER B-LOC I-LOC O B-PER",
    "IOE1": "I-PER I-PER E-PER I-PER I-LOC I-LOC O I-PER",
    "IOE2": "I-PER I-PER E-PER E-PER I-LOC E-LOC O E-PER",
    "IOBES": "B-PER I-PER E-PER S-PER B-LOC E-LOC O S-PER",
    "BILOU": "B-PER I-PER L-PER U-PER B-LOC L-LOC O U-PER",
    "BMES": "B-PER M-PER E-PER S-PER B-LOC E-LOC O S-PER",
    "BMEW": "B-PER M-PER E-PER W-PER B-LOC E-LOC O W-PER",
}


def write(tag: str, form: str) -> str:
    """A tag with its letter before or after its type, and a delimiter between: `B-PER`, `PER_B`."""
    if tag == "O":
        return tag
    letter, kind = tag.split("-")
    written = form.replace("T", "\0").replace("L", letter).replace("\0", kind)
    return written.lower() if form == "l-t" else written


@pytest.mark.parametrize("form", ["L-T", "T-L", "L_T", "T_L"])
@pytest.mark.parametrize("name", SENTENCES)
def test_every_scheme_marks_the_same_entities(name: str, form: str) -> None:
    tags = [write(tag, form) for tag in SENTENCES[name].split()]
    scheme = recognize_scheme(tags)
    assert scheme is not None
    assert name_scheme(scheme, neighbors(tags)) == name
    assert spans(scheme.convert(tags)) == ENTITIES


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # By hand, after the rules of conlleval; seqeval gives the same for IOB2 and IOBES.
        ("O I-PER I-PER O", [("PER", 1, 3)]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
        ("B-PER E-PER E-PER", [("PER", 0, 2), ("PER", 2, 3)]),
        ("E-PER I-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("S-PER I-PER E-PER", [("PER", 0, 1), ("PER", 1, 3)]),
        ("B-PER S-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("B-PER O E-PER", [("PER", 0, 1), ("PER", 2, 3)]),
        ("I-PER S-LOC E-LOC", [("PER", 0, 1), ("LOC", 1, 2), ("LOC", 2, 3)]),
    ],
)
def test_tags_that_break_their_scheme(tags: str, expected: list[tuple[str, int, int]]) -> None:
    """A model may predict any."""
    assert spans(tags.split()) == expected


def test_f1_where_seqeval_without_a_scheme_differs() -> None:
    """It gives 0.5 here, as L and U mean nothing to it unless it is told: strict, scheme=BILOU."""
    expected = ["U-PER", "U-PER", "O", "B-LOC", "L-LOC"]
    predicted = ["U-PER", "O", "O", "B-LOC", "L-LOC"]
    counts = count_correct([expected], [predicted], recognize_scheme(expected))
    values = {name: float(counts[name]) for name in ("expected", "predicted", "correct")}
    assert values == {"expected": 3, "predicted": 2, "correct": 2}
    assert precision_recall_f1(**values)["f1"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ("B I O", "IOB"),
        ("B M E S", "BMES"),
        ("o B-PER O I-PER", "IOB"),
        ("b-PER i-PER O", "IOB"),
        ("B-a-b I-a_b O", "IOB"),
        ("DT NN VB", None),
        ("NOUN O", None),
        ("O", None),
        ("", None),
        ("B-PER I-PER O MISC", None),
        ("B-PER I_PER", None),
        ("B-PER X-PER", None),
        ("B- O", None),
        ("M-PER L-PER", None),
        ("0 1 2", None),
    ],
)
def test_what_is_a_scheme(tags: str, name: str | None) -> None:
    scheme = recognize_scheme(tags.split())
    assert (scheme.name if scheme else None) == name


def test_entities_without_types() -> None:
    scheme = recognize_scheme(["B", "M", "E", "S"])
    assert scheme is not None
    assert spans(scheme.convert(["B", "M", "E", "S"])) == [("_", 0, 3), ("_", 3, 4)]


def test_what_is_no_scheme_is_said() -> None:
    assert describe_scheme(["B-PER", "I-PER", "MISC", "O"], None) == (
        "no scheme of entities such as IOB2, so no entity F1: `MISC` fits none"
    )
    assert describe_scheme(["NOUN", "VERB"], None) == "no scheme of entities such as IOB2, so no entity F1"


def prepare(folder: Path, sentences: list[str]) -> Preparation:
    rows = [{"tokens": [f"w{n}" for n in range(len(s.split()))], "tags": s.split()} for s in sentences]
    for split in ("train", "validation"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return TASK.prepare(read(folder), DataConfig())


def test_the_scheme_of_a_data_set_is_said_and_kept(tmp_path: Path) -> None:
    preparation = prepare(tmp_path, [SENTENCES["IOB1"], "O O O"])
    assert preparation.describe() == "9 words, 4 tags (IOB1)"
    for name, content in preparation.files().items():
        (tmp_path / name).write_text(content)
    assert TASK.restore(tmp_path, DataConfig()).describe() == "9 words, 4 tags (IOB1)"


def test_a_stray_o_is_read_as_outside(tmp_path: Path) -> None:
    preparation = prepare(tmp_path, ["O B-PER o", "o O O"])
    assert preparation.tags == ["B-PER", "O"]
    assert preparation.describe() == "4 words, 2 tags (IOB2; `o` is read as `O`, 2 times)"
    examples = read(tmp_path).examples("validation")  # type: ignore[union-attr]
    assert [preparation.encode_example(example).tags.tolist() for example in examples] == [
        [1, 0, 1],
        [1, 1, 1],
    ]


def test_a_small_o_alone_is_a_tag_of_its_own(tmp_path: Path) -> None:
    preparation = prepare(tmp_path, ["o B-PER o", "o o o"])
    assert preparation.tags == ["B-PER", "o"]
    assert preparation.scheme_name == "IOB2"
