"""The settings reference, generated from the configurations: `python docs/hooks/settings.py` prints it."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
import types
import typing
from typing import Any, Literal, Union

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from seqloom.data.options import ReadOptions
from seqloom.runs.config import PARTS, TrainingConfig
from seqloom.tasks import all_tasks

INTRODUCTION = """# Settings

Any of them by `--set key=value`, in Python as `settings={"key": value}`, or in a YAML file (`--config`):

```yaml
task: generate
data:
  unit: word
model:
  cell_type: gru
training:
  max_minutes: 10
```

The last one wins: a task's defaults, then the file, then `--set`. An unknown key is an error that names the
nearest known one. Every run folder holds all of them, resolved, in `config.json`. `null` is YAML's word for
none.

This page is generated from the configurations in the source.
"""


def page() -> str:
    """The whole page, as Markdown."""
    common = [*table("training", TrainingConfig), "How data is read:\n", *table("data", ReadOptions)]
    parts = [INTRODUCTION, "\n## For every task\n", *common]
    for task in all_tasks():
        parts += [f"\n## {task.name}\n"]
        if task.training_defaults:
            parts += ["Its own defaults:\n", "| key | default |\n|---|---|"]
            defaults = task.training_defaults.items()
            parts += [*(f"| `training.{key}` | {code(value)} |" for key, value in defaults), ""]
        for part in PARTS:
            config = getattr(task, f"{part.title()}Config", None)
            if config is not None and config.model_fields:
                parts += table(part, config)
    return "\n".join(parts) + "\n"


def table(part: str, config: type[BaseModel]) -> list[str]:
    """The keys of one part, a row each."""
    about = descriptions(config)
    lines = [f"| `{part}.*` | default | values | |", "|---|---|---|---|"]
    for key, field in config.model_fields.items():
        default = field.get_default(call_default_factory=True)
        row = (f"`{key}`", code(default), values(field), about.get(key, ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |")
    return [*lines, ""]


def descriptions(config: type[BaseModel]) -> dict[str, str]:
    """The docstring below each attribute, of the classes that this one is derived from too."""
    found: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        definition = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(definition, ast.ClassDef)
        for field, text in zip(definition.body, definition.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str() as value)):
                    found[name] = " ".join(value.split())
    return found


def values(field: FieldInfo) -> str:
    """What a key may hold, in words: `int >= 1`, or the words themselves."""
    kinds, bounds, nothing = unwrap(field.annotation)
    for limit in [*bounds, *field.metadata]:
        match limit:
            case annotated_types.Ge(ge):
                kinds += f" ≥ {ge}"
            case annotated_types.Gt(gt):
                kinds += f" > {gt}"
            case annotated_types.Le(le):
                kinds += f", ≤ {le}"
            case annotated_types.Lt(lt):
                kinds += f", < {lt}"
    return f"{kinds} or `null`" if nothing else kinds


def unwrap(annotation: Any) -> tuple[str, list[Any], bool]:
    """The name of a type, its bounds, and whether it may be None."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        name, bounds, nothing = unwrap(arguments[0])
        inner = [b for limit in arguments[1:] for b in getattr(limit, "metadata", [limit])]
        return name, [*bounds, *inner], nothing
    if origin in (Union, types.UnionType):
        rest = [unwrap(argument) for argument in arguments if argument is not type(None)]
        nothing = type(None) in arguments
        return " or ".join(name for name, _, _ in rest), [b for _, bounds, _ in rest for b in bounds], nothing
    if origin is dict:
        return " to ".join(["mapping of text", unwrap(arguments[1])[0]]), [], False
    if origin is Literal:
        return ", ".join(code(value) for value in arguments), [], False
    if origin in (list, tuple):
        return f"list of {unwrap(arguments[0])[0]}", [], False
    return {"bool": "`true`, `false`", "str": "text"}.get(annotation.__name__, annotation.__name__), [], False


def code(value: Any) -> str:
    """A value as YAML writes it."""
    if isinstance(value, float):
        return f"`{re.sub(r'e-0', 'e-', f'{value:g}')}`"
    if isinstance(value, str):
        return f"`{value}`"
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    print(page())
