"""Frames as small copies. Nearly everything is measured on them: there the loss of a VAE and film grain average out.

Only fine detail is measured on frames in full size, while they pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from wan_render.quality.even_blocks import StepProfiles, step_profiles
from wan_render.quality.samples import Floats, mean_square, samples_of
from wan_render.render_values import Pixels

LONGEST_SIDE = 160
"""Of a small copy, in pixels."""

HALF = 0.5
"""Smaller copies are made of a half."""

BANDS = 6
"""Octaves of detail: band k is what shrinking by 2 removes from a picture that was shrunk by 2^k."""


FINE = 4
"""How many octaves may be the grain of noise: up to 16 pixels. Pictures often have much in the next coarser ones."""

CHROMA = 2
"""How many octaves of colour may be the grain of noise: up to 8 pixels."""

SMOOTH = 0.15

EDGE_SIDE = 160
"""Pixels of the longest side, at least, of the smallest picture in which edges are fine: so a blur of some share of the
width counts as much in any size, and noise is averaged out of large pictures."""

EDGE_SCALES = ((0, 5), (2, 3), (3, 3))
"""Of fine, of middle and of coarse edges: how many octaves coarser than fine they are, and the pixels, in each
direction, in which an edge has one direction."""

SHARPEST = (0.98, 0.995)
"""Shares of the picture that have softer edges."""

CELL = 4
"""Samples of an octave, in each direction, in a part of the picture."""


@dataclass(frozen=True)
class Detail:
    """Fine detail of one picture in full size.

    energy: (BANDS,) energy of the luma in each octave, from the finest on; samples 0 to 1, squared.
    quarters: (4, FINE + 1) the same of the finest octaves in each quarter of the picture.
    floor:  (FINE,) the same of the finest octaves in the smoothest parts of the picture: SMOOTH of all.
    edges:  (EDGE_SCALES, SHARPEST) how steep its sharpest edges are, samples 0 to 1, per pixel at EDGE_SIDE, and at a
        quarter and an eighth of that size, where a blur changes little: those percentiles of what the gradient has in
        one direction beyond the other. Noise has as much in both.
    tints:  (CHROMA,) energy of both colour differences in each octave, from half the size on; samples 0 to 1, squared.
    profiles: how steep it is between its columns and rows, of which even_blocks.blocks_of tells blocks.
    """

    energy: Floats
    quarters: Floats
    floor: Floats
    edges: Floats
    tints: Floats
    profiles: StepProfiles


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
    """The small copy of a picture, (height, width, 3) uint8 RGB, by area averaging. Small pictures stay as they are.

    Large ones are halved first, which OpenCV does much faster than anything else.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    is_even = not (height % 2 or width % 2)
    whole = _halved(np.ascontiguousarray(picture))[1] if is_even and scale < HALF else np.ascontiguousarray(picture)
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), np.uint8)


def frame_difference(one: Pixels, other: Pixels) -> float:
    """The mean absolute difference of two small copies, 0 to 1."""
    return float(cv2.norm(one, other, cv2.NORM_L1)) / one.size / 255


