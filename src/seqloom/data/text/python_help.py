"""A text that every machine has: the help texts of Python itself."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.cache import cache_folder
from seqloom.files import write_atomically


def python_help() -> str:
    """Python's own help texts, about 460,000 characters: what `help("topics")` lists."""
    import pydoc_data.topics

    topics = pydoc_data.topics.topics
    return "\n\n".join(topics[name] for name in sorted(topics))


def python_help_file() -> Path:
    """A file in the cache folder with that text. Its path stays the same, so that a training can resume."""
    path = cache_folder() / "python-help.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, python_help())
    return path
