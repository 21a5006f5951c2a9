"""CoNLL-U and its kin: columns that count tokens, and columns that are chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from seqloom.data.options import ReadOptions
from seqloom.data.tables.formats.conll import read_conll
from seqloom.data.tables.formats.file import TableFile
from seqloom.errors import DataError
from seqloom.training.job import new_job

CONLLU = """# sent_id = 1
# text = Vámonos al mar
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\tV\tMood=Imp\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
3-4\tal\t_\t_\t_\t_\t_\t_\t_\t_
3\ta\ta\tADP\t_\t_\t5\tcase\t_\t_
4\tel\tel\tDET\tD\t_\t5\tdet\t_\t_
5\tmar\tmar\tNOUN\tN\t_\t1\tobl\t_\t_
5.1\tx\tx\tX\t_\t_\t_\t_\t_\t_

# sent_id = 2
1\t#\t#\tSYM\t_\t_\t0\troot\t_\t_
2\t1\t1\tNUM\t_\t_\t1\tdep\t_\t_

"""
TOKENS = [["Vamos", "nos", "a", "el", "mar"], ["#", "1"]]
UPOS = [["VERB", "PRON", "ADP", "DET", "NOUN"], ["SYM", "NUM"]]
GERMEVAL = "#\thttp://example.org\n1\tAnna\tB-PER\tO\n2\tsang\tO\tO\n\n#\tx\n1\tBonn\tB-LOC\tO\n"
CONLL_2012_KIN = "0 Anna NNP B-PER\n1 sang VBD O\n\n0 So RB O\n"


def read(file: Path, content: str, **options: Any) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """Tokens, tags, and what was recognized."""
    file.write_text(content, encoding="utf-8")
    notes: list[str] = []
    sentences = list(read_conll(TableFile(file, ReadOptions(**options), notes.append)))
    assert [sentence.error for sentence in sentences if sentence.error] == []
    return [sentence.tokens for sentence in sentences], [sentence.tags for sentence in sentences], notes


@pytest.mark.parametrize("name", ["a.conll", "a.conllu"])
def test_conllu_is_recognized(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, CONLLU) == (
        TOKENS,
        UPOS,
        [
            "10 columns, of which the first counts the tokens: the token is column FORM, its tag UPOS "
            "(others by --set data.columns.tokens=COLUMN --set data.columns.tags=COLUMN)"
        ],
    )


@pytest.mark.parametrize("tags", ["DEPREL", "deprel", 8, "8"])
def test_columns_are_chosen_by_name_or_number(tmp_path: Path, tags: str | int) -> None:
    columns = {"tokens": "LEMMA", "tags": tags}
    tokens, chosen, notes = read(tmp_path / "a.conllu", CONLLU, columns=columns)
    assert tokens == [["ir", "nosotros", "a", "el", "mar"], ["#", "1"]]
    assert chosen == [["root", "obj", "case", "det", "obl"], ["root", "dep"]]
    assert notes == []
    content = "Anna NNP B-NP B-PER\nsang VBD B-VP O\n"
    assert read(tmp_path / "a.conll", content, columns={"tags": 2})[:2] == (
        [["Anna", "sang"]],
        [["NNP", "VBD"]],
    )
    message = r"a\.conll: expected a column 5, as data\.columns\.tags says\. Got 1, 2, 3, 4\."
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.conll", content, columns={"tags": 5})


@pytest.mark.parametrize(
    ("content", "tokens", "tags"),
    [
        (GERMEVAL, [["Anna", "sang"], ["Bonn"]], [["O", "O"], ["O"]]),
        (CONLL_2012_KIN, [["Anna", "sang"], ["So"]], [["B-PER", "O"], ["O"]]),
        ("# global.columns = ID UPOS FORM\n1\tNOUN\tmar\n2\tDET\tel\n", [["mar", "el"]], [["NOUN", "DET"]]),
        # Numbers that are tokens.
        ("1 CD O\n\n2 CD O\n", [["1"], ["2"]], [["O"], ["O"]]),
        ("1 O\n2 O\n3 O\n", [["1", "2", "3"]], [["O", "O", "O"]]),
        ("1 CD O\n2 CD O\n\nof IN O\n", [["1", "2"], ["of"]], [["O", "O"], ["O"]]),
    ],
)
def test_other_columns_that_count(tmp_path: Path, content: str, tokens: Any, tags: Any) -> None:
    assert read(tmp_path / "a.conll", content)[:2] == (tokens, tags)


def test_a_bad_line_is_named_with_its_columns(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_text(CONLLU + "1\tmar\tmar\tNOUN\n2\tx\n\n1\ta\tb\t\t_\t_\t_\t_\t_\t_\n")
    *good, bad, empty = read_conll(TableFile(tmp_path / "a.conllu"))
    assert [sentence.error for sentence in good] == [None, None]
    expected = "expected 10 columns, the token in column 2 and its tag in column 4."
    assert str(bad.error) == f"{tmp_path / 'a.conllu'}, line 16: {expected} Got '1\\tmar\\tmar\\tNOUN'."
    assert expected in str(empty.error)


def test_a_run_keeps_the_columns(tmp_path: Path) -> None:
    (tmp_path / "train.conllu").write_text(CONLLU * 3)
    settings = [{"data": {"columns": {"tags": "XPOS"}}}]
    job = new_job(tmp_path / "train.conllu", None, settings, str)
    assert job.config.task.name == "tag"
    assert job.preparation.tags == ["D", "N", "V", "_"]
    data = job.config.read(tmp_path / "train.conllu")
    assert {tag for example in data.examples("all") for tag in example.fields["tags"]} == {"D", "N", "V", "_"}
