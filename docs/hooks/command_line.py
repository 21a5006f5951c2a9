"""The reference of the command line, from `--help`: `python docs/hooks/command_line.py` prints it."""

from __future__ import annotations

import typer
from typer.main import get_command

from seqloom.cli import app

INTRODUCTION = """# The command line

Results go to standard output, messages and progress to standard error. `--json` prints one JSON object and
nothing else. Exit code 0: done; 2: a mistake of the user's, said in one line; 130: stopped by Ctrl-C.

This page is what `seqloom VERB --help` says.
"""


def page() -> str:
    """The whole page, as Markdown."""
    group = get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    parts = [INTRODUCTION]
    group_context = typer.Context(group, info_name="seqloom")
    for name in group.list_commands(group_context):
        command = group.get_command(group_context, name)
        width = {"terminal_width": 100, "max_content_width": 100}
        context = typer.Context(command, info_name=f"seqloom {name}", **width)
        parts.append(f"## seqloom {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page())
