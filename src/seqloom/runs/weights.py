"""Tensors to safetensors and back; a tensor with two names is written once."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from seqloom.errors import RunError
from seqloom.files import cannot_write, replace_atomically
from seqloom.stored import open_file

DAMAGED = "The file was damaged on its way or on the disk; copy it again"

CHECKSUM = "crc32"
"""The key of the metadata that holds a checksum of the whole file, computed with zeros in its place"""
NO_CHECKSUM = "0" * 8
DESCRIBED = "must hold the parameters that config.json describes"
PIECE = 1 << 18
"""Bytes that are read at a time: they stay in a processor's cache"""


def write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write or replace a safetensors file with a checksum, atomically, without a copy of the tensors.

    Raises:
        RunError: it cannot be written, for example because the disk is full; the old content stays.
    """
    on_host = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replace_atomically(path) as partial:
        mode = partial.stat().st_mode
        try:
            save_file(on_host, partial, {**(metadata or {}), CHECKSUM: NO_CHECKSUM})
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            reason = OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error))
            raise cannot_write(path, reason) from None
        partial.chmod(mode)  # safetensors writes a file that its owner alone may read
        with partial.open("r+b") as file:
            header = _read_header(file)
            checksum = _compute_checksum(header, file)
            file.seek(0)
            file.write(_with_checksum(header, NO_CHECKSUM, checksum))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        RunError: it is missing or damaged: a file with a checksum, which all have that this version writes,
            must have the content that it was written with.
    """
    try:
        while True:
            with open_file(path) as checked:
                _verify(path, checked)
                with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
                    metadata = file.metadata() or {}
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                if os.path.samestat(os.fstat(checked.fileno()), path.stat()):
                    metadata.pop(CHECKSUM, None)
                    return tensors, metadata
            # A training has replaced the file in between: what was read is not what was checked.
    except (SafetensorError, OSError) as error:
        raise _no_weights(path, error) from None


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file alone, without its tensors, and without its checksum's judgement.

    Raises:
        RunError: it is missing, or no safetensors file.
    """
    try:
        with open_file(path), safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _no_weights(path, error) from None


def _verify(path: Path, file: BinaryIO) -> None:
    """Compare the checksum, if the file has one; whether it is a safetensors file at all is not asked."""
    header = _read_header(file)
    try:
        checksum = json.loads(header[8:])["__metadata__"][CHECKSUM]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if _compute_checksum(_with_checksum(header, checksum, NO_CHECKSUM), file) != checksum:
        raise RunError(path, "must be as it was written", got="other content", hint=DAMAGED)


def _read_header(file: BinaryIO) -> bytes:
    """Its length in eight bytes, and so many bytes of JSON, or what there is of them."""
    length = file.read(8)
    return length + file.read(min(int.from_bytes(length, "little"), os.fstat(file.fileno()).st_size))


def _compute_checksum(header: bytes, file: BinaryIO) -> str:
    """Of a header without its checksum and the rest of the file, read a piece at a time."""
    checksum = zlib.crc32(header)
    while piece := file.read(PIECE):
        checksum = zlib.crc32(piece, checksum)
    return f"{checksum:08x}"


def _with_checksum(header: bytes, before: str, after: str) -> bytes:
    return header.replace(f'"{CHECKSUM}":"{before}"'.encode(), f'"{CHECKSUM}":"{after}"'.encode())


def unique_state(model: nn.Module) -> dict[str, Tensor]:
    """The state_dict with each tensor under one name: tied weights have several."""
    seen: set[int] = set()
    unique = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            seen.add(tensor.data_ptr())
            unique[name] = tensor
    return unique


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor of a safetensors file, by name, of which nothing but the header is read.

    Raises:
        RunError: it is missing, or no safetensors file.
    """
    try:
        with open_file(path), safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _no_weights(path, error) from None


def _no_weights(path: Path, error: Exception) -> RunError:
    got = (error.strerror if isinstance(error, OSError) else None) or str(error) or "nothing"
    return RunError(path, "expected a safetensors file", got=got)


def require_shapes(model: nn.Module, shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Refuse tensors that are not the parameters and buffers of `model`, by name and shape.

    Args:
        model: any; its own tensors may be on the device `meta`.
        shapes: by name, as `unique_state` has them.
        path: where they come from, for the error.

    Raises:
        RunError: a name or a shape is not the same.
    """
    seen: set[int] = set()
    own = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if (
            id(tensor) not in seen
        ):  # tied weights are one tensor with several names, of which a file has the first
            seen.add(id(tensor))
            own[name] = tuple(tensor.shape)
    wrong = sorted(own.keys() ^ shapes.keys()) or [
        name for name, shape in shapes.items() if own[name] != shape
    ]
    if wrong:
        raise RunError(path, DESCRIBED, got=f"a difference at {wrong[0]}")


def load_state(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copy `tensors` into the parameters and buffers of `model`, which must be the same by name and shape.

    Args:
        model: any.
        tensors: by name, as `unique_state` returns them.
        path: where they come from, for the error.

    Raises:
        RunError: a name, a shape or the kind of numbers is not the same.
    """
    own = unique_state(model)
    wrong = sorted(set(own) ^ set(tensors)) or [
        name
        for name, tensor in own.items()
        if tensor.shape != tensors[name].shape
        or tensor.is_floating_point() != tensors[name].is_floating_point()
    ]
    if wrong:
        raise RunError(path, DESCRIBED, got=f"a difference at {wrong[0]}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
