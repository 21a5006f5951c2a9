"""The command line: a verb per file, each a short call of the public API.

A verb's file is imported when the verb is used, and heavy packages when it runs: `seqloom --help` is quick.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from functools import wraps
from importlib import import_module
from typing import Any, final

import typer
from typer.core import TyperGroup

from seqloom.errors import ConfigError, SeqloomError, nearest

USER_ERROR = 2
INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

VERBS = {
    "demo": "Train on Python's own help texts for a minute, and generate text.",
    "toy-data": "Write a small made-up data set for a task.",
    "train": "Train a model on a file or folder of data.",
    "evaluate": "Measure a trained model on data, beside a baseline.",
    "predict": "Answer texts, recordings, pictures, clips or tables with a trained model.",
    "generate": "Continue a prompt with a language model.",
    "translate": "Translate standard input, line by line.",
    "transcribe": "Transcribe recordings or clips, or a stream of sound while it is recorded.",
    "caption": "Write captions of pictures.",
    "compose": "Write a tune, from nothing or on from a primer.",
    "forecast": "Go on with series: the next steps of each, with bands.",
    "diagnose": "Say why a model does not learn, what it remembers, and what to try first.",
    "inspect": "Look at what a trained model does with one input, step by step.",
    "check": "Check a trained model on its data: whether its score can be trusted.",
    "compare": "Compare cells and directions on data, of equal size and over several seeds.",
    "claims": "Measure the 34 statements of a textbook chapter on this machine.",
}
"""Every verb with its summary, which is the first line of its function's docstring."""

INSPECTION = ("diagnose", "inspect", "check", "compare", "claims")
"""The verbs of `cli/inspection/`"""

PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
"""Without rich, help and completion start faster."""


class InterruptionError(Exception):
    """Ctrl-C, with notes on what it interrupted and how to go on."""


class ReaderGoneError(Exception):
    """Whoever read standard output has had enough, as `head` has."""


@final
class Verbs(TyperGroup):
    """The verbs, each built when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Their names, in the order of `--help`."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The verb of that name.

        Raises:
            ConfigError: there is none.
        """
        if cmd_name not in VERBS:
            raise ConfigError("seqloom", f"unknown verb `{cmd_name}`", hint=nearest(cmd_name, VERBS))
        package = "seqloom.cli.inspection" if cmd_name in INSPECTION else "seqloom.cli"
        command = import_module(f"{package}.{cmd_name.replace('-', '_')}").command

        @wraps(command)
        def run(**arguments: Any) -> None:
            try:
                command(**arguments)
            except KeyboardInterrupt as interruption:  # typer says nothing of it
                raise InterruptionError(*getattr(interruption, "__notes__", ())) from None
            except BrokenPipeError:  # typer ends with 1
                raise ReaderGoneError from None

        verb = typer.Typer(**PLAIN, context_settings={"help_option_names": ["-h", "--help"]})
        verb.command(cmd_name)(run)
        return typer.main.get_command(verb)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the verbs and their summaries into the help."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


app = typer.Typer(
    **PLAIN,
    cls=Verbs,
    help="Recurrent sequence models: from a file of sequences to a trained model in one command.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def start() -> None:
    """Recurrent sequence models: from a file of sequences to a trained model in one command."""


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not be able to show every character
            stream.reconfigure(errors="backslashreplace")
    try:
        _run()
    except SeqloomError as error:
        print(f"seqloom: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except (InterruptionError, KeyboardInterrupt) as interruption:
        parts = [f" {note}" if note.startswith("while ") else f"; {note}" for note in interruption.args]
        print("seqloom: interrupted" + "".join(parts), file=sys.stderr)
        sys.exit(INTERRUPTED)
    except (ReaderGoneError, BrokenPipeError):
        _discard_output()  # or Python would complain about it at exit
        sys.exit(0)
    except OSError as error:  # a name that is too long, a disk that is full, a file that may not be read
        hint = "; ".join(getattr(error, "__notes__", ()))
        where = error.filename if error.filename is not None else "files"
        if error.filename is None and error.errno in FULL:  # a file has its name there
            where = "standard output"
            _discard_output()
        print(f"seqloom: {ConfigError(where, error.strerror or str(error), hint=hint)}", file=sys.stderr)
        sys.exit(USER_ERROR)


def _run() -> None:
    try:
        app()
    except SystemExit as leaving:
        if not leaving.code:
            sys.stdout.flush()  # which may fail only now
        raise


def _open_closed_streams() -> None:
    """Open what a caller has closed: else the next file that is opened would get what is printed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _discard_output() -> None:
    """Send what is still to be written nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
