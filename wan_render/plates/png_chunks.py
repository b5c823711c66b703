"""The chunks of a PNG that Pillow does not read, or because of which it refuses the whole picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

SIGNATURE = b"\x89PNG\r\n\x1a\n"

LARGEST_PROFILE = 16 * 1024 * 1024
"""Bytes of an uncompressed ICC profile. Measured profiles of displays and cameras have 1 to 4 MB."""

_LARGEST_TEXT = 1024 * 1024
_MOST_TEXT = 32 * 1024 * 1024
"""Uncompressed bytes of one text and of all texts. With larger ones, Pillow refuses the picture (MAX_TEXT_CHUNK,
MAX_TEXT_MEMORY), although texts change no pixels."""

_MOST_CHUNKS = 1_000_000
"""256 MiB in chunks of 256 bytes. Further chunks of a file with smaller ones are ignored."""

_COLOURS = (b"cICP", b"sRGB", b"gAMA", b"cHRM")
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


@dataclass(frozen=True)
class Png:
    """A PNG's bytes for Pillow, without chunks that are too large for it, and its statements about colours.

    stated:  the bodies of cICP, sRGB, gAMA and cHRM.
    profile: a large ICC profile that was removed; None if there was none, or a small one, which Pillow reads itself.
    is_profile_too_large: whether it has more than LARGEST_PROFILE bytes uncompressed.
    """

    data: bytes
    stated: dict[bytes, bytes] = field(default_factory=dict)
    profile: bytes | None = None
    is_profile_too_large: bool = False


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    body: memoryview
    start: int
    end: int


def read_png(data: bytes) -> Png:
    """Read every chunk once. A file that is cut off or damaged is returned unchanged: Pillow reports it."""
    stated: dict[bytes, bytes] = {}
    dropped: list[_Chunk] = []
    profile, too_large, texts = None, False, 0
    has_pixels = False
    for chunk in _chunks(data):
        has_pixels = has_pixels or chunk.kind == b"IDAT"
        if chunk.kind in _COLOURS and not has_pixels:  # after the pixels they have no meaning
            stated.setdefault(chunk.kind, bytes(chunk.body))
        elif chunk.kind == b"iCCP" and (unpacked := _inflated(_packed(chunk), _LARGEST_TEXT)) is None:
            profile = _inflated(_packed(chunk), LARGEST_PROFILE)
            too_large = profile is None
            dropped.append(chunk)
        elif chunk.kind in _TEXTS:
            unpacked = _inflated(_packed(chunk), _LARGEST_TEXT) if texts < _MOST_TEXT else None
            texts += max(len(chunk.body), len(unpacked or b""))
            if unpacked is None:
                dropped.append(chunk)
    return Png(_without(data, dropped), stated, profile, too_large)


def only_pixels(data: bytes) -> bytes:
    """The PNG with only the chunks that its pixels need, so that a decoder converts nothing and reports nothing."""
    return SIGNATURE + b"".join(data[chunk.start : chunk.end] for chunk in _chunks(data) if chunk.kind in _PIXELS)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    view, at = memoryview(data), len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return
        yield _Chunk(kind, view[at + 8 : end - 4], at, end)
        at = end


def _packed(chunk: _Chunk) -> memoryview | None:
    """The compressed part of an iCCP, zTXt or iTXt chunk; None if nothing is compressed."""
    body = bytes(chunk.body)
    name = body.find(b"\0")
    if chunk.kind == b"tEXt" or name < 0 or name + 2 >= len(chunk.body):
        return None
    if chunk.kind != b"iTXt":
        return chunk.body[name + 2 :]
    language = body.find(b"\0", name + 3)
    words = body.find(b"\0", language + 1)
    return chunk.body[words + 1 :] if body[name + 1] == 1 and 0 < language < words else None


def _inflated(packed: memoryview | None, most: int) -> bytes | None:
    """The uncompressed bytes; b"" if there are none or they are broken; None if there are more than `most`."""
    if packed is None:
        return b""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(packed, most)
    except zlib.error:
        return b""
    return None if unpacker.unconsumed_tail else found


def _without(data: bytes, dropped: list[_Chunk]) -> bytes:
    if not dropped:
        return data
    starts = [0, *(chunk.end for chunk in dropped)]
    ends = [*(chunk.start for chunk in dropped), len(data)]
    return b"".join(data[start:end] for start, end in zip(starts, ends, strict=True))
