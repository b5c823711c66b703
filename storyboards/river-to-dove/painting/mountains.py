"""A far range of snow mountains, for the skies of the lake and of the dove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from painting.brushes import Colour, Grid, hexed, mix, noise, smooth
from painting.terrain import Camera, look, sunlight


@dataclass(frozen=True)
class Range:
    """Where the range stands and what air lies before it.

    begins: the distance from which it rises; tall: its summits; shift: another range for another number.
    """

    camera: Camera
    begins: float
    tall: float
    shift: float
    sun: tuple[float, float, float]
    air: Colour
    far_air: Colour


def standing(canvas: Grid, alps: Range) -> Grid:
    """The canvas with the range before its sky."""

    def heights(x: Grid, z: Grid) -> Grid:
        return _heights(x, z, alps)

    view = look(alps.camera, heights)
    facing, seen = sunlight(view, heights, alps.sun, reach=1.6)
    height = heights(view.x, view.z) / alps.tall
    rough = noise(view.x * 6, view.z * 6, 4, 2)
    colour = mix(np.zeros((*height.shape, 3), np.float32), hexed("#46685a"), 1.0)
    colour = mix(colour, hexed("#6f7270"), smooth(0.16, 0.34, height + 0.06 * rough))
    colour = mix(colour, hexed("#ffffff"), smooth(0.30, 0.46, height + 0.10 * rough + 0.12 * facing))
    light = np.clip(facing, 0, 1) * seen
    cool, warm = np.array([0.36, 0.48, 0.60], np.float32), np.array([0.85, 0.68, 0.42], np.float32)
    colour = colour * (cool + warm * light[..., None]) * (1 + 0.06 * rough)[..., None]
    colour = mix(colour, alps.air, (1 - np.exp(-view.z / 34)) * 0.9)
    colour = mix(colour, alps.far_air, smooth(0.35, 0.0, height) * 0.55)
    return mix(canvas, colour, view.is_land)


def _heights(x: Grid, z: Grid, alps: Range) -> Grid:
    broad = np.clip(noise(x * 0.16 + alps.shift, z * 0.16, 3, 3, 0.5, ridged=True), 0, 1)
    sharp = np.clip(noise(x * 0.42, z * 0.42 + alps.shift, 6, 1, 0.46, ridged=True), 0, 1)
    rise = smooth(alps.begins, alps.begins * 1.5, z)
    return (alps.tall * rise * (0.55 * broad**1.4 + 0.65 * broad * sharp)).astype(np.float32)
