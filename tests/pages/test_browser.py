"""Pages in a browser: nothing fails, nothing is fetched, everyone can read and operate them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def gallery_file(gallery: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gallery") / "page.html"
    path.write_text(gallery, encoding="utf-8")
    return path


def test_a_page_with_everything_is_sound(gallery_file: Path, look_at: Callable[[Path], list[str]]) -> None:
    assert look_at(gallery_file) == []


def test_what_is_wrong_with_a_page_is_seen(tmp_path: Path, look_at: Callable[[Path], list[str]]) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        '<html><body style="width:2000px"><img src="http://localhost:1/x.png"><script>broken()</script>'
    )
    faults = "\n".join(look_at(page))
    for fault in ("request: http://localhost:1", "error: broken is not", "wider than 390", "image-alt"):
        assert fault in faults


@pytest.fixture(scope="module")
def page(gallery_file: Path, browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(gallery_file.as_uri())
    yield page
    page.close()


def test_hostile_text_is_text(page: Any) -> None:
    assert page.title().startswith("A run of </script>")
    assert page.locator("img").count() == 0
    result = page.evaluate("JSON.parse(document.getElementById('result').textContent)")
    assert result["name"].startswith("</script>")
    assert result["loss"] is None


def test_a_slider_and_a_stepper_work_by_keyboard(page: Any) -> None:
    figure = page.locator("#radius figure.frames")
    assert figure.locator(":scope > .stage > div:visible").count() == 1
    figure.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    assert figure.locator(":scope > .control output").inner_text() == "0.9"
    assert figure.locator(".now figcaption").inner_text() == "Gradients by lag"
    steps = page.locator("#steps figure.frames")
    steps.locator("button[data-by='1']").press("Enter")
    assert steps.locator(":scope > .control output").inner_text() == "0.9"


def test_a_large_heat_strip_says_what_is_under_the_pointer(page: Any) -> None:
    area = page.locator(".read")
    area.hover(position={"x": 1, "y": 1})
    words = area.locator("xpath=ancestor::figure").locator(".key output").inner_text()
    assert words == "unit 0, 0: 0"


def test_without_a_script_all_frames_are_there(gallery_file: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(gallery_file.as_uri())
    assert page.locator("#radius .stage > div:visible").count() == 2
    context.close()
