"""Frames as small copies. Nearly everything is measured on them: there the loss of a VAE and film grain average out.

Only fine detail is measured on frames in full size, while they pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.render_values import Pixels

Floats = NDArray[Any]
"""Floating-point arrays; OpenCV's types do not say which."""

LONGEST_SIDE = 160
"""Of a small copy, in pixels."""

BANDS = 6
"""Octaves of detail: band k is what shrinking by 2 removes from a picture that was shrunk by 2^k."""


FINE = 4
"""How many octaves may be the grain of noise: up to 16 pixels. Pictures often have much in the next coarser ones."""

CHROMA = 2
"""How many octaves of colour may be the grain of noise: up to 8 pixels."""

GRIDS = (4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32)
"""Sizes of blocks, in pixels."""

LEAST_STEP = 0.002
"""Difference of neighbouring pixels that counts as none, samples 0 to 1."""

SMOOTH = 0.15

CELL = 4
"""Samples of an octave, in each direction, in a part of the picture."""


@dataclass(frozen=True)
class Detail:
    """Fine detail of one picture in full size.

    energy: (BANDS,) energy of the luma in each octave, from the finest on; samples 0 to 1, squared.
    quarters: (4, FINE + 1) the same of the finest octaves in each quarter of the picture.
    floor:  (FINE,) the same of the finest octaves in the smoothest parts of the picture: SMOOTH of all.
    edge:   how steep its sharpest edges are: the 99.5th percentile of the gradient at half the size, per pixel.
    coarse_edge: the same at a sixteenth of the size, which a blur hardly changes.
    tints:  (CHROMA,) energy of both colour differences in each octave, from half the size on; samples 0 to 1, squared.
    blocks: how much steeper it is on the lines of some even grid than between them: about 1 in pictures.
    """

    energy: Floats
    quarters: Floats
    floor: Floats
    edge: float
    coarse_edge: float
    tints: Floats
    blocks: float


@dataclass(frozen=True)
class SmallFrames:
    """A clip in small.

    small:  (frames, height, width, 3) uint8 RGB, the longest side at most LONGEST_SIDE.
    detail: of each frame.
    first, last: the clip's first and last frame in full size, (height, width, 3) uint8 RGB.
    """

    small: Pixels
    detail: tuple[Detail, ...]
    first: Pixels
    last: Pixels


def reduced(frames: Iterable[Pixels]) -> SmallFrames:
    """Frames, each (height, width, 3) uint8 RGB, one at a time. Raises ValueError without any frame."""
    small, detail = [], []
    first = last = None
    for frame in frames:
        small.append(shrunk(frame))
        detail.append(detail_of(frame))
        first = frame if first is None else first
        last = frame
    if first is None or last is None:
        raise ValueError("expected at least one frame")
    return SmallFrames(np.stack(small), tuple(detail), first, last)


def shrunk(picture: Pixels) -> Pixels:
    """The small copy of a picture, (height, width, 3) uint8 RGB, by area averaging. Small pictures stay as they are."""
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA), np.uint8)


