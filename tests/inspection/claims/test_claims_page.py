"""The page of claims: tiles, sliders, JSON inside, two machines, the picture beside it, the command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqloom.cli import main
from seqloom.errors import ConfigError, DataError
from seqloom.inspection.claims import Outcome, Verdict, writing
from seqloom.inspection.claims.page import read_claims
from seqloom.inspection.claims.report import claims_json
from seqloom.inspection.claims.two_machines import compare_machines, comparison_lines
from seqloom.inspection.claims.writing import write_page


@pytest.fixture(scope="module")
def page(exact: list[Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("claims") / "claims.html"
    not_run = exact[-1]._replace(verdict=Verdict.NOT_RUN)
    write_page(path, [*exact[:-1], not_run], "seqloom claims --out claims.html")
    return path


def test_a_page_has_a_tile_for_each_claim(page: Path, exact: list[Outcome]) -> None:
    text = page.read_text()
    for outcome in exact:
        assert f'id="claim-{outcome.claim.number}"' in text
        assert f"seqloom claims {outcome.claim.number}</code>" in text
    assert text.count('type="range"') == 3
    assert '<span class="status none">' in text  # what was not run is gray
    assert len(text) < 500_000


def test_a_page_is_sound(page: Path, look_at: Callable[[Path], list[str]]) -> None:
    assert look_at(page) == []


def test_the_picture_is_as_large_as_links_show_it(page: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    with image_module.open(page.with_suffix(".png")) as image:
        assert image.size == (1200, 630)


def test_without_pillow_there_is_a_line_and_no_picture(
    exact: list[Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, outcomes: list[Outcome]) -> None:
        raise ConfigError("PIL.Image", "this package is needed and not installed")

    monkeypatch.setattr(writing, "write_card", refuse)
    lines = write_page(tmp_path / "a.html", exact[:1], "seqloom claims 12")
    assert lines[1].startswith("no a.png: PIL.Image: this package is needed")
    assert not (tmp_path / "a.png").exists()


def test_two_machines_are_compared(page: Path, exact: list[Outcome], tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(claims_json(exact)))
    a, b = read_claims(page), read_claims(other)
    first, *rest = compare_machines(a, b)
    assert first.number == exact[-1].claim.number
    assert first.verdicts == ("not run", str(exact[-1].verdict))
    assert not any(row.differs for row in rest)
    assert f"{len(exact)} claims of both; 1 with another verdict." in comparison_lines(a, b)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    with pytest.raises(DataError, match=r"a\.html: expected a page .* Got No such file or directory\.$"):
        read_claims(path)
    claim = {"number": 1, "verdict": "", "sentence": "", "checks": [{}]}
    some = json.dumps({"machine": {"processor": "x"}, "claims": [claim]})
    for text in ("[" * 100_000, some):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(DataError, match=r"a\.json: expected a page .* Got another file\.$"):
            read_claims(tmp_path / "a.json")
    path.write_text("<html></html>")
    with pytest.raises(DataError, match=r"a\.html: expected a page .* Got another file\.$"):
        read_claims(path)


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["seqloom", "claims", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "few.html"
    assert run_command(monkeypatch, 24, 3, "--json", "--out", out) == 0
    values = json.loads(capsys.readouterr().out)
    assert [claim["number"] for claim in values["claims"]] == [3, 24]
    assert read_claims(out)["counts"] == values["counts"]
    assert run_command(monkeypatch, out, out, "--compare") == 0
    assert "2 claims of both; 0 with another verdict." in capsys.readouterr().out
    assert run_command(monkeypatch, 24, "--out", out) == 2
    assert "expected a new file" in capsys.readouterr().err
    assert run_command(monkeypatch, 24, "--out", tmp_path / "few.png", "--overwrite") == 2
    assert (
        f"--out: expected a name that ends in .html. Got {tmp_path / 'few.png'}." in capsys.readouterr().err
    )
    assert run_command(monkeypatch, "3b") == 2
    assert "claims: a number must be 1 to 34. Got 3b." in capsys.readouterr().err
    assert run_command(monkeypatch, out, "--compare") == 2
    assert "claims --compare: expected two pages. Got 1." in capsys.readouterr().err
