"""Shared by all tests: one thread, a fixed seed, few draws of a report, and the sample data sets if any."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import register_random, settings

from seqloom.evaluation import bootstrap

# Tests are small: a second thread would make them slower, and sums would depend on the machine.
torch.set_num_threads(1)

# Every training ends with a report, whose draws take a good part of a small one's time.
bootstrap.RESAMPLES = 100

# No test cuts the power, and a training of three steps would wait for the disk 18 times. Processes that tests
# start do wait.
os.fsync = lambda descriptor: None

# Examples are derived from the test, so that runs are reproducible; on a shared machine no deadline holds.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


class TorchRandom:
    """torch's random generator for hypothesis, which seeds it so that a failing example can be replayed."""

    seed = staticmethod(torch.manual_seed)
    getstate = staticmethod(torch.get_rng_state)
    setstate = staticmethod(torch.set_rng_state)


TORCH_RANDOM = TorchRandom()  # hypothesis has only a weak reference
register_random(TORCH_RANDOM)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: of two processes, neither runs the last of them alone."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Modules stay, and need not be searched for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests put into the cache is their own, and leaves with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQLOOM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def seed() -> None:
    """Seed every test, so that it does not depend on the tests that ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of sample data sets, SEQLOOM_DATA; without it the test is skipped."""
    folder = os.environ.get("SEQLOOM_DATA")
    if not folder:
        pytest.skip("SEQLOOM_DATA names no folder of sample data")
    path = Path(folder)
    assert path.is_dir(), f"SEQLOOM_DATA must be a folder. Got {folder!r}."
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium; without it the test is skipped."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def look_at(browser: Any) -> Callable[[Path], list[str]]:
    """What is wrong with a page, light on a phone and dark on a laptop: empty for a good one."""
    import axe_playwright_python

    axe = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

    def look(path: Path, width: int, scheme: str, rules: str) -> list[str]:
        faults: list[str] = []
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("request", lambda request: faults.append(f"request: {request.url[:200]}"))
        address = path.resolve().as_uri()
        page.goto(address)
        own = f"request: {address[:200]}"
        faults[:] = [fault for fault in faults if fault != own and not fault.startswith("request: data:")]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            faults.append(f"wider than {width} pixels")
        page.evaluate(axe)
        violations = page.evaluate(f"axe.run(document, {rules})")["violations"]
        faults += [
            f"axe at {width} pixels, {violation['id']}: {violation['nodes'][0]['html'][:120]}"
            for violation in violations
            if violation["impact"] in ("serious", "critical")
        ]
        page.close()
        return faults

    # Nothing else is different in the dark.
    contrast = "{runOnly: ['color-contrast'], resultTypes: ['violations']}"
    every = "{resultTypes: ['violations']}"
    return lambda path: look(path, 390, "light", every) + look(path, 1280, "dark", contrast)
