"""Files for other tasks that look like plain text, and plain text that looks like such files."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqloom.data.read import read
from seqloom.data.text.markup import recognize_markup, require_plain_text
from seqloom.errors import DataError

CONLL = "EU B-ORG\nrejects O\nGerman B-MISC\ncall O\n. O\n\nPeter B-PER\nsang O\n"
POS = "The DT\ncat NN\nsat VBD\n. .\n\nA DT\ndog NN\n"
REVIEWS = "a fine film\tpos\na dull film\tneg\nso so\tneg\n" * 3
PAIRS = "".join(f"ein Hund {number}\ta dog {number}\n" for number in range(9))
CONLLU = "# text\n" + "".join(f"{n}\tword{n}\tw\tNOUN\t_\t_\t0\troot\t_\t_\n" for n in range(1, 7))


@pytest.mark.parametrize(
    ("name", "content", "markup", "task"),
    [
        ("a.txt", '{"text": "a", "label": "x"}\n' * 3, "JSON lines", "classify"),
        ("a.txt", '{"source": "a", "target": "x"}\n' * 3, "JSON lines", "translate"),
        ("a.txt", '[\n  {"tokens": ["a"],\n   "tags": ["O"]}\n]', "JSON", "tag"),
        ("a.geojson", "[[1, 2], [3]]", "JSON", "classify"),
        ("a.txt", '[\n {"file": "a.wav",\n "text": "x"}\n]', "JSON", "transcribe"),
        ("a.txt", CONLL, "columns of tokens and tags", "tag"),
        ("a.txt", CONLL.replace(" ", "\t"), "columns of tokens and tags", "tag"),
        ("a.txt", CONLL.replace(" ", " NN I-NP ") * 2000, "columns of tokens and tags", "tag"),
        ("a.txt", POS, "columns of tokens and tags", "tag"),
        ("a.txt", CONLLU, "CoNLL-U columns", "tag"),
        ("a.txt", REVIEWS, "tab-separated columns", "classify"),
        ("a.txt", PAIRS, "tab-separated columns", "translate"),
        ("a.txt", '\ufeff{"text": "a"}\r\n{"text": "b"}\r\n', "JSON lines", "classify"),
    ],
)
def test_files_of_other_tasks_are_recognized(
    tmp_path: Path, name: str, content: str, markup: str, task: str
) -> None:
    (tmp_path / name).write_text(content)
    recognized = recognize_markup(tmp_path / name)
    assert recognized is not None
    assert recognized[:2] == (markup, task)
    message = rf"expected plain text\. Got {markup}\. .* the task {task}: .* say --task generate\.$"
    with pytest.raises(DataError, match=message):
        require_plain_text(read(tmp_path / name))


@pytest.mark.parametrize(
    "content",
    [
        "The quick brown fox.\n\nIt sleeps.\n" * 9,
        "ROMEO:\nBut soft!\n\nJULIET:\nAy me!\n" * 9,
        "HELLO WORLD\nGOOD NIGHT\n" * 9,
        "I Sing\nYou Dance\nWe Rest\nThey Go\nAll End\n",
        "one\ttwo\nthree\n\tindented\n" * 9,
        "[1]\n[2]\n3\n" * 9,
        "{x}\n{y}\n" * 9,
        "def f():\n\treturn 1\n" * 9,
        "\tan indented verse\n" * 9,
        "a b\n" * 3,
        "x" * (1 << 17),
        "\n\n\n",
        "12 O\n",
        "M\xfcller\n" * 9,
    ],
)
def test_plain_text_is_plain_text(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text(content, encoding="latin-1")
    assert recognize_markup(tmp_path / "a.txt") is None
    require_plain_text(read(tmp_path / "a.txt"))


def test_texts_named_source_and_target_are_data_for_translation(tmp_path: Path) -> None:
    """Where their names differ otherwise, they are not taken for a pair."""
    for name in ("src-train.txt", "tgt-news.txt"):
        (tmp_path / name).write_text("a line of text\n" * 9)
    with pytest.raises(DataError, match=r"Got parallel texts\. This looks like data for the task translate"):
        require_plain_text(read(tmp_path))
    (tmp_path / "tgt-news.txt").unlink()
    require_plain_text(read(tmp_path))


def test_tables_are_no_texts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n' * 2)
    require_plain_text(read(tmp_path))
