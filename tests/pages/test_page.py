"""Pages as text: what they say, what they escape, how small they stay."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import seqloom.pages
from seqloom.pages import (
    Bar,
    Html,
    Point,
    Series,
    bar_chart,
    dot_chart,
    footer_here,
    heat_strip,
    histogram,
    line_chart,
    number,
    render_page,
    scatter,
    section,
    slider,
    table,
)
from seqloom.pages.charts.scales import Scale, fit_scale

FOLDER = Path(seqloom.pages.__file__).parent
EVIL = "<script>alert(1)</script>"


def test_there_are_at_most_300_lines_of_javascript() -> None:
    assert sum(len(path.read_text().splitlines()) for path in FOLDER.rglob("*.js")) <= 300


def test_nothing_in_a_page_is_fetched(gallery: str) -> None:
    addresses = re.findall(r"(?:src|href)=\"([^\"]*)\"|url\(([^)]*)\)|@import", gallery)
    assert addresses
    assert all((a or b).startswith(("data:", "#")) for a, b in addresses)
    assert "http" not in gallery


def test_an_empty_page_is_small() -> None:
    assert len(render_page("nothing", [])) < 20_000


@pytest.mark.parametrize(
    "page",
    [
        section(EVIL, EVIL, lead=EVIL, anchor=EVIL),
        line_chart([Series(EVIL, [0, 1], [1, 2])], title=EVIL, x_label=EVIL, levels={EVIL: 1}, note=EVIL),
        line_chart([Series("a", [0, 1], [1, 2])], title="t", x_names=[EVIL, EVIL]),
        bar_chart([Bar(EVIL, 1.0, note=EVIL)], title=EVIL, unit=EVIL),
        dot_chart([Bar(EVIL, 0.9, 0.8, 1.0, note=EVIL), Bar(EVIL, 0.9)], title=EVIL, note=EVIL),
        scatter([Point(0, 0, EVIL, EVIL), Point(1, 1, EVIL, "other")], title=EVIL, x_label=EVIL),
        heat_strip([[1.0]], title=EVIL, row_names=[EVIL], column_names=[EVIL]),
        heat_strip([[1.0] * 2000], title=EVIL, row_names=[EVIL], column_names=[EVIL] * 2000),
        histogram([1.0, 2.0], title=EVIL, x_label=EVIL),
        table([EVIL], [[EVIL]], title=EVIL, note=EVIL),
        slider(EVIL, [seqloom.pages.Frame(EVIL, EVIL)], label=EVIL),
        seqloom.pages.tiles([seqloom.pages.Tile(EVIL, EVIL, "good", EVIL, EVIL, EVIL, EVIL)]),
        render_page(EVIL, [EVIL], lead=EVIL, footer=footer_here(EVIL, [EVIL]), data={EVIL: {EVIL: EVIL}}),
    ],
)
def test_text_from_elsewhere_is_escaped_wherever_it_goes(page: str) -> None:
    assert EVIL not in page
    assert "alert(1)" in page


def test_html_that_was_made_here_stays() -> None:
    assert "<b>x</b>" in section("t", Html("<b>x</b>"))


def test_a_line_is_broken_where_a_value_is_missing() -> None:
    page = line_chart([Series("a", [0, 1, 2, 3], [1.0, math.nan, 2.0, 3.0])], title="t")
    (path,) = re.findall(r'<path class="line c0" d="([^"]*)"', page)
    assert path.count("M") == 1  # the lone first value is a dot
    assert re.search(r'<path class="dot c0" d="M0\.00 [\d.]+h0"', page)


def test_what_a_log_axis_cannot_show_is_counted() -> None:
    page = line_chart([Series("a", [0, 1, 2], [1.0, 0.0, 10.0])], title="t", y_log=True)
    assert "1 values that are not above 0 are left out." in page


def test_a_level_that_is_named_by_its_number_says_it_once() -> None:
    levels = {"1 %": 0.01, "baseline": 0.5}
    page = line_chart([Series("a", [0, 1], [0.0, 1.0])], title="t", levels=levels)
    assert re.findall(r'<span class="lv[^>]*>(.*?)</span>', page) == ["1 %", "baseline 0.500"]


def test_a_long_line_keeps_its_peaks() -> None:
    values = [0.0] * 50_000
    values[31_415] = 1.0
    page = line_chart([Series("a", range(50_000), values)], title="t")
    assert len(page) < 40_000
    (path,) = re.findall(r'<path class="line c0" d="([^"]*)"', page)
    heights = [float(pair.split()[1]) for pair in re.split("[ML]", path)[1:]]
    assert min(heights) < 10 < 90 < max(heights)


def test_values_that_are_infinite_or_all_alike_have_an_axis() -> None:
    for values in ([1.0, 1.0], [math.inf, 2.0], [math.nan], [], [0.0], [-1e300, 1e300], [5e-324, 1.0]):
        for is_log in (False, True):
            scale = fit_scale(values, is_log)
            assert scale.low < scale.high
            assert all(0 <= scale.place(value) <= 100 for value, _ in scale.ticks())


def test_ticks_have_the_decimals_that_tell_them_apart() -> None:
    def labels(low: float, high: float, is_log: bool = False) -> list[str]:
        return [label for _, label in Scale(low, high, is_log).ticks()]

    assert labels(1.395, 1.412) == ["1.395", "1.400", "1.405", "1.410"]
    assert labels(0, 4000) == ["0", "1,000", "2,000", "3,000", "4,000"]
    assert labels(0.001, 10, is_log=True) == ["0.001", "0.01", "0.1", "1", "10"]


def test_a_large_heat_strip_is_a_small_picture() -> None:
    values = [[math.sin(row * column) for column in range(500)] for row in range(64)]
    page = heat_strip(values, title="t")
    assert len(page) < 5 * 64 * 500  # in bytes a cell, of values that no compression makes smaller
    assert page.count('class="layer') == 2


def test_numbers_have_three_figures() -> None:
    assert number(1.0) == "1.00"
    assert number(999.6) == "1,000"
    assert number(0.00999) == "0.00999"
    assert number(9.999) == "10.0"
    assert number(1234567.0) == "1.23 × 10⁶"
    assert number(True) == "yes"
    assert number(math.inf) == "∞"
    assert number(0.0) == "0"


def test_a_footer_says_what_the_page_was_made_by() -> None:
    page = render_page("t", [], footer=footer_here("seqloom train 'a b.csv'"))
    for words in ("seqloom train &#x27;a b.csv&#x27;", "seqloom 0.", "torch 2.", "core", "UTC"):
        assert words in page
