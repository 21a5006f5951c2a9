"""Pictures of pages for the documentation: on a laptop and on a phone, light and dark.

    python docs/pictures.py report=runs/reviews/report.html inspect=inside.html

writes docs/pictures/report-light.png, report-dark.png and so on. It needs playwright, Pillow and chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
SIZES = ((1280, 1500), (390, 1500))
"""Of the window, in pixels; what is below is left out"""
GAP = 40
SHARE = 0.6
"""Of the size in which a picture is kept"""
COLORS = 255


def take(browser: Any, page_path: Path, scheme: str) -> Image.Image:
    """The page in both windows, beside one another."""
    shots = []
    for width, height in SIZES:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.goto(page_path.resolve().as_uri())
        shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        page.close()
    whole = Image.new("RGB", (sum(shot.width for shot in shots) + GAP, shots[0].height), "#8c949c")
    whole.paste(shots[0], (0, 0))
    whole.paste(shots[1], (shots[0].width + GAP, 0))
    return whole.resize((round(whole.width * SHARE), round(whole.height * SHARE)), Image.Resampling.LANCZOS)


def main() -> None:
    """Take the pictures of the pages that are named."""
    pages = dict(argument.split("=", 1) for argument in sys.argv[1:])
    if not pages or any(not Path(path).is_file() for path in pages.values()):
        sys.exit("usage: python docs/pictures.py NAME=PAGE.html …")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        for name, path in pages.items():
            for scheme in ("light", "dark"):
                picture = take(browser, Path(path), scheme)
                target = HERE / "pictures" / f"{name}-{scheme}.png"
                picture.quantize(COLORS, Image.Quantize.FASTOCTREE).save(target, optimize=True)
                print(f"{target}: {target.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
