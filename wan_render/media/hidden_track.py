"""Subtitle tracks that players do not show by themselves.

ffmpeg marks the first track of each kind in an mp4 as enabled, whatever its disposition. If the text is also burned in,
players would show it twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_HEADER = 8
_LARGEST_HEADER = 16
_ENABLED = 0x01


def hide_subtitle_tracks(file: Path) -> None:
    """Clear the flag "enabled" of every subtitle track of an mp4 file, in place. Raises OSError."""
    with file.open("r+b") as stream:
        for place in list(_subtitle_flags(stream)):
            stream.seek(place)
            flags = stream.read(1)[0]
            stream.seek(place)
            stream.write(bytes([flags & ~_ENABLED]))


def _subtitle_flags(stream: BinaryIO) -> Iterator[int]:
    """The place of the lowest byte of each subtitle track's flags."""
    size = stream.seek(0, 2)
    for kind, start, end in _boxes(stream, 0, size):
        if kind == b"moov":
            for inner, first, last in _boxes(stream, start, end):
                if inner == b"trak" and _handler(stream, first, last) == b"sbtl":
                    yield from (at + 3 for name, at, _ in _boxes(stream, first, last) if name == b"tkhd")


def _handler(stream: BinaryIO, start: int, end: int) -> bytes:
    """The kind of a track: `vide`, `soun`, `sbtl`, `text`."""
    for kind, first, last in _boxes(stream, start, end):
        if kind == b"mdia":
            return _handler(stream, first, last)
        if kind == b"hdlr":
            stream.seek(first + 8)
            return stream.read(4)
    return b""


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of the content of each box."""
    while start + _HEADER <= end:
        stream.seek(start)
        header = stream.read(_LARGEST_HEADER)
        size, first = int.from_bytes(header[:4]), start + _HEADER
        if size == 1:
            size, first = int.from_bytes(header[8:16]), start + _LARGEST_HEADER
        after = end if size == 0 else start + size
        if not first <= after <= end:
            return
        yield header[4:8], first, after
        start = after
