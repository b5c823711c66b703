"""The chunks of a PNG that Pillow does not read, or refuses a whole picture for."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

SIGNATURE = b"\x89PNG\r\n\x1a\n"

LARGEST_PROFILE = 16 * 1024 * 1024
"""Bytes of an ICC profile, unpacked: measured profiles of displays and cameras have 1 to 4 MB."""

_LARGEST_TEXT = 1024 * 1024
_MOST_TEXT = 32 * 1024 * 1024
"""Bytes of one text and of all of them, unpacked. Pillow refuses a picture for a larger one (MAX_TEXT_CHUNK,
MAX_TEXT_MEMORY); a text changes no pixel."""

_MOST_CHUNKS = 1_000_000
"""256 MiB in chunks of 256 bytes; a file of smaller ones is not looked at further."""

_COLOURS = (b"cICP", b"sRGB", b"gAMA", b"cHRM")
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


@dataclass(frozen=True)
class Png:
    """A PNG's bytes for Pillow, without chunks that are too large for it, and what it states about its colours.

    stated: the bodies of cICP, sRGB, gAMA and cHRM. profile: an ICC profile that was taken out; None where there was
    none, or a small one, which Pillow reads itself. is_profile_too_large: it unpacks to more than LARGEST_PROFILE.
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
    """Every chunk looked at once. A file that is cut off or damaged comes back as it is: Pillow says so."""
    stated: dict[bytes, bytes] = {}
    dropped: list[_Chunk] = []
    profile, too_large, texts = None, False, 0
    has_pixels = False
    for chunk in _chunks(data):
        has_pixels = has_pixels or chunk.kind == b"IDAT"
        if chunk.kind in _COLOURS and not has_pixels:  # after the pixels they mean nothing
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
    """The PNG with nothing but what its pixels need: a decoder has nothing to convert by and nothing to complain of."""
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
    """The deflated part of an iCCP, zTXt or iTXt chunk; None where nothing is deflated."""
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
    """What is deflated, b"" where nothing is or it is broken; None where it unpacks to more than `most` bytes."""
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
