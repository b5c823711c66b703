"""Land seen by a camera above it: every column of the picture looks along its own ray over a field of heights.

x is to the right, z away from the camera, heights up, all in one unit; the horizon is level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from painting.brushes import SCALE, SHAPE, WIDTH, Grid

Heights = Callable[[Grid, Grid], Grid]


@dataclass(frozen=True)
class Camera:
    """height over 0; horizon: the row of the picture; focal length in picture pixels; near and far in units."""

    height: float
    horizon: float
    focal: float
    near: float
    far: float
    steps: int = 1100


@dataclass(frozen=True)
class View:
    """For every canvas pixel: whether land is seen, and where (x, z)."""

    is_land: Grid
    x: Grid
    z: Grid


def look(camera: Camera, heights: Heights) -> View:
    """The nearest land behind every pixel."""
    z = np.geomspace(camera.near, camera.far, camera.steps).astype(np.float32)[:, None]
    across = ((np.arange(SHAPE[1], dtype=np.float32) + 0.5) / SCALE - WIDTH / 2)[None, :] / camera.focal
    land = heights((z * across).astype(np.float32), np.broadcast_to(z, (camera.steps, SHAPE[1])).astype(np.float32))
    row = camera.horizon - (land - camera.height) / z * camera.focal
    reached = np.minimum.accumulate(row, axis=0)
    wanted = (np.arange(SHAPE[0], dtype=np.float32) + 0.5) / SCALE
    depth = np.full(SHAPE, camera.far, np.float32)
    is_land = np.zeros(SHAPE, np.float32)
    for column in range(SHAPE[1]):
        falling = -reached[:, column]
        index = np.searchsorted(falling, -wanted)
        found = index < camera.steps
        here = np.minimum(index, camera.steps - 1)
        before = np.maximum(here - 1, 0)
        gap = falling[here] - falling[before]
        part = np.where(gap > 1e-6, (-wanted - falling[before]) / np.maximum(gap, 1e-6), 1)
        depth[:, column] = z[before, 0] + (z[here, 0] - z[before, 0]) * np.clip(part, 0, 1)
        is_land[:, column] = found
    return View(is_land, depth * across, depth)


def sunlight(view: View, heights: Heights, sun: tuple[float, float, float], reach: float = 2.5) -> tuple[Grid, Grid]:
    """How much a place faces the sun (-1…1) and whether the sun sees it (0 in shadow … 1)."""
    step = np.maximum(view.z * 0.0022, 0.0015).astype(np.float32)
    here = heights(view.x, view.z)
    right = (heights(view.x + step, view.z) - here) / step
    away = (heights(view.x, view.z + step) - here) / step
    length = np.sqrt(right**2 + away**2 + 1)
    east, up, north = sun
    facing = (-right * east - away * north + up) / length
    seen = np.ones(SHAPE, np.float32)
    for distance in np.geomspace(0.04, reach, 14):
        over = heights(view.x + np.float32(east * distance), view.z + np.float32(north * distance))
        clear = here + up * distance - over
        seen = np.minimum(seen, np.clip(0.5 + clear / (0.10 * distance + 0.02), 0, 1))
    return facing.astype(np.float32), seen
