"""A river from the sky: a green valley in the first light, the water winding towards the sun."""

from __future__ import annotations

import numpy as np

from painting.brushes import GOLD, Grid, hexed, lit, mix, noise, places, smooth
from painting.terrain import Camera, look, sunlight

_CAMERA = Camera(height=2.1, horizon=150, focal=760, near=1.9, far=60)
_SUN = (0.55, 0.38, 0.74)


def painted() -> Grid:
    """The canvas."""
    view = look(_CAMERA, _heights)
    facing, seen = sunlight(view, _heights, _SUN, reach=3.0)
    canvas = _sky()
    land = _land(view.x, view.z, facing, seen)
    canvas = mix(canvas, _hazed(land, view.z), view.is_land)
    return _air(canvas)


def _middle(z: Grid) -> Grid:
    """Where the river runs, x of z: bends that widen and wander."""
    return (
        0.62 * np.sin(z * 1.25 + 0.3) + 0.55 * np.sin(z * 0.52 + 1.9) + 0.25 * np.sin(z * 2.3) + 0.10 * z - 0.3
    ).astype(np.float32)


def _from_river(x: Grid, z: Grid) -> Grid:
    """The distance to the middle of the river."""
    slope = (_middle(z + 0.02) - _middle(z - 0.02)) / 0.04
    return np.abs(x - _middle(z)) / np.sqrt(1 + slope**2)


def _heights(x: Grid, z: Grid) -> Grid:
    away = _from_river(x, z)
    valley = smooth(0.35, 3.6, np.abs(x - 0.1 * z + 0.2) + 0.25 * away)
    crests = noise(x * 0.33 + 3, z * 0.33, 7, 3, 0.47, ridged=True)
    hills = noise(x * 0.9, z * 0.9, 5, 1)
    banks = smooth(0.14, 0.6, away)
    return valley * (0.15 + 1.75 * np.clip(crests, 0, 1) ** 1.6) + banks * (0.05 + 0.05 * hills)


def _land(x: Grid, z: Grid, facing: Grid, seen: Grid) -> Grid:
    height = _heights(x, z)
    away = _from_river(x, z)
    broad, fine, leaves = noise(x * 1.3, z * 1.3, 4, 4), noise(x * 5, z * 5, 4, 2), noise(x * 22, z * 22, 3, 5)
    colour = mix(np.zeros((*x.shape, 3), np.float32), hexed("#6f8a4a"), 1.0)
    colour = mix(colour, hexed("#a9a658"), smooth(-0.2, 0.5, broad))
    forest = smooth(-0.05, 0.25, noise(x * 2.1, z * 2.1, 5, 0) + 0.5 * smooth(0.1, 0.5, height) - 0.1)
    forest = forest * smooth(0.16, 0.32, away)
    colour = mix(colour, mix(np.full_like(colour, 0), hexed("#1f4a3d"), 1.0) * (1 + 0.5 * leaves[..., None]), forest)
    colour = mix(colour, hexed("#7d7468"), smooth(0.75, 1.15, height + 0.12 * fine))
    colour = mix(colour, hexed("#f3efe6"), smooth(1.15, 1.45, height + 0.2 * fine))
    colour = colour * (1 + 0.10 * fine + 0.06 * leaves)[..., None]
    sun = np.clip(facing, 0, 1) * seen
    shaded = colour * (
        np.array([0.30, 0.42, 0.52], np.float32) + np.array([1.25, 1.02, 0.70], np.float32) * sun[..., None]
    )
    sand = smooth(0.20, 0.15, away + 0.02 * fine)
    shaded = mix(shaded, np.asarray(hexed("#d9c596"), np.float32) * (0.55 + 0.5 * seen[..., None]), sand * 0.85)
    return mix(shaded, _water(x, z), smooth(0.150, 0.135, away + 0.012 * fine))


def _water(x: Grid, z: Grid) -> Grid:
    """Deep teal near the camera, the sky's gold far away, with the light in streaks along it."""
    ripples = noise(x * 9, z * 4, 4, 3)
    colour = mix(np.full((*x.shape, 3), 0, np.float32), hexed("#2f7f8c"), 1.0)
    colour = mix(colour, hexed("#f6dba6"), smooth(2.5, 11, z + 1.2 * ripples))
    return colour * (1 + 0.10 * ripples[..., None])


def _hazed(land: Grid, z: Grid) -> Grid:
    """Air: blue in the middle distance, the sun's colour far away."""
    land = mix(land, hexed("#9db9bd"), (1 - np.exp(-z / 16)) * 0.85)
    return mix(land, hexed("#f3d9ad"), smooth(7, 34, z) * 0.85)


def _sky() -> Grid:
    x, y = places()
    canvas = mix(np.zeros((*x.shape, 3), np.float32), hexed("#f7dcab"), 1.0)
    canvas = mix(canvas, hexed("#8fb6bf"), smooth(150, -60, y))
    clouds = smooth(0.0, 0.7, noise(x / 260, y / 38, 6, 2) + 0.2)
    return mix(canvas, hexed("#fff0d4"), clouds * 0.7)


def _air(canvas: Grid) -> Grid:
    """The sun's glow, and drifts of mist over the valley."""
    x, y = places()
    far = np.sqrt(((x - 900) / 1.6) ** 2 + (y - 118) ** 2)
    canvas = lit(canvas, GOLD, 0.85 * np.exp(-far / 110))
    canvas = lit(canvas, (1, 0.95, 0.85), smooth(26, 16, np.sqrt((x - 900) ** 2 + (y - 118) ** 2)))
    drifts = smooth(0.05, 0.8, noise(x / 330, y / 60, 5, 5)) * np.exp(-(((y - 235) / 70) ** 2))
    return mix(canvas, hexed("#f7e6c8"), drifts * 0.6)