def grey_of(picture: Pixels) -> Pixels:
    """(height, width) uint8 (BT.601 weights)."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)


def luma_of(picture: Pixels) -> Floats:
    """(height, width) float32, 0 to 1 (BT.601 weights)."""
    return samples_of(grey_of(picture))


def softened(picture: Pixels, sigma: float) -> Floats:
    """A small picture as float32, 0 to 1, with a Gaussian blur; sigma in pixels."""
    return cv2.GaussianBlur(samples_of(picture), (0, 0), sigma)


def strongest_change(one: Floats, other: Floats) -> float:
    """Of the places that change most between two small pictures, in their unit. Noise, whose sign differs, is averaged
    out."""
    change = np.abs(cv2.GaussianBlur(cv2.subtract(one, other, dtype=cv2.CV_32F), (0, 0), 1.5)).ravel()
    at = int(0.995 * (change.size - 1))
    return float(np.partition(change, at)[at])


def contrast_of(picture: Floats) -> float:
    """The standard deviation of the channel that has most, of a float picture (height, width, 3)."""
    return float(cv2.meanStdDev(picture)[1].max())


def lab_of(small: Pixels) -> Floats:
    """CIE Lab, (height, width, 3) float32: L 0 to 100, a and b about -100 to 100."""
    return cv2.cvtColor(samples_of(small), cv2.COLOR_RGB2LAB)


def detail_of(picture: Pixels) -> Detail:
    """The fine detail of a picture in full size, (height, width, 3) uint8 RGB."""
    grey = grey_of(picture)
    level = samples_of(grey)
    energies, floors, quarters = list[float](), list[float](), list[Floats]()
    levels: list[Floats] = []
    for _ in range(BANDS):
        whole, level = _halved(level)
        energies.append(max(0.0, mean_square(whole) - mean_square(level)))
        if len(levels) <= FINE:
            cells = _cells(whole, level)
            floors.append(_floor(cells))
            quarters.append(_quarters(cells))
        levels.append(level)
    coarser = EDGE_SCALES[-1][0]
    fine = max([at for at in range(BANDS - coarser) if max(levels[at].shape) >= EDGE_SIDE], default=0)
    return Detail(
        np.array(energies),
        np.array(quarters).T,
        np.array(floors[:FINE]),
        np.array([_directed_edges(levels[fine + octaves], window) for octaves, window in EDGE_SCALES]),
        _tints(picture),
        step_profiles(grey),
    )


def _halved(level: Floats) -> tuple[Floats, Floats]:
    """A picture without an odd last row and column, and its half."""
    height, width = (max(1, side // 2) for side in level.shape[:2])
    whole = level[: height * 2, : width * 2]
    return whole, cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def _cells(whole: Floats, halved: Floats) -> Floats:
    """The energy that halving took, in small parts of the picture: (rows, columns)."""
    height, width = whole.shape
    lost: Floats = cv2.resize(halved, (width, height), interpolation=cv2.INTER_NEAREST)
    cv2.subtract(whole, lost, dst=lost)
    cv2.multiply(lost, lost, dst=lost)
    return cv2.resize(lost, (max(1, width // CELL), max(1, height // CELL)), interpolation=cv2.INTER_AREA)


def _floor(cells: Floats) -> float:
    energy = cells.ravel()
    at = int(SMOOTH * (energy.size - 1))
    return float(np.partition(energy, at)[at])


def _quarters(cells: Floats) -> Floats:
    row, column = ((side + 1) // 2 for side in cells.shape)
    parts = (cells[:row, :column], cells[:row, -column:], cells[-row:, :column], cells[-row:, -column:])
    return np.array([cv2.mean(part)[0] for part in parts])


def _directed_edges(luma: Floats, window: int) -> Floats:
    """The root of the difference of both eigenvalues of the structure tensor (Bigun and Granlund 1987), which each of
    SHARPEST of the places stay below. window: pixels in which an edge has one direction."""
    across, down = (cv2.Sobel(luma, cv2.CV_32F, x, 1 - x, scale=0.125) for x in (1, 0))
    products = cv2.merge([across * across - down * down, 2 * across * down])
    one, other = cv2.split(cv2.boxFilter(products, -1, (window, window)))
    directed = cv2.magnitude(one, other).ravel()
    at = [int(share * (directed.size - 1)) for share in SHARPEST]
    return np.sqrt(np.partition(directed, at)[at])


def _tints(picture: Pixels) -> Floats:
    _, half = _halved(np.ascontiguousarray(picture))
    planes = cv2.split(cv2.cvtColor(half, cv2.COLOR_RGB2YCrCb))[1:]
    return np.asarray(np.mean([_plane_energies(plane) for plane in planes], axis=0))


def _plane_energies(plane: Floats) -> list[float]:
    level = samples_of(np.asarray(plane, np.uint8))
    energies = list[float]()
    for _ in range(CHROMA):
        whole, level = _halved(level)
        energies.append(max(0.0, mean_square(whole) - mean_square(level)))
    return energies
