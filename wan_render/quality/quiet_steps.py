"""Steps without noise: the measures of tracking.Steps again, of pictures in which a strong blur leaves no noise.

Noise that stands still hides that a picture leaps, and noise that boils that it was calm before.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from wan_render.quality.samples import Floats, samples_of
from wan_render.quality.tracking import LEAST_CONTRAST, NOISE_SHARE, Steps, pictures_apart, unlikeness
from wan_render.render_values import Pixels

HALF = 2
"""The small copies are halved: what is left after the blur needs no more."""

BLUR = 1.6
"""In pixels of the halved copy."""

WINDOW = 6.0
"""Pixels of the neighbourhood whose mean and contrast are taken out."""

LEAST_SIDE = 16
"""Pixels of the halved copy that optical flow needs."""


def quieted(steps: Steps, small: Pixels) -> Steps:
    """The steps with the broken and apart of pictures without noise, which are apart at most as far as with it.

    small: (frames, height, width, 3) uint8 RGB. Pictures that are too small for that keep theirs.
    """
    if min(small.shape[1:3]) < LEAST_SIDE * HALF:
        return steps
    pictures = [quiet_picture(frame) for frame in small]
    usual = float(np.median([_level(each).std() for each in pictures]))
    structures = [quiet_structure(each, usual) for each in pictures]
    broken, apart = np.array(steps.broken), np.array(steps.apart)
    for at in range(len(broken)):
        befores = _moved(structures[at], structures[at + 1], pictures[at])
        befores += [(structures[at], pictures[at])]  # flow gives up in plain pictures
        broken[at] = min(unlikeness(structure, structures[at + 1]) for structure, _ in befores)
        apart[at] = min(apart[at], *(pictures_apart(picture, pictures[at + 1]) for _, picture in befores))
    return replace(steps, broken=broken, apart=apart)


def _moved(one: Floats, other: Floats, picture: Floats) -> list[tuple[Floats, Floats]]:
    """A structure and its picture, moved along the flow to another structure."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    first, second = (np.clip(128 + 60 * each, 0, 255).astype(np.uint8) for each in (one, other))
    way = flow.calc(second, first, np.zeros((*one.shape, 2), np.float32))
    down, across = np.mgrid[0 : one.shape[0], 0 : one.shape[1]].astype(np.float32)
    places = across + way[..., 0], down + way[..., 1]
    structure, moved = (
        cv2.remap(each, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for each in (one, picture)
    )
    return [(structure, moved)]


def quiet_picture(frame: Pixels) -> Floats:
    """Half of a small copy, (height, width, 3) float32, 0 to 1, without noise."""
    height, width = frame.shape[:2]
    half = cv2.resize(frame, (max(1, width // HALF), max(1, height // HALF)), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(samples_of(np.asarray(half, np.uint8)), (0, 0), BLUR)


def quiet_structure(picture: Floats, usual: float | None = None) -> Floats:
    """Its luma without the local mean, over the local contrast: (height, width), about -3 to 3.

    usual: the contrast of which a share counts as none; its own if None.
    """
    level = _level(picture)
    floor = max(LEAST_CONTRAST, NOISE_SHARE * (float(level.std()) if usual is None else usual))
    mean = cv2.GaussianBlur(level, (0, 0), WINDOW)
    variance = cv2.GaussianBlur(level * level, (0, 0), WINDOW) - mean * mean
    return np.asarray((level - mean) / np.sqrt(np.maximum(variance, 0) + floor**2))


def _level(picture: Floats) -> Floats:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
