"""Progress of long work: silent by itself, on standard error for those who ask; what was interrupted."""

from __future__ import annotations

import sys
import time

import pytest

from seqloom import progress
from seqloom.progress import Phase, phase, shown


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QUIET_SECONDS", "SECONDS_BETWEEN_DRAWINGS", "SECONDS_BETWEEN_LINES"):
        monkeypatch.setattr(progress, name, 0.0)


def work(what: str = "reading a.csv", total: float | None = 4) -> None:
    with phase(what, total) as current:
        for _ in range(4):
            current.advance()


def test_nothing_is_shown_unless_asked_for(no_wait: None, capfd: pytest.CaptureFixture[str]) -> None:
    work()
    with shown(False):
        work()
    assert capfd.readouterr() == ("", "")


def test_short_work_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with shown():
        work()
    assert capfd.readouterr() == ("", "")


def test_lines_where_there_is_no_terminal(no_wait: None, capfd: pytest.CaptureFixture[str]) -> None:
    with shown():
        work()
        work("counting", total=None)
    lines = capfd.readouterr().err.splitlines()
    assert lines[:2] == ["reading a.csv   25 %   0 s left", "reading a.csv   50 %   0 s left"]
    assert lines[4:6] == ["reading a.csv: 0 s", "counting   1 rows   0 s"]
    assert "\x1b" not in "".join(lines)


def test_a_terminal_has_one_line_which_fits(
    no_wait: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "24")
    with shown():
        work()
    drawings = capsys.readouterr().err.split("\r\x1b[K")
    assert drawings[1:5] == [f"reading a.csv   {percent} %" for percent in (25, 50, 75, 100)]
    assert drawings[5:] == ["reading a.csv: 0 s\n"]


def test_work_that_cannot_say_how_far_it_is_shows_its_time(
    no_wait: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_REDRAWINGS", 0.01)
    with shown(), phase("fitting"):
        time.sleep(0.2)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == lines[1] == "fitting   0 s"
    assert lines[-1] == "fitting: 0 s"


def test_an_interruption_is_noted_with_the_innermost_work() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, phase("training"), phase("measuring validation"):
        raise KeyboardInterrupt
    assert caught.value.__notes__ == ["while measuring validation"]


def test_work_of_unknown_size_is_counted() -> None:
    current = Phase("reading", None, "rows")
    current.advance(1200)
    assert current.describe() == "reading   1,200 rows   0 s"
