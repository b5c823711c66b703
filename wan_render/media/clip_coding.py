"""How clips are coded: takes, which are kept, and intermediates, which can be made again. Both without loss, and every
picture alone.

FFV1 makes the smaller files. MagicYUV takes a fourth to a ninth of its processor time (`python -m
benchmarks.clip_codings`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

MOST_THREADS = 16
"""That code, and that decode. More would need more memory."""


@dataclass(frozen=True)
class ClipCoding:
    """codec, pixel_format, container, options: by ffmpeg's names. suffix: of the file. picture_threads: that code one
    picture."""

    codec: str
    pixel_format: str
    container: str
    suffix: str
    options: Mapping[str, str]
    picture_threads: int

    @property
    def at_once(self) -> int:
        """How many pictures are coded at the same time on this machine. If several threads share one, it is one more
        than the cores are enough for, so that none idles."""
        alone = self.picture_threads == 1
        return coding_threads() if alone else coding_threads() // self.picture_threads + 1


TAKE_CODING = ClipCoding(
    "ffv1",
    "bgr0",
    "matroska",
    ".mkv",
    MappingProxyType({"level": "3", "slices": "4", "slicecrc": "1"}),
    picture_threads=4,
)
"""FFV1. Each of the four parts of a picture has its own checksum, and can be decoded by a thread of its own. An encoder
of 1280x720 needs 60 MB, so there are few encoders with several threads each."""

INTERMEDIATE_CODING = ClipCoding(
    "magicyuv", "gbrp", "mov", ".mov", MappingProxyType({"pred": "gradient"}), picture_threads=1
)
"""MagicYUV, in QuickTime because ffmpeg has no form of it in Matroska."""

READABLE = {(each.codec, each.pixel_format) for each in (TAKE_CODING, INTERMEDIATE_CODING)}
"""Codec and pixel format of every clip that wan-render wrote, older intermediates included."""


def coding_threads() -> int:
    """How many threads code or decode on this machine."""
    return min(MOST_THREADS, os.cpu_count() or 1)
