"""What verbs print: results to standard output, messages to standard error."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seqloom.errors import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from seqloom.tasks.base import Output


def log(line: str) -> None:
    """Print a message of one line on standard error."""
    print(one_line(line), file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print the one JSON object on standard output; a number that is not finite is null there."""
    from seqloom.pages.page import finite

    print(json.dumps(finite(value), allow_nan=False), flush=True)


def print_answers(answers: Sequence[Output]) -> None:
    """Print a line per answer; what was wrong with an input is a message on standard error."""
    for answer in answers:
        print(one_line(answer.text), flush=True)
        if "error" in answer.details:
            log(f"skipped: {answer.details['error']}")


def spell_command(verb: str, arguments: Sequence[Any], **options: Any) -> str:
    r"""A command that does the same again, quoted for a shell.

    Args:
        verb: of seqloom.
        arguments: those without names; None: one that was not given.
        options: by name: None and False are left out, True is a flag, a list is repeated.

    >>> spell_command("inspect", ["runs/a", "-- it's"], select="3:8", set=["a=1", "b=2"], text=True, out=None)
    'seqloom inspect --select 3:8 --set a=1 --set b=2 --text -- runs/a \'-- it\'"\'"\'s\''
    """
    words = list[str]()
    for name, value in options.items():
        for part in value if isinstance(value, list | tuple) else [value]:
            if part is not None and part is not False:
                option = f"--{name.replace('_', '-')}"
                words += [option] if part is True else [option, str(part)]
    rest = [str(argument) for argument in arguments if argument is not None]
    looks_like_option = any(argument.startswith("-") for argument in rest)
    order = [*words, "--", *rest] if looks_like_option else [*rest, *words]
    return shlex.join(["seqloom", verb, *order])


def require_new_page(option: str, path: Path | None, overwrite: bool) -> None:
    """Refuse the name of a page that cannot be written, before there is anything to write.

    Raises:
        ConfigError: it is not the name of an HTML file.
        RunError: there is such a file, or no such folder.
    """
    from seqloom.errors import ConfigError
    from seqloom.files import require_new_file

    if path is None:
        return
    if path.suffix.lower() not in (".html", ".htm"):
        raise ConfigError(option, "expected a name that ends in .html", got=str(path))
    require_new_file(path, overwrite)


def run_settings(settings: Sequence[str] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The option `--set` of verbs for trained models: how to decode, and how data is read.

    `["decoding.num_beams=5", "data.separator=;"]` is `({"num_beams": 5}, {"separator": ";"})`.

    Raises:
        ConfigError: a setting of another part, which is fixed once a model is trained.
    """
    if not settings:
        return {}, {}
    from seqloom.errors import ConfigError
    from seqloom.runs.config import READING_KEYS, parse_settings

    parts = parse_settings(settings)
    fixed = [part for part in parts if part not in ("decoding", "data")]
    fixed += [f"data.{key}" for key in parts.get("data", ()) if key not in READING_KEYS]
    if fixed:
        keys = ", ".join(f"data.{key}" for key in READING_KEYS)
        expected = f"only decoding.* and {keys} can be set for a trained model"
        raise ConfigError("--set", expected, got=fixed[0])
    return parts.get("decoding", {}), parts.get("data", {})
