"""The command line: one verb a file, each a short call of the public API.

Nothing heavy is imported before a verb runs: `seqloom --help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from seqloom.cli import demo, evaluate, generate, predict, toy_data, train, transcribe, translate
from seqloom.errors import SeqloomError

USER_ERROR = 2
INTERRUPTED = 130

app = typer.Typer(
    help="From sequences to a trained recurrent model: sample, train, evaluate, predict.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help is a tenth of a second faster
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (demo, toy_data, train, evaluate, predict, generate, translate, transcribe):
    app.command(verb.__name__.rpartition(".")[2].replace("_", "-"))(verb.command)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    try:
        app()
    except SeqloomError as error:
        print(f"seqloom: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; Python would complain once more at the end
        sys.exit(0)
