"""Run the commands in the `console` blocks of pages, and write down what they print.

Every line after `$ ` is run by a shell in one new folder for each page, in order, and its output replaces
what stood below it, without the lines of progress. So what a tutorial shows is what seqloom printed. A
picture that the page shows is put beside the page, if the commands have drawn one of its name.

python docs/record.py docs/tutorials/classify.md ...
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.DOTALL | re.MULTILINE)
PICTURE = re.compile(r"!\[[^]]*\]\(([\w-]+\.svg)\)")
PROGRESS = re.compile(r"\s*\d+%  .* left  .*|\w[\w ]*(   \d.*|: (\d+ min )?\d+ s)")
"""Of a training, and of what takes more than a second: `reading reviews: 3 s` and the lines before it"""
COLUMNS = 100


def commands_of(block: str) -> list[str]:
    """The commands of a block; one that ends with a backslash goes on in the next line."""
    return re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, flags=re.MULTILINE)


def record(page: Path, folder: Path) -> None:
    """Run a page's commands in `folder`, and write their outputs into it."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"PATH": tools, "COLUMNS": str(COLUMNS), "SEQLOOM_CACHE": str(folder / ".cache")}

    def run(match: re.Match[str]) -> str:
        lines = []
        for command in commands_of(match[0]):
            print(f"$ {command}", flush=True)
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=folder,
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode not in (0, 141):  # 141: the reader of a pipe, as `head`, had enough
                sys.exit(f"{page}: exit code {done.returncode}: {command}\n{done.stdout}")
            printed = done.stdout.rstrip("\n").splitlines()
            lines += [f"$ {command}", *(line.rstrip() for line in printed if not PROGRESS.fullmatch(line))]
        return "\n".join(lines) + "\n"

    page.write_text(BLOCK.sub(run, page.read_text()))
    for name in PICTURE.findall(page.read_text()):
        if (folder / name).exists():
            shutil.copy(folder / name, page.with_name(name))


def main() -> None:
    """Record each page."""
    for name in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            record(Path(name), Path(folder))


if __name__ == "__main__":
    main()
