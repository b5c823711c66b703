"""Frames as small copies. Everything is measured on them, except for fine detail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.render_values import Pixels

Floats = NDArray[Any]
"""Floating-point arrays; OpenCV does not say which."""

LONGEST_SIDE = 160
"""Of a small copy, in pixels. At this size the loss of a VAE and film grain average out, and motion stays visible."""

BANDS = 5
"""Octaves of detail: band k is what shrinking by 2 from 1/2^k to 1/2^(k+1) of the size removes."""


@dataclass(frozen=True)
class SmallFrames:
    """A clip in small.

    small:  (frames, height, width, 3) uint8 RGB, the longest side at most LONGEST_SIDE.
    detail: (frames, BANDS) energy of the luma in each octave, samples 0 to 1, squared.
    first, last: the clip's first and last frame in full size, (height, width, 3) uint8 RGB.
    """

    small: Pixels
    detail: Floats
    first: Pixels
    last: Pixels


def reduced(frames: Iterable[Pixels]) -> SmallFrames:
    """Frames, each (height, width, 3) uint8 RGB, one at a time. Raises ValueError without any frame."""
    small, detail = [], []
    first = last = None
    for frame in frames:
        small.append(shrunk(frame))
        detail.append(detail_energy(frame))
        first = frame if first is None else first
        last = frame
    if first is None or last is None:
        raise ValueError("expected at least one frame")
    return SmallFrames(np.stack(small), np.array(detail), first, last)


def shrunk(picture: Pixels) -> Pixels:
    """The small copy of a picture, (height, width, 3) uint8 RGB, by area averaging. Small pictures stay as they are."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA), np.uint8)


def detail_energy(picture: Pixels) -> Floats:
    """(BANDS,) energy of the luma in each octave, from the finest on; samples 0 to 1."""
    luma: Floats = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    energies = [_energy(luma)]
    for _ in range(BANDS):
        height, width = (max(1, side // 2) for side in luma.shape)
        luma = cv2.resize(luma[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA)
        energies.append(_energy(luma))
    return np.maximum(0.0, -np.diff(energies))


def _energy(luma: Floats) -> float:
    return float(cv2.norm(luma, cv2.NORM_L2SQR)) / luma.size


def frame_difference(one: Pixels, other: Pixels) -> float:
    """The mean absolute difference of two small copies, 0 to 1."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size / 255


def luma_of(small: Pixels) -> Floats:
    """(height, width) float32, 0 to 1 (BT.601 weights)."""
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
