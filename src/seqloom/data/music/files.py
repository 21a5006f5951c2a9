"""A tune as a file: MIDI, sound or picture, by the ending of its name."""

from __future__ import annotations

from pathlib import Path

from seqloom.data.music.midi import SUFFIXES, midi_bytes
from seqloom.data.music.picture import roll_svg
from seqloom.data.music.sound import wav_bytes
from seqloom.data.music.tune import Tune
from seqloom.errors import DataError
from seqloom.files import require_new_file, write_atomically

WRITABLE = (*SUFFIXES, ".wav", ".svg")


def save_tune(
    tune: Tune, path: Path | str, *, overwrite: bool = False, soundfont: Path | None = None
) -> None:
    """Write a tune.

    Args:
        tune: the notes.
        path: a name that ends in `.mid`, `.midi`, `.wav` or `.svg`.
        overwrite: whether a file of that name is replaced.
        soundfont: whose first instrument plays in a `.wav`; None: decaying partials.

    Raises:
        RunError: there is such a file, no such folder, or it cannot be written.
        DataError: another ending; a tune of more than an hour as `.wav`.
    """
    path = Path(path)
    check_target(path, overwrite)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        content: str | bytes = midi_bytes(tune)
    elif suffix == ".wav":
        content = wav_bytes(tune, soundfont)
    else:
        content = roll_svg(tune, path.stem)
    write_atomically(path, content)


def check_target(path: Path, overwrite: bool = False) -> None:
    """Refuse a name that cannot be written, before there is anything to write.

    Raises:
        RunError: there is such a file, or no such folder.
        DataError: another ending.
    """
    if path.suffix.lower() not in WRITABLE:
        expected = f"expected a file name that ends in {', '.join(WRITABLE[:-1])} or {WRITABLE[-1]}"
        raise DataError(path, expected, got=path.suffix or "no ending")
    require_new_file(path, overwrite)
