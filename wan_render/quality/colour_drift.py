"""Colours that wander off."""

from __future__ import annotations

import numpy as np

from wan_render.quality.ends import lab
from wan_render.quality.small_frames import Floats, shrunk
from wan_render.render_values import Pixels


def colour_shift(small: Pixels, keyframes: list[Pixels]) -> tuple[float, int]:
    """How far the mean a and b of Lab go away from those of the keyframes, or of the clip; the largest, and where.

    small: (frames, height, width, 3) uint8 RGB; keyframes: those that there are, in full size.
    """
    colours = np.array([_mean(frame) for frame in small])
    if keyframes:
        references = np.array([_mean(shrunk(keyframe)) for keyframe in keyframes])
    else:
        references = np.median(colours, axis=0, keepdims=True)
    away = np.array([_distance(colour, references) for colour in colours])
    return float(away.max()), int(away.argmax())


def _mean(small: Pixels) -> Floats:
    return np.asarray(lab(small)[..., 1:].mean(axis=(0, 1)))


def _distance(colour: Floats, references: Floats) -> float:
    """The distance from the line between the references."""
    start, end = references[0], references[-1]
    way = end - start
    along = float(np.clip((colour - start) @ way / max(float(way @ way), 1e-6), 0, 1))
    return float(np.linalg.norm(colour - start - along * way))
