"""A river from the sky: a green valley in the first light, the water winding towards the sun."""

from __future__ import annotations

import numpy as np

from painting.brushes import GOLD, Grid, hexed, lit, mix, noise, places, smooth
from painting.terrain import Camera, look, sunlight

_CAMERA = Camera(height=2.1, horizon=150, focal=760, near=1.9, far=60)
_SUN = (0.55, 0.38, 0.74)


def painted() -> Grid:
    """The canvas."""
    view = look(_CAMERA, _canopy)
    facing, seen = sunlight(view, _canopy, _SUN, reach=3.0)
    canvas = _sky()
    land = _land(view.x, view.z, facing, seen)
    canvas = mix(canvas, _hazed(land, view.z), view.is_land)
    return _air(canvas)


def _middle(z: Grid) -> Grid:
    """Where the river runs, x of z: bends that widen and wander."""
    return (
        0.80 * np.sin(z * 1.25 + 0.3) + 0.55 * np.sin(z * 0.52 + 1.9) + 0.25 * np.sin(z * 2.3) + 0.10 * z - 0.3
    ).astype(np.float32)


def _from_river(x: Grid, z: Grid) -> Grid:
    """The distance to the middle of the river."""
    slope = (_middle(z + 0.02) - _middle(z - 0.02)) / 0.04
    return np.abs(x - _middle(z)) / np.sqrt(1 + slope**2)


def _heights(x: Grid, z: Grid) -> Grid:
    """Mountains on both sides, soft meadows between, the banks falling to the water at 0."""
    away = _from_river(x, z)
    valley = smooth(0.35, 3.6, np.abs(x - 0.1 * z + 0.2) + 0.25 * away)
    broad = np.clip(noise(x * 0.33 + 3, z * 0.33, 2, 3, 0.47, ridged=True), 0, 1)
    sharp = noise(x * 1.3 + 3, z * 1.3, 6, 5, 0.50, ridged=True)
    hills = noise(x * 0.9, z * 0.9, 5, 1, 0.42)
    banks = smooth(0.14, 0.6, away)
    mountain = valley * broad**1.5 * (1.35 + 0.75 * sharp * smooth(0.10, 0.6, valley * broad))
    mountain = mountain * (0.10 + 0.90 * smooth(2.2, 5.2, z))
    return (valley * 0.15 + mountain + banks * (0.05 + 0.05 * hills)).astype(np.float32)


def _forest(x: Grid, z: Grid, height: Grid, away: Grid) -> Grid:
    """Where trees stand, 0…1: on slopes below the rock, in groves on the meadow, never in the water."""
    groves = noise(x * 2.1, z * 2.1, 6, 0, 0.55)
    slopes = smooth(0.10, 0.35, height) * smooth(1.0, 0.62, height)
    return smooth(0.02, 0.16, groves + 0.55 * slopes - 0.12) * smooth(0.16, 0.26, away)


def _crowns(x: Grid, z: Grid) -> Grid:
    """Round tree tops with creases between them, 0…1."""
    return np.clip(np.abs(noise(x * 36, z * 36, 2, 4, 0.35)) * 1.1, 0, 1) ** 0.6


def _canopy(x: Grid, z: Grid) -> Grid:
    """The land with its trees: what the light falls on."""
    height = _heights(x, z)
    return height + 0.026 * _forest(x, z, height, _from_river(x, z)) * (0.5 + _crowns(x, z))


def _land(x: Grid, z: Grid, facing: Grid, seen: Grid) -> Grid:
    height, away = _heights(x, z), _from_river(x, z)
    broad, fine = noise(x * 1.3, z * 1.3, 4, 4), noise(x * 6, z * 6, 5, 2)
    forest, crowns = _forest(x, z, height, away), _crowns(x, z)
    colour = mix(np.zeros((*x.shape, 3), np.float32), hexed("#7d8f4c"), 1.0)
    colour = mix(colour, hexed("#b9ab5e"), smooth(-0.2, 0.5, broad + 0.25 * fine))
    trees = mix(np.zeros_like(colour), hexed("#1d4033"), 1.0)
    trees = mix(
        trees, hexed("#5f7d42"), smooth(0.2, 1.0, crowns) * (0.55 + 0.3 * smooth(-0.5, 0.5, broad))[..., None][..., 0]
    )
    colour = mix(colour, trees, forest)
    colour = mix(colour, hexed("#7b7468"), smooth(0.60, 0.95, height + 0.16 * fine))
    colour = mix(colour, hexed("#f6f1e8"), smooth(1.15, 1.45, height + 0.22 * fine))
    colour = colour * (1 + 0.09 * fine)[..., None]
    sun = np.clip(facing, 0, 1) * seen
    cool, warm = np.array([0.28, 0.40, 0.47], np.float32), np.array([1.30, 1.04, 0.66], np.float32)
    shaded = colour * (cool + warm * sun[..., None])
    sand = smooth(0.20, 0.15, away + 0.03 * fine)
    shaded = mix(shaded, np.asarray(hexed("#dcc797"), np.float32) * (0.55 + 0.5 * seen[..., None]), sand * 0.8)
    return mix(shaded, _water(x, z), smooth(0.152, 0.140, away + 0.016 * fine))


def _water(x: Grid, z: Grid) -> Grid:
    """Deep teal below us, the gold of the sky far away, shallows at the banks, a thread of glitter."""
    ripples = noise(x * 7, z * 2.6, 5, 3)
    away = _from_river(x, z)
    colour = mix(np.full((*x.shape, 3), 0, np.float32), hexed("#1c6a70"), 1.0)
    colour = mix(colour, hexed("#6fb0a4"), smooth(0.07, 0.15, away) * 0.65)
    colour = mix(colour, hexed("#f9dfa8"), smooth(2.0, 8.5, z + 0.8 * ripples) * 0.92)
    glitter = smooth(0.25, 0.9, ripples) * smooth(1.6, 5, z)
    return lit(colour * (1 + 0.07 * ripples)[..., None], hexed("#fff0cc"), glitter * 0.45)


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
