"""Data that every machine has."""

from __future__ import annotations


def python_help() -> str:
    """Python's own help texts, about 460,000 characters: what `help("topics")` lists."""
    import pydoc_data.topics

    topics = pydoc_data.topics.topics
    return "\n\n".join(topics[name] for name in sorted(topics))
