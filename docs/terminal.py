"""Draw docs/terminal.svg: a terminal in which seqloom really trains and writes.

The commands run in a pseudo-terminal. What they print is recorded with its times, and becomes an SVG that
shows it again, faster: text as text, no script, nothing fetched. Where nothing moves (for a reader who wants
no motion, in a program that draws no animation), it is the last screen.

python docs/terminal.py [MINUTES]   (the picture in the README: 1, on two cores)
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

COLUMNS, ROWS = 96, 36
CHARACTER, LINE, MARGIN, BAR = 8.0, 18, 16, 34
LONGEST_PAUSE, TRAINING_SHOWN, TYPING = 0.7, 9.0, 0.05  # seconds of the picture
COLORS = {"1": "#fff", "2": "#8b98a5", "32": "#7ee787", "33": "#e3b341", "35": "#d2a8ff", "36": "#76e3ea"}
CODE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")

Cell = tuple[str, str]
"""A character and its color."""
Line = tuple[Cell, ...]


class Frame(NamedTuple):
    """The screen from a moment on."""

    seconds: float
    lines: tuple[Line, ...]


class Screen:
    """As much of a terminal as rich's tables and progress bars need."""

    def __init__(self) -> None:
        self.rows: list[list[Cell]] = [[]]
        self.row = self.column = 0
        self.color = ""

    def write(self, text: str) -> None:
        """Print `text` with its control codes."""
        for match in CODE.finditer(text):
            arguments, letter = match.group(1, 2)
            if match[0] == "\r":
                self.column = 0
            elif match[0] == "\n":
                self.row, self.column = self.row + 1, 0
            elif letter == "A":
                self.row = max(0, self.row - int(arguments or 1))
            elif letter == "K":
                self._line()[:] = [] if arguments == "2" else self._line()[: self.column]
            elif letter == "m":
                self._style(arguments)
            elif letter is None:
                for character in match[0]:
                    self._put(character)

    def frame(self, seconds: float) -> Frame:
        """What is seen: the last rows."""
        return Frame(seconds, tuple(map(tuple, self.rows[-ROWS:])))

    def _line(self) -> list[Cell]:
        while len(self.rows) <= self.row:
            self.rows.append([])
        return self.rows[self.row]

    def _put(self, character: str) -> None:
        if self.column == COLUMNS:
            self.row, self.column = self.row + 1, 0
        line = self._line()
        line += [(" ", "")] * (self.column + 1 - len(line))
        line[self.column] = (character, self.color)
        self.column += 1

    def _style(self, arguments: str) -> None:
        for code in arguments.split(";"):
            self.color = "" if code in ("", "0") else COLORS.get(code, self.color)


def record(commands: list[str], folder: Path) -> list[Frame]:
    """Type and run each command, and take the screen whenever it changed."""
    screen, now, frames = Screen(), 0.0, []
    for command in commands:
        screen.write("\x1b[32m$\x1b[0m ")
        for character in command:
            screen.write(character)
            now += TYPING
            frames.append(screen.frame(now))
        screen.write("\r\n")
        pieces = run(command, folder)
        faster = max(1.0, sum(pause for pause, _ in pieces) / TRAINING_SHOWN)
        for pause, piece in pieces:
            now += min(pause / faster, LONGEST_PAUSE)
            screen.write(piece)
            frames.append(screen.frame(now))
        screen.write("\r\n")
        now += 2 * LONGEST_PAUSE
    screen.write("\x1b[32m$\x1b[0m ")
    return [*frames, screen.frame(now)]


