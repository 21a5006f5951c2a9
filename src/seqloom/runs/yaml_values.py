"""YAML as configurations are written in it: safe, and 3e-4 is a number."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml import YAMLError

__all__ = ["YAMLError", "parse_yaml", "write_yaml"]


def parse_yaml(text: str) -> Any:
    """The value of a YAML text.

    Raises:
        YAMLError: it is none.

    >>> parse_yaml("3e-4"), parse_yaml("null"), parse_yaml("[a, 1]")
    (0.0003, None, ['a', 1])
    """
    return yaml.load(text, Loader=_Loader)


def write_yaml(values: Any) -> str:
    """YAML of plain values, keys in their order.

    >>> write_yaml({"tags": ["a"], "name": "yes"})
    "tags:\\n- a\\nname: 'yes'\\n"
    """
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=1 << 20)


class _Loader(yaml.SafeLoader):
    """PyYAML takes 3e-4 for a text; YAML 1.2, and everybody, for a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)
