"""Mixing pictures as light, as an optical printer does: 8-bit sRGB is made linear, mixed, and made sRGB again.

Levels are not light. Mixed as levels, a dissolve between two scenes is darker in its middle than either of them where
one is bright and the other dark; mixed as light, highlights shine through. Two equal pictures give that very picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from wan_render.render_values import Pixels

FINEST = 65535
"""Linear levels: 20 of them in the darkest step of sRGB."""


def mixed_light(pictures: Sequence[tuple[Pixels, float]]) -> Pixels:
    """The weighted mean of pictures of one shape, each with its weight; the weights need not add up to 1."""
    import cv2

    total = sum(weight for _, weight in pictures)
    light = np.zeros(pictures[0][0].shape, np.float32)
    for picture, weight in pictures:
        cv2.scaleAdd(cv2.LUT(picture, _levels_of_light()), weight / total, light, dst=light)
    return _levels_of_srgb()[np.rint(light).astype(np.uint16)]


@cache
def _levels_of_light() -> NDArray[np.float32]:
    """Linear level, 0 to FINEST, of every sRGB level (IEC 61966-2-1)."""
    level = np.arange(256) / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    levels: NDArray[np.float32] = np.rint(FINEST * light).astype(np.float32)
    return levels


@cache
def _levels_of_srgb() -> NDArray[np.uint8]:
    """The nearest sRGB level of every linear level."""
    light = np.arange(FINEST + 1) / FINEST
    level = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    levels: NDArray[np.uint8] = np.rint(255 * level).astype(np.uint8)
    return levels