def run(command: str, folder: Path) -> list[tuple[float, str]]:
    """What a command prints in a terminal, piece by piece, each with the seconds before it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "SEQLOOM_CACHE": "cache"}
    program = [sys.executable, "-m", "seqloom.cli", *shlex.split(command)[1:]]
    child = subprocess.Popen(program, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    pieces, before, pending = [], time.monotonic(), b""
    while select.select([ours], [], [])[0]:
        try:
            pending += os.read(ours, 65536)
        except OSError:  # the child has closed its side
            break
        whole = pending[: pending.rfind(b"\n") + 1] or pending
        pending = pending[len(whole) :]
        now = time.monotonic()
        pieces.append((now - before, whole.decode(errors="replace")))
        before = now
    if child.wait():
        sys.exit(f"{command}: exit code {child.returncode}\n{''.join(piece for _, piece in pieces)}")
    return pieces


def thin(frames: list[Frame], least: float = 0.12) -> list[Frame]:
    """Frames at least so many seconds apart, and the last."""
    chosen = frames[:1]
    for frame, following in zip(frames[1:], [*frames[2:], None], strict=True):
        if following is None or frame.seconds - chosen[-1].seconds >= least:
            chosen.append(frame)
    return chosen


def draw(frames: list[Frame], title: str) -> str:
    """The SVG: every line once for each time that it is seen, hidden before and after."""
    end = frames[-1].seconds
    width = round(COLUMNS * CHARACTER + 2 * MARGIN)
    height = BAR + min(ROWS, max(len(frame.lines) for frame in frames)) * LINE + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title">',
        f'<title id="title">{escape(title)}</title>',
        "<style>",
        "text{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        "fill:#d6dde4;white-space:pre}",
        ".a,.b{animation:1s step-end}",
        ".a{visibility:hidden;animation-name:seen}",
        ".b{animation-name:unseen}",
        "@keyframes seen{from,to{visibility:visible}}",
        "@keyframes unseen{from,to{visibility:hidden}}",
        "@media(prefers-reduced-motion:reduce){.a,.b{animation:none}}",
        "</style>",
        f'<rect width="{width}" height="{height}" rx="9" fill="#11171d" stroke="#3b4650"/>',
        *(f'<circle cx="{18 + 18 * n}" cy="17" r="5.5" fill="#3b4650"/>' for n in range(3)),
    ]
    for row in range(ROWS):
        y = BAR + row * LINE + 12
        for line, begin, until in shown(frames, row):
            text = "".join(span(color, x, words) for color, x, words in spans(line))
            if until is None:
                css = f' class="b" style="animation-duration:{begin:.2f}s"' if begin > 0 else ""
            else:
                times = f"animation-delay:{begin:.2f}s;animation-duration:{until - begin:.2f}s"
                css = f' class="a" style="{times}"'
            parts.append(f'<text y="{y}"{css}>{text}</text>')
    assert end < 60, "a minute is long for a picture"
    return "\n".join([*parts, "</svg>", ""])


def shown(frames: list[Frame], row: int) -> list[tuple[Line, float, float | None]]:
    """The lines that stand in one row of the screen, from when till when; None: to the end."""
    runs: list[tuple[Line, float, float | None]] = []
    line: Line = ()
    begin = 0.0
    for frame in frames:
        now = frame.lines[row] if row < len(frame.lines) else ()
        if now != line:
            if any(character.strip() for character, _ in line):
                runs.append((line, begin, frame.seconds))
            line, begin = now, frame.seconds
    if any(character.strip() for character, _ in line):
        runs.append((line, begin, None))
    return runs


def spans(line: Line) -> list[tuple[str, int, str]]:
    """Runs of one color: the color, the column where it starts, the characters."""
    runs: list[tuple[str, int, str]] = []
    for column, (character, color) in enumerate(line):
        if runs and (runs[-1][0] == color or character == " "):
            runs[-1] = (runs[-1][0], runs[-1][1], runs[-1][2] + character)
        else:
            runs.append((color, column, character))
    return [(color, column, words.rstrip()) for color, column, words in runs if words.strip()]


def span(color: str, column: int, words: str) -> str:
    """One run; its width is fixed, whatever font there is."""
    column += len(words) - len(words.lstrip())
    words = words.lstrip()
    fill = f' fill="{color}"' if color else ""
    x, length = MARGIN + column * CHARACTER, len(words) * CHARACTER
    return f'<tspan x="{x:g}" textLength="{length:g}"{fill}>{escape(words)}</tspan>'


def main() -> None:
    """Record and draw."""
    minutes = sys.argv[1] if len(sys.argv) > 1 else "1"
    commands = [
        "seqloom demo" + (f" --minutes {minutes}" if minutes != "1" else ""),
        'seqloom generate runs/demo --prompt "An instance " --temperature 0.6 --max-new-tokens 200',
    ]
    with tempfile.TemporaryDirectory() as folder:
        frames = thin(record(commands, Path(folder)))
    title = "A terminal: seqloom demo trains a model on Python's help texts, which then writes; shown faster"
    path = Path(__file__).with_name("terminal.svg")
    path.write_text(draw(frames, title))
    print(f"{path}: {len(frames)} frames, {path.stat().st_size / 1024:.0f} KiB, {frames[-1].seconds:.0f} s")


if __name__ == "__main__":
    main()
