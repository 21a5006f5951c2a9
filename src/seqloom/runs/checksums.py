"""Checksums of the JSON files of a run folder, in its `config.json`, so that damage is not taken for content.

Weights and checkpoints hold their own (`seqloom.runs.weights`), because they are replaced while a model may
be in use. All are CRC-32: they find damage, and are no defense against somebody who means harm.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqloom.errors import RunError
from seqloom.stored import read_bytes

KEY = "checksums"
OWN = "config.json"
EDITED = "If you changed it yourself, delete its `checksums`; else it was damaged: copy it again"
DAMAGED = "It was damaged on its way or on the disk: copy it again"


def compute_checksum(text: str) -> str:
    """CRC-32 of a text in UTF-8, in hexadecimal.

    >>> compute_checksum("seqloom")
    '3f7aec75'
    """
    return f"{zlib.crc32(text.encode()):08x}"


def sign(content: Mapping[str, Any], files: Mapping[str, list[str]]) -> dict[str, Any]:
    """The content of `config.json` with the checksums of it and of other files.

    Args:
        content: without checksums.
        files: by name, the checksums that a file may have: two while it is being replaced.
    """
    return {**content, KEY: {OWN: [compute_checksum(_canonical(content))], **files}}


def signed_files(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The checksums of the other files, of signed content; empty in a run folder of an earlier version."""
    sums = content.get(KEY)
    if not isinstance(sums, dict):
        return {}
    return {name: list(part) for name, part in sums.items() if name != OWN and isinstance(part, list)}


def verify_content(path: Path, content: Mapping[str, Any]) -> None:
    """Check that `config.json` is as it was written.

    Raises:
        RunError: it is not.
    """
    if KEY not in content:  # an earlier version wrote it
        return
    sums = content[KEY].get(OWN) if isinstance(content[KEY], dict) else None
    rest = {key: value for key, value in content.items() if key != KEY}
    if not isinstance(sums, list) or compute_checksum(_canonical(rest)) not in sums:
        raise RunError(path, "must be as it was written", got="other content", hint=EDITED)


def verify_files(folder: Path, files: Mapping[str, list[str]]) -> None:
    """Check that the other files are there, as they were written.

    Raises:
        RunError: one is not.
    """
    for name, sums in files.items():
        path = folder / name
        if Path(name).name != name:
            expected = "must have the checksums of files that are beside it"
            raise RunError(folder / OWN, expected, got=name, hint=EDITED)
        try:
            found = f"{zlib.crc32(read_bytes(path)):08x}"
        except OSError as error:
            got = error.strerror or str(error)
            raise RunError(path, "expected a file of the run folder", got=got, hint=DAMAGED) from None
        if found not in sums:
            raise RunError(path, "must be as it was written", got="other content", hint=DAMAGED)


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True)
