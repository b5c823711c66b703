"""A mix as a WAV file: 32-bit float, stereo, 48 kHz; with a comment. RF64 if it is larger than WAV allows."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from wan_render.sound.sound_reader import Samples
from wan_render.sound.soundtrack import RATE

_FRAME = 8
"""Bytes of a sample of both sides."""

_COMMENT_PLACE = 4096
"""A comment begins within the first bytes of the file."""


def write_wav(target: Path, blocks: Iterable[Samples], length: int, comment: str) -> None:
    """Write blocks of `length` samples in all. Equal samples and comments give equal bytes. Raises OSError."""
    with target.open("wb") as stream:
        stream.write(_header(length, comment))
        written = 0
        for block in blocks:
            stream.write(block.astype("<f4", copy=False).tobytes())
            written += len(block)
    if written != length:
        raise ValueError(f"expected {length} samples, got {written}")


def write_float_wav(target: Path, samples: Samples, rate: int) -> None:
    """Write (samples, channels) float32 of any rate and number of channels. Raises OSError."""
    channels = samples.shape[1]
    frame = 4 * channels
    form = _chunk(b"fmt ", struct.pack("<HHIIHHH", 3, channels, rate, rate * frame, frame, 32, 0))
    data = _chunk(b"data", np.ascontiguousarray(samples, "<f4").tobytes())
    target.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(form) + len(data)) + b"WAVE" + form + data)


def wav_comment(file: Path) -> str:
    """The comment of a file that `write_wav` wrote. Raises OSError, or ValueError for another file."""
    with file.open("rb") as stream:
        head = stream.read(_COMMENT_PLACE)
    at = head.index(b"ICMT")
    (size,) = struct.unpack_from("<I", head, at + 4)
    return head[at + 8 : at + 8 + size].rstrip(b"\0").decode()


def _header(length: int, comment: str) -> bytes:
    data = length * _FRAME
    text = comment.encode() + b"\0"
    info = b"INFO" + _chunk(b"ICMT", text)
    form = _chunk(b"fmt ", struct.pack("<HHIIHHH", 3, 2, RATE, RATE * _FRAME, _FRAME, 32, 0))
    parts = form + _chunk(b"fact", struct.pack("<I", min(length, 0xFFFFFFFF))) + _chunk(b"LIST", info)
    whole = 4 + len(parts) + 8 + data
    if whole <= 0xFFFFFFFF:
        return b"RIFF" + struct.pack("<I", whole) + b"WAVE" + parts + b"data" + struct.pack("<I", data)
    sizes = _chunk(b"ds64", struct.pack("<QQQI", whole + 36, data, length, 0))
    unknown = struct.pack("<I", 0xFFFFFFFF)
    return b"RF64" + unknown + b"WAVE" + sizes + parts + b"data" + unknown


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
