"""MIDI files, byte by byte."""

from __future__ import annotations

import struct

NOTE = b"\x00\x90\x3c\x40\x18\x80\x3c\x40"
"""Middle C for 24 ticks"""
DRUM = b"\x00\x99\x24\x40\x18\x89\x24\x40"
END = b"\x00\xff\x2f\x00"


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + content


def midi_file(*tracks: bytes, file_format: int = 1, division: int = 24, count: int | None = None) -> bytes:
    header = struct.pack(">HHH", file_format, len(tracks) if count is None else count, division)
    return chunk(b"MThd", header) + b"".join(chunk(b"MTrk", track + END) for track in tracks)
