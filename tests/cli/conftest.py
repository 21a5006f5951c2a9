"""The command line in this process, which is much faster than a process of its own."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from seqloom.cli import main


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def seqloom(*arguments: object, cwd: Path, stdin: str | bytes = "") -> Done:
    """What `seqloom ARGUMENTS` does in the folder `cwd`, with `stdin` as a pipe."""
    content = stdin.encode() if isinstance(stdin, str) else stdin
    code = 0
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", ["seqloom", *map(str, arguments)]),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")),
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    return Done(code, stdout.getvalue(), stderr.getvalue())


def settings_options(*settings: str) -> list[str]:
    """`--set` for every setting."""
    return [word for setting in settings for word in ("--set", setting)]
