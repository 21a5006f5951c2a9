"""How a language model decodes: the run's settings, and what a call overrides."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seqloom.errors import ConfigError, nearest
from seqloom.runs.config import RunConfig

if TYPE_CHECKING:
    from seqloom.decoding.options import DecodingOptions


def decoding_options(
    config: RunConfig, preparation: Any, options: Mapping[str, Any], stops: tuple[str, ...]
) -> DecodingOptions:
    """The options of a run's `decoding.*`, with those of a call in their place.

    Args:
        config: of the run.
        preparation: whose vocabulary turns stops into tokens.
        options: those of `seqloom.DecodingOptions` that a call names.
        stops: texts that end the decoding.

    Raises:
        ConfigError: an option that does not exist or is out of its range.
    """
    from seqloom.decoding.options import DecodingOptions

    known = [field.name for field in dataclasses.fields(DecodingOptions)]
    for name in options:
        if name not in known:
            raise ConfigError("generate", f"unknown option `{name}`", hint=nearest(name, [*known, "stop"]))
    # Decoding ends early at a stop that is a sequence of tokens; `until` cuts the text at any stop.
    vocabulary = preparation.vocabulary
    sequences = [tuple(vocabulary.encode(text)) for text in stops]
    usable = tuple(tokens for tokens in sequences if vocabulary.unknown not in tokens)
    saved = config.decoding.model_dump()
    chosen = {name: value for name, value in saved.items() if name in known}
    return DecodingOptions(**{**chosen, **options}, stop_sequences=usable)
