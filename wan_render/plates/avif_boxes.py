"""What an AVIF file states and Pillow does not report: its colours (`nclx`) and its bit depth.

The boxes are those of ISO/IEC 23008-12 (HEIF): `meta` has `pitm`, the primary item, and `iprp` with all properties
(`ipco`) and their items (`ipma`). `colr` is ISO/IEC 14496-12, 12.1.5; `av1C` is AV1-ISOBMFF, 2.3.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_MOST_BOXES = 10_000
"""Boxes that are read inside one box. A still picture has about twenty."""


@dataclass(frozen=True)
class AvifStatement:
    """primaries, transfer: code points of ITU-T H.273; None if not stated. bits: per sample."""

    primaries: int | None = None
    transfer: int | None = None
    bits: int = 8


def read_avif(data: bytes) -> AvifStatement:
    """The statement of the primary item. Values that cannot be found count as not stated."""
    try:
        properties = list(_properties(memoryview(data)))
    except (struct.error, IndexError, KeyError, ValueError):
        return AvifStatement()
    primaries = transfer = None
    bits = 8
    for kind, body in properties:
        if kind == b"colr" and bytes(body[:4]) == b"nclx" and primaries is None:
            primaries, transfer = struct.unpack_from(">HH", body, 4)
        elif kind == b"av1C":
            bits = {0: 8, 2: 10, 3: 12}.get(body[2] >> 5 & 3, 8)
    return AvifStatement(primaries, transfer, bits)


def _properties(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    meta = dict(_boxes(data))[b"meta"][4:]
    inside = dict(_boxes(meta))
    listed = dict(_boxes(inside[b"iprp"]))
    all_properties = list(_boxes(listed[b"ipco"]))
    (version,) = struct.unpack_from(">B", inside[b"pitm"])
    (primary,) = struct.unpack_from(">H" if version == 0 else ">I", inside[b"pitm"], 4)
    owned = dict(_associations(listed[b"ipma"]))
    return (all_properties[at - 1] for at in owned[primary] if at)


def _associations(body: memoryview) -> Iterator[tuple[int, list[int]]]:
    """Item → the numbers of its properties, from 1."""
    version, flags, count = body[0], body[3], struct.unpack_from(">I", body, 4)[0]
    at = 8
    for _ in range(count):
        (item,) = struct.unpack_from(">H" if version == 0 else ">I", body, at)
        at += 2 if version == 0 else 4
        many = body[at]
        wide = bool(flags & 1)
        numbers = struct.unpack_from(f">{many}{'H' if wide else 'B'}", body, at + 1)
        at += 1 + many * (2 if wide else 1)
        yield item, [number & (0x7FFF if wide else 0x7F) for number in numbers]


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif length == 0:
            length = len(data) - at
        if length < head:
            return
        yield kind, data[at + head : at + length]
        at += length
