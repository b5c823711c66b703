"""Brushes: noise, shapes, light and the finish that all five pictures share.

A canvas is (height, width, 3) float32, display RGB 0…1, painted `SCALE` times larger than the picture and made smaller
at the end, for clean edges. Coordinates of shapes are the picture's own, 1280x720.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 1280, 720
SCALE = 1.5
SHAPE = (round(HEIGHT * SCALE), round(WIDTH * SCALE))

Grid = NDArray[Any]
Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]]

GOLD: Colour = (1.0, 0.80, 0.50)


def hexed(text: str) -> Colour:
    """`#rrggbb` as a colour."""
    red, green, blue = (int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def places() -> tuple[Grid, Grid]:
    """Every canvas pixel's (x, y) in the picture's coordinates."""
    rows, columns = np.indices(SHAPE, dtype=np.float32)
    return columns / SCALE, rows / SCALE


def smooth(low: float, high: float, value: Grid) -> Grid:
    """0 below `low`, 1 above `high`, soft between; the other way round where low > high."""
    part = np.clip((value - low) / (high - low), 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)


def tile(seed: int) -> Grid:
    """A noise tile of 64x64 cells that repeats without a seam, mean 0, deviation 1."""
    white = np.random.default_rng(seed).normal(0, 1, (512, 512)).astype(np.float32)
    soft = cv2.GaussianBlur(np.tile(white, (3, 3)), (0, 0), 4)[512:1024, 512:1024]
    return (soft / soft.std()).astype(np.float32)


_TILES = [tile(seed) for seed in range(6)]


def noise(x: Grid, y: Grid, octaves: int = 5, seed: int = 0, gain: float = 0.5, *, ridged: bool = False) -> Grid:
    """Fractal noise at (x, y), one cell a unit: about -1…1; ridged: 0…1 with sharp crests."""
    total, weight, size = np.zeros(np.broadcast(x, y).shape, np.float32), 1.0, 0.0
    for octave in range(octaves):
        turn = 0.6 * octave + seed
        cos, sin, step = np.cos(turn), np.sin(turn), 8.0 * 2.0**octave
        layer = _sampled((seed + octave) % 6, (x * cos - y * sin) * step + 37 * seed, (x * sin + y * cos) * step + 91)
        total += weight * (np.maximum(1 - np.abs(layer), -0.5) if ridged else layer)
        size += weight
        weight *= gain
    return (total / size).astype(np.float32)


def _sampled(number: int, x: Grid, y: Grid) -> Grid:
    """The tile at any place; OpenCV takes at most 32767 rows at a time, and repeats by itself only near the tile."""
    return cv2.remap(
        _PADDED[number],
        np.mod(x, 512).astype(np.float32),
        np.mod(y, 512).astype(np.float32),
        cv2.INTER_LINEAR,
    )


_PADDED = [np.pad(each, ((0, 1), (0, 1)), mode="wrap") for each in _TILES]


def mix(canvas: Grid, colour: Grid | Colour, share: Grid | float) -> Grid:
    """The canvas with a colour laid over it, by a share of each pixel."""
    part = share[..., None] if isinstance(share, np.ndarray) and share.ndim == 2 else share
    return (canvas + (np.asarray(colour, np.float32) - canvas) * part).astype(np.float32)


def lit(canvas: Grid, colour: Colour, light: Grid) -> Grid:
    """Light added as on film: screen, never beyond white."""
    return (1 - (1 - canvas) * (1 - np.asarray(colour, np.float32) * np.clip(light, 0, 1)[..., None])).astype(
        np.float32
    )


def blur(picture: Grid, radius: float) -> Grid:
    """Gaussian blur, the radius in picture pixels; large ones on a smaller copy."""
    sigma, factor = radius * SCALE, 1
    while sigma > 12:
        sigma, factor = sigma / 2, factor * 2
    if factor == 1:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma), (width, height), interpolation=cv2.INTER_CUBIC)


def curve(points: Points, *, closed: bool = False, fine: int = 16) -> NDArray[np.float64]:
    """A smooth line through the points (uniform Catmull-Rom), (n, 2)."""
    knots = np.asarray(points, float)
    ring = np.vstack([knots[-1:], knots, knots[:2]] if closed else [knots[:1], knots, knots[-1:]])
    time = np.linspace(0, 1, fine, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(ring, ring[1:], ring[2:], ring[3:], strict=False):
        pieces.append(
            0.5 * (2 * b + (c - a) * time + (2 * a - 5 * b + 4 * c - d) * time**2 + (3 * b - a - 3 * c + d) * time**3)
        )
    if not closed:
        pieces.append(knots[-1:])
    return np.vstack(pieces)


def filled(outline: NDArray[np.float64], into: Grid | None = None) -> Grid:
    """A filled outline as a mask, 0…1; `into` an existing one."""
    mask = np.zeros(SHAPE, np.float32) if into is None else into
    cv2.fillPoly(mask, [np.round(outline * SCALE * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    return mask


def stroked(line: NDArray[np.float64], start: float, end: float, into: Grid | None = None, belly: float = 0) -> Grid:
    """A line whose width goes from start to end (plus `belly` in its middle), as a filled mask."""
    way = np.gradient(line, axis=0)
    normal = np.stack([-way[:, 1], way[:, 0]], 1) / (np.linalg.norm(way, axis=1, keepdims=True) + 1e-9)
    along = np.linspace(0, 1, len(line))[:, None]
    half = (start + (end - start) * along + belly * np.sin(np.pi * along)) / 2
    return filled(np.vstack([line + normal * half, (line - normal * half)[::-1]]), into)


def rounded(mask: Grid, radius: float) -> tuple[Grid, Grid, Grid]:
    """A normal (x right, y down, z to the viewer) for a flat shape, as if it were a cushion of that radius."""
    depth = np.minimum(cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 5) / (radius * SCALE), 1)
    bulge = blur(np.sqrt(np.clip(1 - (1 - depth) ** 2, 0, 1)).astype(np.float32), radius * 0.18) * radius * SCALE
    down, right = np.gradient(bulge)
    length = np.sqrt(right**2 + down**2 + 1)
    return -right / length, -down / length, 1 / length


def finished(canvas: Grid, seed: int) -> NDArray[np.uint8]:
    """The common finish: glow of the lights, warm lights and cool shadows, a film's curve, vignette, paper, grain."""
    glow = blur(np.clip(canvas - 0.68, 0, 1), 14) * 0.55
    canvas = 1 - (1 - np.clip(canvas, 0, 1)) * (1 - np.clip(glow, 0, 1))
    small = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    light = small.mean(axis=2, keepdims=True)
    small = small + (light - 0.5) * np.array([0.035, 0.010, -0.035], np.float32)
    small = small + 0.10 * (small - 0.5) * (1 - np.abs(2 * small - 1))
    rows, columns = np.indices((HEIGHT, WIDTH), dtype=np.float32)
    far = ((columns / WIDTH - 0.5) ** 2 + (rows / HEIGHT - 0.5) ** 2) / 0.5
    small = small * (1 - 0.30 * far**1.5)[..., None]
    dice = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(dice.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 0.8)
    paper = noise(columns / 5, rows / 5, 3, 2)
    small = small + (0.010 * grain + 0.004 * paper)[..., None]
    return np.round(np.clip(small, 0, 1) * 255).astype(np.uint8)