def frame_difference(one: Pixels, other: Pixels) -> float:
    """The mean absolute difference of two small copies, 0 to 1."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size / 255


def luma_of(picture: Pixels) -> Floats:
    """(height, width) float32, 0 to 1 (BT.601 weights)."""
    return cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255


def softened(picture: Pixels, sigma: float) -> Floats:
    """A small picture as float32, 0 to 1, with a Gaussian blur; sigma in pixels."""
    return cv2.GaussianBlur(picture.astype(np.float32) / 255, (0, 0), sigma)


def contrast_of(picture: Floats) -> float:
    """The standard deviation of the channel that has most, of a float picture (height, width, 3)."""
    return float(cv2.meanStdDev(picture)[1].max())


def without_mean(picture: Floats) -> Floats:
    """A float picture, (height, width, 3), without the mean of each channel."""
    return picture - np.array(cv2.mean(picture)[:3], np.float32)


def lab_of(small: Pixels) -> Floats:
    """CIE Lab, (height, width, 3) float32: L 0 to 100, a and b about -100 to 100."""
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def detail_of(picture: Pixels) -> Detail:
    """The fine detail of a picture in full size, (height, width, 3) uint8 RGB."""
    whole_level = level = luma_of(picture)
    energies, floors, quarters = [_energy(level)], list[float](), list[Floats]()
    levels: list[Floats] = []
    for _ in range(BANDS):
        height, width = (max(1, side // 2) for side in level.shape)
        whole = level[: height * 2, : width * 2]
        level = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
        if len(levels) <= FINE:
            cells = _cells(whole, level)
            floors.append(_floor(cells))
            quarters.append(_quarters(cells))
        levels.append(level)
        energies.append(_energy(level))
    return Detail(
        np.maximum(0.0, -np.diff(energies)),
        np.array(quarters).T,
        np.array(floors[:FINE]),
        _edge(levels[0]),
        _edge(levels[3]),
        _tints(picture),
        _blocks(whole_level),
    )


def _cells(whole: Floats, halved: Floats) -> Floats:
    """The energy that halving took, in small parts of the picture: (rows, columns)."""
    height, width = whole.shape
    lost = whole - cv2.resize(halved, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.resize(lost * lost, (max(1, width // CELL), max(1, height // CELL)), interpolation=cv2.INTER_AREA)


def _floor(cells: Floats) -> float:
    energy = cells.ravel()
    at = int(SMOOTH * (energy.size - 1))
    return float(np.partition(energy, at)[at])


def _quarters(cells: Floats) -> Floats:
    row, column = ((side + 1) // 2 for side in cells.shape)
    parts = (cells[:row, :column], cells[:row, -column:], cells[-row:, :column], cells[-row:, -column:])
    return np.array([part.mean() for part in parts])


def _energy(luma: Floats) -> float:
    return float(cv2.norm(luma, cv2.NORM_L2SQR)) / luma.size


def _edge(luma: Floats) -> float:
    across, down = (cv2.Sobel(luma, cv2.CV_32F, x, 1 - x, scale=0.125) for x in (1, 0))
    steepness = cv2.magnitude(across, down).ravel()
    at = int(0.995 * (steepness.size - 1))
    return float(np.partition(steepness, at)[at])


def _tints(picture: Pixels) -> Floats:
    height, width = (max(1, side // 2) for side in picture.shape[:2])
    half = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)
    level: Floats = np.ascontiguousarray(cv2.cvtColor(half, cv2.COLOR_RGB2YCrCb)[..., 1:]).astype(np.float32) / 255
    energies = [_energy(level)]
    for _ in range(CHROMA):
        height, width = (max(1, side // 2) for side in level.shape[:2])
        level = cv2.resize(level[: height * 2, : width * 2], (width, height), interpolation=cv2.INTER_AREA)
        energies.append(_energy(level))
    return np.maximum(0.0, -np.diff(energies))


def _blocks(luma: Floats) -> float:
    """The mean step between pixels on the lines of a grid, over the largest between them, across or down."""
    across, down = cv2.absdiff(luma[:, 1:], luma[:, :-1]), cv2.absdiff(luma[1:], luma[:-1])
    profiles = [cv2.reduce(steps, axis, cv2.REDUCE_AVG).ravel() for axis, steps in enumerate((across, down))]
    return max((_on_grid(each, size) for each in profiles for size in GRIDS if len(each) >= 2 * size), default=1.0)


def _on_grid(profile: Floats, size: int) -> float:
    """The largest step of each is left out: the side of a door is one line, and a grid has many."""
    lines = profile[: len(profile) // size * size].reshape(-1, size)
    steps = np.sort((lines.sum(axis=0) - lines.max(axis=0)) / (len(lines) - 1))
    return float(steps[-1] / (steps[-2] + LEAST_STEP))