def cutout(outline: NDArray[np.float64], margin: float = 2) -> tuple[tuple[slice, slice], Grid, Grid, Grid]:
    """Only the part of the canvas around an outline: its slices, (x, y) there, and the filled outline as a mask."""
    low = np.floor((outline.min(axis=0) - margin) * SCALE).astype(int)
    high = np.ceil((outline.max(axis=0) + margin) * SCALE).astype(int)
    left, top = np.clip(low, 0, (SHAPE[1] - 1, SHAPE[0] - 1))
    right, bottom = np.clip(high, (left + 1, top + 1), (SHAPE[1], SHAPE[0]))
    mask = np.zeros((bottom - top, right - left), np.float32)
    moved = (outline * SCALE - (left, top)) * 16
    cv2.fillPoly(mask, [np.round(moved).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    rows, columns = np.indices(mask.shape, dtype=np.float32)
    return (slice(top, bottom), slice(left, right)), (columns + left) / SCALE, (rows + top) / SCALE, mask


def pine(foot: float, ground: float, height: float, seed: int, wide: float = 0.30) -> NDArray[np.float64]:
    """The outline of a fir: boughs that hang, longer to the ground, no two alike."""
    dice = np.random.default_rng(seed)
    left, right = (_boughs(foot, ground, height, wide * side, dice) for side in (-1, 1))
    trunk = height * 0.012
    stem = [
        (foot + trunk, ground - height * 0.05),
        (foot + trunk, ground),
        (foot - trunk, ground),
        (foot - trunk, ground - height * 0.05),
    ]
    return np.array([(foot, ground - height * 1.03), *right, *stem, *left[::-1]])


def _boughs(
    foot: float, ground: float, height: float, wide: float, dice: np.random.Generator
) -> list[tuple[float, float]]:
    """One side of a fir from its top down; `wide` is negative for the left. Each bough has a ragged lower edge."""
    count = int(np.clip(height / 9, 9, 26))
    twigs = 1 if height < 150 else 4
    points = []
    for bough in range(count):
        part = (bough + 0.6) / count
        reach = height * wide * 0.5 * part**0.8 * dice.uniform(0.62, 1.08)
        top, drop = ground - height * (1 - part * 0.94), height / count * dice.uniform(0.55, 1.05)
        points.append((foot + reach * 0.2, top - drop * 0.2))
        points.append((foot + reach * 0.65, top + drop * 0.40))
        points.append((foot + reach, top + drop))
        for twig in range(1, twigs):
            inward = 1 - 0.75 * twig / twigs
            points.append((foot + reach * (inward + 0.09), top + drop * (0.62 + 0.25 * (1 - inward))))
            points.append((foot + reach * inward, top + drop * dice.uniform(0.95, 1.35)))
    return points
